//! The labels of an operation and of its ends, as the preset of its traffic has them. A metric that
//! the preset does not name has its labels all the same; see [`Preset`].

use std::{borrow::Cow, sync::Arc};

use metrics::{Label, SharedString};

use crate::{
    facade::{MetricNaming, Preset},
    operation::{Dependency, Operation, Protocol, System},
    outcome::{Ending, ErrorKind, Outcome, Status},
    series::{LabelSet, LabelTable, SeriesKey},
};

/// The labels of an operation; each operation has others, so that no two share a gauge.
pub(crate) fn labels(dialect: &MetricNaming, operation: &Operation) -> Vec<Label> {
    let traffic = operation.traffic();
    let preset = dialect.presets.of(traffic);
    let mut labels = Vec::with_capacity(8);
    if let Some(dependency) = &traffic.dependency {
        let label = if preset == Preset::SpringBoot { "client_name" } else { "dependency" };
        labels.push(Label::new(label, SharedString::from_shared(dependency.name.clone())));
        let call = dependency.call.label();
        labels.extend(call.map(|call| Label::from_static_parts("call", call)));
    }
    let route = || SharedString::from_shared(operation.shared_route());
    match (traffic.protocol, preset) {
        (Protocol::Grpc, Preset::GoGrpcMiddleware) => {
            let (service, method) = service_and_method(operation.route());
            let kind = dialect.grpc_types.get(operation.route()).copied().unwrap_or_default();
            labels.push(Label::from_static_parts("grpc_type", kind.as_str()));
            labels.push(Label::new("grpc_service", service.to_owned()));
            labels.push(Label::new("grpc_method", method.to_owned()));
        }
        (Protocol::Grpc, _) => {
            labels.push(Label::from_static_parts("rpc_system_name", "grpc"));
            labels.push(Label::new("rpc_method", route()));
        }
        (Protocol::Call, _) => {
            let system = traffic.dependency.as_ref().and_then(Dependency::system);
            let (name, system) = match system {
                Some(System::Database(system)) => {
                    ("db_operation_name", Some(("db_system_name", system)))
                }
                Some(System::Messaging(system)) => {
                    ("messaging_operation_name", Some(("messaging_system", system)))
                }
                Some(System::Other) | None => ("operation", None),
            };
            labels.extend(system.map(|(label, system)| {
                Label::new(label, SharedString::from_shared(Arc::clone(system)))
            }));
            labels.push(Label::new(name, route()));
        }
        (Protocol::Http, _) => {
            let (method_label, route_label) = method_and_route_labels(preset);
            labels.push(Label::from_static_parts(method_label, operation.method()));
            match (operation.dependency(), operation.route()) {
                (None, _) => labels.push(Label::new(route_label, route())),
                (Some(_), "") => {}
                (Some(_), _) => labels.push(Label::new("server_address", route())),
            }
        }
    }
    labels
}

/// The label that OpenTelemetry requires on the durations, the requests in flight and the body sizes of
/// what is served over HTTP. It is the same for all requests of a lookout: a client chooses the scheme
/// of its request, and a proxy may have terminated TLS.
pub(super) fn url_scheme(dialect: &MetricNaming, operation: &Operation) -> Option<Label> {
    let traffic = operation.traffic();
    let is_served = traffic.protocol == Protocol::Http && traffic.dependency.is_none();
    let is_required = is_served && dialect.presets.of(traffic) == Preset::OpenTelemetry;
    let scheme = if dialect.is_https { "https" } else { "http" };
    is_required.then(|| Label::from_static_parts("url_scheme", scheme))
}

/// The labels of a rule's route, for all methods or one.
pub(crate) fn route_labels(
    dialect: &MetricNaming,
    method: Option<&str>,
    route: &str,
) -> Vec<Label> {
    let (method_label, route_label) = method_and_route_labels(dialect.presets.of_http_server());
    let method = method.map(|method| Label::new(method_label, method.to_owned()));
    method.into_iter().chain([Label::new(route_label, route.to_owned())]).collect()
}

fn method_and_route_labels(preset: Preset) -> (&'static str, &'static str) {
    match preset {
        Preset::SpringBoot => ("method", "uri"),
        Preset::AxumPrometheus => ("method", "endpoint"),
        Preset::OpenTelemetry | Preset::GoGrpcMiddleware => ("http_request_method", "http_route"),
    }
}

/// The labels of a duration: those of its operation, and what the preset tells of its end. Several
/// ends may have the same.
pub(super) fn duration_labels(
    dialect: &MetricNaming,
    operation: &Operation,
    key: SeriesKey,
    outcome: Outcome,
) -> Vec<Label> {
    let mut labels = labels(dialect, operation);
    match dialect.presets.of(operation.traffic()) {
        Preset::OpenTelemetry => {
            let status = key.status.label().map(|status| (status_label(operation), status));
            let error = error_type(key, outcome).map(|error| ("error_type", error));
            let both = [status, error].into_iter().flatten();
            labels.extend(both.map(|(label, value)| Label::new(label, value)));
            labels.extend(url_scheme(dialect, operation));
        }
        Preset::SpringBoot => {
            let is_client = operation.dependency().is_some();
            if is_client {
                labels.push(Label::from_static_parts("uri", "none"));
            } else if operation.is_unmatched() {
                labels.retain(|label| label.key() != "uri");
                labels.push(Label::from_static_parts("uri", spring_uri(key)));
            }
            let missing = if is_client { "CLIENT_ERROR" } else { "UNKNOWN" };
            let status = key.status.label().unwrap_or(missing.into());
            labels.push(Label::new("status", status));
            labels.push(Label::from_static_parts("outcome", spring_outcome(key)));
            labels.push(Label::new("exception", error_type(key, outcome).unwrap_or("none".into())));
        }
        Preset::AxumPrometheus => {
            labels.push(Label::new("status", key.status.label().unwrap_or("none".into())));
        }
        Preset::GoGrpcMiddleware => {}
    }
    labels
}

