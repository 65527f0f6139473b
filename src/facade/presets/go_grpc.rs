//! The metrics of go-grpc-middleware.

use metrics::Label;

use super::{
    labelling::{LabelOptions, Labelling, add_dependency},
    names::Names,
    otel,
    outcome_filter::{OutcomeFilter, Values},
};
use crate::{
    operation::{Operation, Traffic},
    outcome::{Ending, ErrorKind, GrpcStatus, Outcome, Status},
    series::SeriesKey,
};

pub(super) const SERVER: Names = Names {
    duration: "grpc_server_handling_seconds",
    started: Some("grpc_server_started_total"),
    ended: Some("grpc_server_handled_total"),
    message_totals: Some(["grpc_server_msg_received_total", "grpc_server_msg_sent_total"]),
    operation_labels: &["grpc_type", "grpc_service", "grpc_method"],
    duration_labels: &[],
    ended_labels: &["grpc_code"],
    ..otel::GRPC_SERVER
};

pub(super) const CLIENT: Names = Names {
    duration: "grpc_client_handling_seconds",
    started: Some("grpc_client_started_total"),
    ended: Some("grpc_client_handled_total"),
    message_totals: Some(["grpc_client_msg_sent_total", "grpc_client_msg_received_total"]),
    operation_labels: &["dependency", "call", "grpc_type", "grpc_service", "grpc_method"],
    duration_labels: &[],
    ended_labels: &["grpc_code"],
    ..otel::GRPC_CLIENT
};

#[derive(Debug)]
pub(super) struct GoGrpcMiddleware;

impl Labelling for GoGrpcMiddleware {
    fn operation(&self, operation: &Operation, options: &LabelOptions) -> Vec<Label> {
        let mut labels = Vec::with_capacity(8);
        add_dependency(&mut labels, "dependency", operation);
        let (service, method) = service_and_method(operation.route());
        let kind = options.grpc_types.get(operation.route()).copied().unwrap_or_default();
        labels.push(Label::from_static_parts("grpc_type", kind.as_str()));
        labels.push(Label::new("grpc_service", service.to_owned()));
        labels.push(Label::new("grpc_method", method.to_owned()));
        labels
    }

    fn ended(
        &self,
        labels: &mut Vec<Label>,
        _operation: &Operation,
        key: SeriesKey,
        _outcome: Outcome,
    ) {
        labels.push(Label::from_static_parts("grpc_code", code(key)));
    }

    fn errors(&self, traffic: &Traffic) -> OutcomeFilter {
        if traffic.dependency.is_some() {
            return OutcomeFilter::new("grpc_code", Values::none_of(&["OK", "Canceled"])).with_gap(
                "the preset GoGrpcMiddleware shows a call that failed with Canceled as one that was \
                 dropped, and ignores `failure`",
            );
        }
        let statuses = Values::grpc(GrpcStatus::is_server_failure, code_of);
        OutcomeFilter::new("grpc_code", statuses).with_gap(
            "the preset GoGrpcMiddleware shows a call that a limit rejected as a client error, and \
             ignores `failure`",
        )
    }

    fn client_errors(&self, _traffic: &Traffic) -> Option<OutcomeFilter> {
        let statuses = Values::grpc(GrpcStatus::is_client_error, code_of);
        Some(OutcomeFilter::new("grpc_code", statuses).with_gap(
            "the preset GoGrpcMiddleware shows a call that a limit rejected as a client error",
        ))
    }
}

/// Splits `shop.Orders/Create` into its service and its method. A route that several methods share,
/// such as `_OTHER`, has no service.
fn service_and_method(route: &str) -> (&str, &str) {
    route.split_once('/').unwrap_or(("unknown", route))
}

/// Returns Go's name of a gRPC status.
fn code_of(status: GrpcStatus) -> &'static str {
    CODES[usize::from(status.code())]
}

/// Returns Go's name of the gRPC status, also for a call that ended without a status.
fn code(key: SeriesKey) -> &'static str {
    match (key.ending, key.status.status()) {
        (Ending::Complete, Some(Status::Grpc(status))) => code_of(status),
        (Ending::Cancelled | Ending::Aborted, _) => "Canceled",
        (Ending::Error(kind), _) => match kind {
            ErrorKind::Timeout => "DeadlineExceeded",
            ErrorKind::Connect | ErrorKind::ConnectionReset => "Unavailable",
            ErrorKind::Overloaded | ErrorKind::TooLarge => "ResourceExhausted",
            ErrorKind::Cancelled => "Canceled",
            ErrorKind::Other | ErrorKind::Body | ErrorKind::Decode | ErrorKind::Redirect => {
                "Unknown"
            }
        },
        (Ending::Complete | Ending::Panicked, _) => "Unknown",
    }
}

/// The names of the statuses, by number.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];
