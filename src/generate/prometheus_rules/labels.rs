//! The labels of the alerts, from the labels of the presets.

use crate::{
    facade::Presets,
    generate::promql::{indented, string},
    operation::{Call, Dependency, Protocol, System, Traffic, UNMATCHED},
};

/// The labels that identify a route in the lookout's alerts.
pub(super) const ROUTE_LABELS: &str = "method, route";

/// Returns the kinds of traffic that a service may serve: HTTP and gRPC.
pub(super) fn served() -> [Traffic; 2] {
    [Protocol::Http, Protocol::Grpc].map(|protocol| Traffic { protocol, dependency: None })
}

/// Returns the kinds of traffic that a dependency may have.
pub(super) fn called() -> [Traffic; 5] {
    [
        (Protocol::Http, Call::Logical),
        (Protocol::Grpc, Call::Logical),
        (Protocol::Call, Call::Operation(System::Database("".into()))),
        (Protocol::Call, Call::Operation(System::Messaging("".into()))),
        (Protocol::Call, Call::Operation(System::Other)),
    ]
    .map(|(protocol, call)| {
        let dependency = Some(Dependency { name: "".into(), call });
        Traffic { protocol, dependency }
    })
}

/// A call of a function of PromQL on series, with its further arguments.
struct Function {
    name: &'static str,
    arguments: Vec<String>,
}

/// Adds the labels `method` and `route` to series of served requests.
pub(super) fn with_route(presets: &Presets, series: &str) -> String {
    let [http, grpc] =
        served().map(|traffic| presets.identifying_labels(&traffic).collect::<Vec<_>>());
    let mut calls = Vec::new();
    match grpc[..] {
        // Of HTTP it makes a slash, which the next calls replace.
        [service, name] => {
            calls.push(joined(["route", "/", service, name]));
            calls.push(replaced(["route", "$1", "route", "unknown/(.+)"]));
        }
        _ => calls.extend(grpc.iter().map(|label| replaced(["route", "$1", label, "(.+)"]))),
    }
    let [method, route] = [http[0], http[1]];
    calls.push(replaced(["route", "$1", route, "(.+)"]));
    if method != "method" {
        calls.push(replaced(["method", "$1", method, "(.+)"]));
    }
    if let Some((label, values)) = presets.unmatched_values() {
        calls.push(replaced(["route", UNMATCHED, label, &values.join("|")]));
    }
    applied(&calls, series)
}

/// Adds the label `dependency` to series of calls.
pub(super) fn with_dependency(presets: &Presets, series: &str) -> String {
    let mut calls = Vec::new();
    for traffic in called() {
        let label = presets.identifying_labels(&traffic).next();
        calls.extend(
            label
                .filter(|label| *label != "dependency")
                .map(|label| replaced(["dependency", "$1", label, "(.+)"])),
        );
    }
    applied(&calls, series)
}

/// Sets a label to a value that refers to a pattern of another label, where that matches.
fn replaced([to, value, from, pattern]: [&str; 4]) -> Function {
    Function { name: "label_replace", arguments: [to, value, from, pattern].map(string).into() }
}

/// Sets a label to the values of others.
fn joined([to, separator, first, second]: [&str; 4]) -> Function {
    Function { name: "label_join", arguments: [to, separator, first, second].map(string).into() }
}

/// Applies the calls to the series, the first one first.
fn applied(calls: &[Function], series: &str) -> String {
    if calls.is_empty() {
        return series.to_owned();
    }
    let functions: String = calls.iter().rev().map(|call| format!("{}(", call.name)).collect();
    let arguments = calls.iter().map(|call| format!(", {})", call.arguments.join(", ")));
    let arguments: Vec<_> = arguments.collect();
    format!("{functions}\n{}\n{}", indented(series), arguments.join("\n"))
}
