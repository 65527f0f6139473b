use std::borrow::Cow;

use metrics::{Label, SharedString};

use crate::{
    operation::{Operation, Protocol},
    outcome::{Ending, Outcome},
    series::{SeriesKey, StatusKey},
};

/// The labels of an operation, by OpenTelemetry's names in Prometheus form.
pub(crate) fn labels(operation: &Operation) -> Vec<Label> {
    let mut labels = Vec::with_capacity(6);
    let route = || SharedString::from_shared(operation.shared_route());
    if let Some(dependency) = &operation.traffic().dependency {
        let name = SharedString::from_shared(dependency.name.clone());
        labels.push(Label::new("dependency", name));
        labels.push(Label::from_static_parts("call", dependency.call.as_str()));
    }
    match operation.traffic().protocol {
        Protocol::Grpc => {
            labels.push(Label::from_static_parts("rpc_system_name", "grpc"));
            labels.push(Label::new("rpc_method", route()));
        }
        Protocol::Http => {
            labels.push(Label::from_static_parts("http_request_method", operation.method()));
            match (operation.dependency(), operation.route()) {
                (None, _) => labels.push(Label::new("http_route", route())),
                (Some(_), "") => {}
                (Some(_), _) => labels.push(Label::new("server_address", route())),
            }
        }
    }
    labels
}

/// The labels of a duration: those of its operation, its status, and `error_type` unless it is a
/// success.
pub(super) fn duration_labels(
    operation: &Operation,
    key: SeriesKey,
    outcome: Outcome,
) -> Vec<Label> {
    let mut labels = labels(operation);
    if let Some(status) = key.status.label() {
        labels.push(Label::new(status_label(operation), status));
    }
    if let Some(error) = error_type(key, outcome) {
        labels.push(Label::new("error_type", error));
    }
    labels
}

fn status_label(operation: &Operation) -> &'static str {
    if operation.is_grpc() { "rpc_response_status_code" } else { "http_response_status_code" }
}

/// What a counter of ends tells apart besides the outcome: HTTP's class, or gRPC's status.
pub(super) fn class(operation: &Operation, status: StatusKey) -> (&'static str, Cow<'static, str>) {
    if operation.is_grpc() {
        (status_label(operation), status.label().unwrap_or("none".into()))
    } else {
        ("status_class", status.class_label().into())
    }
}

/// OpenTelemetry's `error.type`: the status of a failure, the kind of an error, else the outcome; a
/// success must not have one.
fn error_type(key: SeriesKey, outcome: Outcome) -> Option<Cow<'static, str>> {
    match (outcome, key.ending) {
        (Outcome::Success, _) => None,
        (Outcome::Failure, _) => Some(key.status.label().unwrap_or("missing_status".into())),
        (_, Ending::Error(kind)) => Some(kind.as_str().into()),
        (outcome, _) => Some(outcome.as_str().into()),
    }
}