/// The labels of a counter of ends.
pub(super) fn ended_labels(
    dialect: &MetricNaming,
    operation: &Operation,
    key: SeriesKey,
    outcome: Outcome,
) -> Vec<Label> {
    match dialect.presets.of(operation.traffic()) {
        Preset::OpenTelemetry => {
            let mut labels = labels(dialect, operation);
            let class = class(operation, key);
            labels.extend(class.map(|(label, class)| Label::new(label, class)));
            labels.push(Label::from_static_parts("outcome", outcome.as_str()));
            labels
        }
        Preset::GoGrpcMiddleware => {
            let mut labels = labels(dialect, operation);
            labels.push(Label::from_static_parts("grpc_code", go_code(key)));
            labels
        }
        Preset::SpringBoot | Preset::AxumPrometheus => {
            duration_labels(dialect, operation, key, outcome)
        }
    }
}

/// The labels that the user added.
pub(super) fn user_labels(table: &LabelTable, set: LabelSet) -> impl Iterator<Item = Label> {
    table.texts(set).map(|(name, value)| {
        Label::new(SharedString::from_shared(name), SharedString::from_shared(value))
    })
}

fn status_label(operation: &Operation) -> &'static str {
    if operation.is_grpc() { "rpc_response_status_code" } else { "http_response_status_code" }
}

/// What OpenTelemetry's counter tells apart besides the outcome: HTTP's class, or gRPC's status. A
/// future has neither.
fn class(operation: &Operation, key: SeriesKey) -> Option<(&'static str, Cow<'static, str>)> {
    match operation.traffic().protocol {
        Protocol::Grpc => {
            Some((status_label(operation), key.status.label().unwrap_or("none".into())))
        }
        Protocol::Http => Some(("status_class", key.status.class_label().into())),
        Protocol::Call => None,
    }
}

/// What Micrometer calls the route of a request that took none.
fn spring_uri(key: SeriesKey) -> &'static str {
    match key.status.status() {
        Some(Status::Http(status)) if status == 404 => "NOT_FOUND",
        Some(Status::Http(status)) if status.is_redirection() => "REDIRECTION",
        _ => "UNKNOWN",
    }
}

fn spring_outcome(key: SeriesKey) -> &'static str {
    match key.status.class_label() {
        "1xx" => "INFORMATIONAL",
        "2xx" => "SUCCESS",
        "3xx" => "REDIRECTION",
        "4xx" => "CLIENT_ERROR",
        "5xx" => "SERVER_ERROR",
        _ => "UNKNOWN",
    }
}

/// `shop.Orders/Create` in its parts; what stands for several methods has no service.
fn service_and_method(route: &str) -> (&str, &str) {
    route.split_once('/').unwrap_or(("unknown", route))
}

/// gRPC's status as Go calls it, also of an end that had none.
fn go_code(key: SeriesKey) -> &'static str {
    match (key.ending, key.status.status()) {
        (Ending::Complete, Some(Status::Grpc(status))) => GO_CODES[usize::from(status.code())],
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

/// By code.
const GO_CODES: [&str; 17] = [
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::operation::{Call, MethodLabel, Traffic};

    #[test]
    fn no_two_operations_share_their_labels_whatever_the_preset() {
        let dependency = |name: &str, call| Some(Dependency { name: name.into(), call });
        let sides = [
            None,
            dependency("a", Call::Logical),
            dependency("a", Call::Attempt),
            dependency("b", Call::Logical),
            dependency("a", Call::Operation(System::Other)),
            dependency("a", Call::Operation(System::Database("a".into()))),
            dependency("a", Call::Operation(System::Messaging("a".into()))),
        ];
        let routes =
            ["", "unmatched", "UNKNOWN", "_OVERFLOW", "_OTHER", "/", "/a/{b}", "a/b", "a/c"];
        for preset in [
            Preset::OpenTelemetry,
            Preset::SpringBoot,
            Preset::AxumPrometheus,
            Preset::GoGrpcMiddleware,
        ] {
            let mut dialect = MetricNaming::default();
            dialect.presets.choose(preset);
            for protocol in [Protocol::Http, Protocol::Grpc, Protocol::Call] {
                let mut met = HashSet::new();
                let methods = match protocol {
                    Protocol::Http => &[MethodLabel::Get, MethodLabel::Other][..],
                    Protocol::Grpc | Protocol::Call => &[MethodLabel::Other],
                };
                let sides = sides
                    .iter()
                    .filter(|side| Dependency::protocols(side.as_ref()).contains(&protocol));
                for (side, route) in sides.flat_map(|side| routes.map(|route| (side, route))) {
                    let traffic = Arc::new(Traffic { protocol, dependency: side.clone() });
                    for method in methods {
                        let operation = Operation::new(Arc::clone(&traffic), *method, route);
                        assert!(met.insert(labels(&dialect, &operation)), "{preset:?} {operation}");
                    }
                }
            }
        }
    }
}
