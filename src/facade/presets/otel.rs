//! OpenTelemetry's conventions in Prometheus form.

use std::{borrow::Cow, sync::Arc};

use metrics::{Label, SharedString};

use super::{
    labelling::{HttpLabels, LabelOptions, Labelling, add_dependency, error_type, route},
    names::{Names, Role},
    outcome_filter::{OutcomeFilter, Values},
};
use crate::{
    operation::{Dependency, Operation, Protocol, System, Traffic},
    outcome::{GrpcStatus, Outcome},
    series::SeriesKey,
};

pub(super) const HTTP_SERVER: Names = Names {
    duration: "http_server_request_duration_seconds",
    head: "http_server_response_head_duration_seconds",
    started: None,
    ended: Some("http_server_requests_total"),
    active: "http_server_active_requests",
    oldest: "http_server_oldest_active_request_seconds",
    stream: "http_server_stream_duration_seconds",
    streams: "http_server_active_streams",
    wait: "http_server_ready_wait_seconds",
    sizes: ["http_server_request_body_size_bytes", "http_server_response_body_size_bytes"],
    messages: None,
    message_totals: None,
    role: Role::Server,
    operation_labels: &["http_request_method", "http_route"],
    scheme_label: &["url_scheme"],
    duration_labels: &["http_response_status_code", "error_type", "url_scheme"],
    ended_labels: &["status_class", "outcome"],
};

pub(super) const HTTP_CLIENT: Names = Names {
    duration: "http_client_request_duration_seconds",
    head: "http_client_response_head_duration_seconds",
    role: Role::Client,
    ended: Some("http_client_requests_total"),
    active: "http_client_active_requests",
    oldest: "http_client_oldest_active_request_seconds",
    stream: "http_client_stream_duration_seconds",
    streams: "http_client_active_streams",
    wait: "http_client_ready_wait_seconds",
    sizes: ["http_client_request_body_size_bytes", "http_client_response_body_size_bytes"],
    operation_labels: &["dependency", "call", "http_request_method", "server_address"],
    scheme_label: &[],
    duration_labels: &["http_response_status_code", "error_type"],
    ..HTTP_SERVER
};

pub(super) const GRPC_SERVER: Names = Names {
    duration: "rpc_server_call_duration_seconds",
    head: "rpc_server_response_head_duration_seconds",
    started: None,
    ended: Some("rpc_server_calls_total"),
    active: "rpc_server_active_calls",
    oldest: "rpc_server_oldest_active_call_seconds",
    stream: "rpc_server_stream_duration_seconds",
    streams: "rpc_server_active_streams",
    wait: "rpc_server_ready_wait_seconds",
    sizes: ["rpc_server_request_size_bytes", "rpc_server_response_size_bytes"],
    messages: Some(["rpc_server_requests_per_rpc", "rpc_server_responses_per_rpc"]),
    message_totals: None,
    role: Role::Server,
    operation_labels: &["rpc_system_name", "rpc_method"],
    scheme_label: &[],
    duration_labels: &["rpc_response_status_code", "error_type"],
    ended_labels: &["rpc_response_status_code", "outcome"],
};

pub(super) const GRPC_CLIENT: Names = Names {
    duration: "rpc_client_call_duration_seconds",
    head: "rpc_client_response_head_duration_seconds",
    role: Role::Client,
    ended: Some("rpc_client_calls_total"),
    active: "rpc_client_active_calls",
    oldest: "rpc_client_oldest_active_call_seconds",
    stream: "rpc_client_stream_duration_seconds",
    streams: "rpc_client_active_streams",
    wait: "rpc_client_ready_wait_seconds",
    sizes: ["rpc_client_request_size_bytes", "rpc_client_response_size_bytes"],
    messages: Some(["rpc_client_requests_per_rpc", "rpc_client_responses_per_rpc"]),
    operation_labels: &["dependency", "call", "rpc_system_name", "rpc_method"],
    ..GRPC_SERVER
};

pub(super) const DATABASE: Names = Names {
    duration: "db_client_operation_duration_seconds",
    ended: Some("db_client_operations_total"),
    active: "db_client_active_operations",
    oldest: "db_client_oldest_active_operation_seconds",
    operation_labels: &["dependency", "db_system_name", "db_operation_name"],
    ..FUTURE
};

pub(super) const MESSAGING: Names = Names {
    duration: "messaging_client_operation_duration_seconds",
    ended: Some("messaging_client_operations_total"),
    active: "messaging_client_active_operations",
    oldest: "messaging_client_oldest_active_operation_seconds",
    operation_labels: &["dependency", "messaging_system", "messaging_operation_name"],
    ..FUTURE
};

pub(super) const DEPENDENCY: Names = Names {
    duration: "dependency_operation_duration_seconds",
    ended: Some("dependency_operations_total"),
    active: "dependency_active_operations",
    oldest: "dependency_oldest_active_operation_seconds",
    operation_labels: &["dependency", "operation"],
    ..FUTURE
};

/// The names for plain futures, which have no status.
const FUTURE: Names = Names {
    role: Role::Future,
    duration_labels: &["error_type"],
    ended_labels: &["outcome"],
    ..HTTP_CLIENT
};

pub(super) const HTTP_LABELS: HttpLabels =
    HttpLabels { method: "http_request_method", route: "http_route" };

#[derive(Debug)]
pub(super) struct OpenTelemetry;

impl Labelling for OpenTelemetry {
    fn operation(&self, operation: &Operation, _options: &LabelOptions) -> Vec<Label> {
        let mut labels = Vec::with_capacity(8);
        add_dependency(&mut labels, "dependency", operation);
        match operation.traffic().protocol {
            Protocol::Http => HTTP_LABELS.add(&mut labels, operation),
            Protocol::Grpc => {
                labels.push(Label::from_static_parts("rpc_system_name", "grpc"));
                labels.push(Label::new("rpc_method", route(operation)));
            }
            Protocol::Call => add_future(&mut labels, operation),
        }
        labels
    }

    /// Returns the same value for all requests of a lookout, since a client can send any scheme and
    /// a proxy may terminate TLS.
    fn scheme(&self, operation: &Operation, options: &LabelOptions) -> Option<Label> {
        let traffic = operation.traffic();
        let is_served_http = traffic.protocol == Protocol::Http && traffic.dependency.is_none();
        let scheme = if options.is_https { "https" } else { "http" };
        is_served_http.then(|| Label::from_static_parts("url_scheme", scheme))
    }

    fn duration(
        &self,
        labels: &mut Vec<Label>,
        operation: &Operation,
        key: SeriesKey,
        outcome: Outcome,
    ) {
        let status = key.status.label().map(|status| (status_label(operation), status));
        let error = error_type(key, outcome).map(|error| ("error_type", error));
        let both = [status, error].into_iter().flatten();
        labels.extend(both.map(|(label, value)| Label::new(label, value)));
    }

    fn ended(
        &self,
        labels: &mut Vec<Label>,
        operation: &Operation,
        key: SeriesKey,
        outcome: Outcome,
    ) {
        let class = class(operation, key);
        labels.extend(class.map(|(label, class)| Label::new(label, class)));
        labels.push(Label::from_static_parts("outcome", outcome.as_str()));
    }

    fn errors(&self, _traffic: &Traffic) -> OutcomeFilter {
        OutcomeFilter::new("outcome", Values::errors())
    }

    fn client_errors(&self, traffic: &Traffic) -> Option<OutcomeFilter> {
        match traffic.protocol {
            Protocol::Http => Some(OutcomeFilter::new("status_class", Values::one_of(&["4xx"]))),
            Protocol::Grpc => {
                let statuses = Values::grpc(GrpcStatus::is_client_error, GrpcStatus::name);
                Some(OutcomeFilter::new(GRPC_STATUS, statuses))
            }
            Protocol::Call => None,
        }
    }
}

const GRPC_STATUS: &str = "rpc_response_status_code";

fn add_future(labels: &mut Vec<Label>, operation: &Operation) {
    let system = operation.traffic().dependency.as_ref().and_then(Dependency::system);
    let (name, system) = match system {
        Some(System::Database(system)) => ("db_operation_name", Some(("db_system_name", system))),
        Some(System::Messaging(system)) => {
            ("messaging_operation_name", Some(("messaging_system", system)))
        }
        Some(System::Other) | None => ("operation", None),
    };
    labels.extend(
        system.map(|(label, system)| {
            Label::new(label, SharedString::from_shared(Arc::clone(system)))
        }),
    );
    labels.push(Label::new(name, route(operation)));
}

fn status_label(operation: &Operation) -> &'static str {
    if operation.is_grpc() { GRPC_STATUS } else { "http_response_status_code" }
}

/// Returns the class of an HTTP status, or gRPC's status. A plain future has neither.
fn class(operation: &Operation, key: SeriesKey) -> Option<(&'static str, Cow<'static, str>)> {
    match operation.traffic().protocol {
        Protocol::Grpc => {
            Some((status_label(operation), key.status.label().unwrap_or("none".into())))
        }
        Protocol::Http => Some(("status_class", key.status.class_label().into())),
        Protocol::Call => None,
    }
}
