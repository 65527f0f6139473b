use metrics::Label;

use super::{
    axum_prometheus::{self, AxumPrometheus},
    go_grpc::{self, GoGrpcMiddleware},
    labelling::{HttpLabels, LabelOptions, Labelling},
    names::Names,
    otel::{self, OpenTelemetry},
    outcome_filter::OutcomeFilter,
    preset::Preset,
    spring_boot::{self, SpringBoot},
};
use crate::{
    operation::{Dependency, Operation, Protocol, System, Traffic},
    outcome::Outcome,
    series::SeriesKey,
};

/// The preset for HTTP and the preset for gRPC, with the settings that affect their labels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presets {
    http: Preset,
    grpc: Preset,
    pub(crate) options: LabelOptions,
}

/// The names of every preset.
#[cfg_attr(not(feature = "prometheus"), allow(dead_code, reason = "the buckets need all of them"))]
const NAMES: [&Names; 12] = [
    &otel::HTTP_SERVER,
    &otel::GRPC_SERVER,
    &otel::HTTP_CLIENT,
    &otel::GRPC_CLIENT,
    &otel::DATABASE,
    &otel::MESSAGING,
    &otel::DEPENDENCY,
    &spring_boot::SERVER,
    &spring_boot::CLIENT,
    &axum_prometheus::SERVER,
    &go_grpc::SERVER,
    &go_grpc::CLIENT,
];

impl Presets {
    /// Selects a preset for the protocol that it supports.
    pub(crate) fn select(&mut self, preset: Preset) {
        match preset {
            Preset::OpenTelemetry => (self.http, self.grpc) = (preset, preset),
            Preset::SpringBoot | Preset::AxumPrometheus => self.http = preset,
            Preset::GoGrpcMiddleware => self.grpc = preset,
        }
    }

    /// Returns the metric names of a kind of traffic.
    pub(crate) fn names(&self, traffic: &Traffic) -> &'static Names {
        match traffic.dependency.as_ref().and_then(Dependency::system) {
            Some(System::Database(_)) => &otel::DATABASE,
            Some(System::Messaging(_)) => &otel::MESSAGING,
            Some(System::Other) => &otel::DEPENDENCY,
            None => self.names_of(traffic.protocol, traffic.dependency.is_some()),
        }
    }

    /// Returns the metric names of each kind of traffic.
    pub(in crate::facade) fn all_names(&self) -> [&'static Names; 7] {
        [
            self.names_of(Protocol::Http, false),
            self.names_of(Protocol::Http, true),
            self.names_of(Protocol::Grpc, false),
            self.names_of(Protocol::Grpc, true),
            &otel::DATABASE,
            &otel::MESSAGING,
            &otel::DEPENDENCY,
        ]
    }

    pub(in crate::facade) fn names_of_every_preset() -> impl Iterator<Item = &'static Names> {
        NAMES.into_iter()
    }

    #[cfg(test)]
    pub(in crate::facade) fn http_server_names(&self) -> &'static Names {
        self.names_of(Protocol::Http, false)
    }

    /// Returns the names of the duration histograms of every preset. They all have the same
    /// buckets.
    #[cfg(feature = "prometheus")]
    pub(crate) fn all_durations() -> impl Iterator<Item = &'static str> {
        NAMES.iter().flat_map(|names| [names.duration, names.head, names.stream, names.wait])
    }

    /// Returns the names of the histograms of body sizes.
    #[cfg(feature = "prometheus")]
    pub(crate) fn all_sizes() -> impl Iterator<Item = &'static str> {
        NAMES.iter().flat_map(|names| names.sizes)
    }

    /// Returns the names of the histograms of gRPC messages.
    #[cfg(feature = "prometheus")]
    pub(crate) fn all_messages() -> impl Iterator<Item = &'static str> {
        NAMES.iter().filter_map(|names| names.messages).flatten()
    }

    /// Returns the labels of an operation. No two operations have the same labels, so that none
    /// share a gauge.
    pub(crate) fn operation_labels(&self, operation: &Operation) -> Vec<Label> {
        self.labelling(operation.traffic()).operation(operation, &self.options)
    }

    /// Returns a further label of the requests in flight and the body sizes.
    pub(crate) fn scheme_label(&self, operation: &Operation) -> Option<Label> {
        self.labelling(operation.traffic()).scheme(operation, &self.options)
    }

    /// Returns the labels of a duration. Several kinds of end may have the same labels.
    pub(crate) fn duration_labels(
        &self,
        operation: &Operation,
        key: SeriesKey,
        outcome: Outcome,
    ) -> Vec<Label> {
        let mut labels = self.operation_labels(operation);
        self.labelling(operation.traffic()).duration(&mut labels, operation, key, outcome);
        labels.extend(self.scheme_label(operation));
        labels
    }

    /// Returns the labels of the counter of ended requests.
    pub(crate) fn ended_labels(
        &self,
        operation: &Operation,
        key: SeriesKey,
        outcome: Outcome,
    ) -> Vec<Label> {
        let mut labels = self.operation_labels(operation);
        self.labelling(operation.traffic()).ended(&mut labels, operation, key, outcome);
        labels
    }

    /// Returns the labels of a rule's route, for one method or for all methods.
    pub(crate) fn route_labels(&self, method: Option<&str>, route: &str) -> Vec<Label> {
        let HttpLabels { method: method_label, route: route_label } = match self.http {
            Preset::SpringBoot => spring_boot::HTTP_LABELS,
            Preset::AxumPrometheus => axum_prometheus::HTTP_LABELS,
            Preset::OpenTelemetry | Preset::GoGrpcMiddleware => otel::HTTP_LABELS,
        };
        let method = method.map(|method| Label::new(method_label, method.to_owned()));
        method.into_iter().chain([Label::new(route_label, route.to_owned())]).collect()
    }

    /// Returns the filter of the counter of ended requests that selects the errors.
    pub(crate) fn errors(&self, traffic: &Traffic) -> OutcomeFilter {
        self.labelling(traffic).errors(traffic)
    }

    /// Returns the filter of that counter that selects the client errors; `None` without any.
    pub(crate) fn client_errors(&self, traffic: &Traffic) -> Option<OutcomeFilter> {
        self.labelling(traffic).client_errors(traffic)
    }

    /// Returns the names of the labels that distinguish the operations of this traffic.
    pub(crate) fn identifying_labels(
        &self,
        traffic: &Traffic,
    ) -> impl Iterator<Item = &'static str> + use<> {
        let labels = self.names(traffic).operation_labels.iter().copied();
        labels.filter(|label| !matches!(*label, "rpc_system_name" | "grpc_type"))
    }

    /// Returns the label of the route and its values for a request without a route, where the
    /// counters of served HTTP requests have other values than `unmatched`.
    pub(crate) fn unmatched_values(&self) -> Option<(&'static str, [&'static str; 3])> {
        (self.http == Preset::SpringBoot)
            .then_some((spring_boot::HTTP_LABELS.route, spring_boot::UNMATCHED_URIS))
    }

    fn labelling(&self, traffic: &Traffic) -> &'static dyn Labelling {
        match self.preset(traffic.protocol, traffic.dependency.is_some()) {
            Preset::OpenTelemetry => &OpenTelemetry,
            Preset::SpringBoot => &SpringBoot,
            Preset::AxumPrometheus => &AxumPrometheus,
            Preset::GoGrpcMiddleware => &GoGrpcMiddleware,
        }
    }

    /// Returns the selected preset if it applies to this traffic, or else OpenTelemetry's.
    fn preset(&self, protocol: Protocol, is_client: bool) -> Preset {
        match protocol {
            Protocol::Http if is_client && self.http == Preset::AxumPrometheus => {
                Preset::OpenTelemetry
            }
            Protocol::Http => self.http,
            Protocol::Grpc => self.grpc,
            Protocol::Call => Preset::OpenTelemetry,
        }
    }

    fn names_of(&self, protocol: Protocol, is_client: bool) -> &'static Names {
        match (self.preset(protocol, is_client), protocol, is_client) {
            (Preset::SpringBoot, _, false) => &spring_boot::SERVER,
            (Preset::SpringBoot, _, true) => &spring_boot::CLIENT,
            (Preset::AxumPrometheus, ..) => &axum_prometheus::SERVER,
            (Preset::GoGrpcMiddleware, _, false) => &go_grpc::SERVER,
            (Preset::GoGrpcMiddleware, _, true) => &go_grpc::CLIENT,
            (Preset::OpenTelemetry, Protocol::Http, false) => &otel::HTTP_SERVER,
            (Preset::OpenTelemetry, Protocol::Http, true) => &otel::HTTP_CLIENT,
            (Preset::OpenTelemetry, Protocol::Call, _) => &otel::DEPENDENCY,
            (Preset::OpenTelemetry, Protocol::Grpc, false) => &otel::GRPC_SERVER,
            (Preset::OpenTelemetry, Protocol::Grpc, true) => &otel::GRPC_CLIENT,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeSet, HashSet},
        sync::Arc,
    };

    use http::StatusCode;

    use super::*;
    use crate::{
        operation::{Call, MethodLabel},
        outcome::{Ending, ErrorKind, GrpcStatus, Status},
        series::{Classifier, LabelSet, StatusKey},
    };

    const PRESETS: [Preset; 4] = [
        Preset::OpenTelemetry,
        Preset::SpringBoot,
        Preset::AxumPrometheus,
        Preset::GoGrpcMiddleware,
    ];

    fn selected(preset: Preset) -> Presets {
        let mut presets = Presets::default();
        presets.select(preset);
        presets
    }

    fn dependency(name: &str, call: Call) -> Option<Dependency> {
        Some(Dependency { name: name.into(), call })
    }

    fn sides() -> [Option<Dependency>; 7] {
        [
            None,
            dependency("a", Call::Logical),
            dependency("a", Call::Attempt),
            dependency("b", Call::Logical),
            dependency("a", Call::Operation(System::Other)),
            dependency("a", Call::Operation(System::Database("a".into()))),
            dependency("a", Call::Operation(System::Messaging("a".into()))),
        ]
    }

    /// Returns each kind of traffic, for servers and clients.
    fn traffic() -> impl Iterator<Item = Arc<Traffic>> {
        sides().into_iter().flat_map(|dependency| {
            let protocols = Dependency::protocols(dependency.as_ref()).iter();
            protocols.map(move |protocol| {
                Arc::new(Traffic { protocol: *protocol, dependency: dependency.clone() })
            })
        })
    }

    #[test]
    fn with_each_preset_no_two_operations_have_the_same_labels() {
        let routes =
            ["", "unmatched", "UNKNOWN", "_OVERFLOW", "_OTHER", "/", "/a/{b}", "a/b", "a/c"];
        for preset in PRESETS {
            let presets = selected(preset);
            for protocol in [Protocol::Http, Protocol::Grpc, Protocol::Call] {
                let mut seen = HashSet::new();
                let methods = match protocol {
                    Protocol::Http => &[MethodLabel::Get, MethodLabel::Other][..],
                    Protocol::Grpc | Protocol::Call => &[MethodLabel::Other],
                };
                let of_protocol = traffic().filter(|traffic| traffic.protocol == protocol);
                for (traffic, route) in of_protocol
                    .flat_map(|traffic| routes.map(|route| (Arc::clone(&traffic), route)))
                {
                    for method in methods {
                        let operation = Operation::new(Arc::clone(&traffic), *method, route);
                        let labels = presets.operation_labels(&operation);
                        assert!(seen.insert(labels), "{preset:?} {operation}");
                    }
                }
            }
        }
    }

    /// Returns the ends that a request of this traffic may have.
    fn ends(protocol: Protocol) -> Vec<(SeriesKey, Outcome)> {
        let status = match protocol {
            Protocol::Http => StatusKey::http(StatusCode::INTERNAL_SERVER_ERROR),
            Protocol::Grpc => StatusKey::grpc(GrpcStatus::UNIMPLEMENTED),
            Protocol::Call => StatusKey::NONE,
        };
        let key = |status, ending| SeriesKey { status, ending, labels: LabelSet::NONE };
        vec![
            (key(status, Ending::Complete), Outcome::Failure),
            (key(StatusKey::NONE, Ending::Error(ErrorKind::Timeout)), Outcome::Error),
            (key(StatusKey::NONE, Ending::Cancelled), Outcome::Cancelled),
        ]
    }

    #[test]
    fn the_catalogue_names_the_labels_of_the_recorded_series() {
        let names_of = |labels: Vec<Label>| labels.into_iter().map(|label| label.key().to_owned());
        let declared = |parts: [&'static [&'static str]; 2]| {
            parts.into_iter().flatten().map(|label| (*label).to_owned()).collect::<BTreeSet<_>>()
        };
        for preset in PRESETS {
            let presets = selected(preset);
            for traffic in traffic() {
                let names = presets.names(&traffic);
                let (mut durations, mut ended) = (BTreeSet::new(), BTreeSet::new());
                let operation = Operation::new(Arc::clone(&traffic), MethodLabel::Get, "/a");
                let active = presets.operation_labels(&operation).into_iter();
                let active = active.chain(presets.scheme_label(&operation)).collect();
                for (key, outcome) in ends(traffic.protocol) {
                    durations.extend(names_of(presets.duration_labels(&operation, key, outcome)));
                    ended.extend(names_of(presets.ended_labels(&operation, key, outcome)));
                }
                let of_operation = names.operation_labels;
                let context = format!("{preset:?} {traffic:?}");
                let active: BTreeSet<_> = names_of(active).collect();
                assert_eq!(active, declared([of_operation, names.scheme_label]), "{context}");
                let declared_durations = declared([of_operation, names.duration_labels]);
                assert_eq!(durations, declared_durations, "{context}");
                if names.ended.is_some() {
                    assert_eq!(ended, declared([of_operation, names.ended_labels]), "{context}");
                }
            }
        }
    }
    /// Each status and each ending that a request of this protocol may have.
    fn all_ends(protocol: Protocol) -> Vec<SeriesKey> {
        let statuses: Vec<_> = match protocol {
            Protocol::Http => [200, 301, 400, 404, 499, 500, 503, 599]
                .map(|status| StatusKey::http(StatusCode::from_u16(status).unwrap()))
                .to_vec(),
            Protocol::Grpc => {
                let all = (0..=16).map(|code| StatusKey::grpc(GrpcStatus::from_code(code)));
                all.chain([StatusKey::GRPC_MISSING]).collect()
            }
            Protocol::Call => Vec::new(),
        };
        let endings = [
            Ending::Complete,
            Ending::Cancelled,
            Ending::Aborted,
            Ending::Panicked,
            Ending::Error(ErrorKind::Timeout),
            Ending::Error(ErrorKind::Overloaded),
            Ending::Error(ErrorKind::Other),
        ];
        let statuses = statuses.into_iter().chain([StatusKey::NONE]);
        let ends = statuses.flat_map(|status| {
            endings.map(|ending| SeriesKey { status, ending, labels: LabelSet::NONE })
        });
        ends.collect()
    }

    #[test]
    fn the_labels_show_each_error_and_each_client_error_unless_the_preset_has_a_gap() {
        let classifier = Classifier(None);
        for preset in PRESETS {
            let presets = selected(preset);
            for traffic in traffic() {
                let operation = Operation::new(Arc::clone(&traffic), MethodLabel::Get, "/a");
                let is_counter = presets.names(&traffic).ended.is_some();
                for key in all_ends(traffic.protocol) {
                    let outcome = classifier.outcome(&operation, key);
                    let labels = if is_counter {
                        presets.ended_labels(&operation, key, outcome)
                    } else {
                        presets.duration_labels(&operation, key, outcome)
                    };
                    let is_shown = |shown: &OutcomeFilter| {
                        let label = labels.iter().find(|label| label.key() == shown.label);
                        label.is_some_and(|label| shown.values.has(label.value()))
                    };
                    let context = format!("{preset:?} {traffic:?} {key:?} {labels:?}");
                    let errors = presets.errors(&traffic);
                    let is_error = outcome.is_error();
                    assert!(is_shown(&errors) == is_error || errors.gap.is_some(), "{context}");
                    let is_client_error = key.status.status().is_some_and(Status::is_client_error);
                    match presets.client_errors(&traffic) {
                        Some(errors) => assert!(
                            is_shown(&errors) == is_client_error || errors.gap.is_some(),
                            "{context}"
                        ),
                        None => assert!(!is_client_error, "{context}"),
                    }
                }
            }
        }
    }

    #[test]
    fn a_plain_failure_is_an_error_with_each_preset() {
        let classifier = Classifier(None);
        for preset in PRESETS {
            let presets = selected(preset);
            for traffic in traffic().filter(|traffic| traffic.protocol != Protocol::Call) {
                let operation = Operation::new(Arc::clone(&traffic), MethodLabel::Get, "/a");
                let complete = all_ends(traffic.protocol)
                    .into_iter()
                    .filter(|key| key.ending == Ending::Complete && key.status.status().is_some());
                for key in complete {
                    let outcome = classifier.outcome(&operation, key);
                    let labels = presets.ended_labels(&operation, key, outcome);
                    let OutcomeFilter { label, values, .. } = presets.errors(&traffic);
                    let label = labels.iter().find(|found| found.key() == label).unwrap();
                    let is_cancelled = label.value() == "Canceled";
                    let is_shown = values.has(label.value());
                    let context = format!("{preset:?} {traffic:?} {key:?} {labels:?}");
                    assert!(is_shown == outcome.is_error() || is_cancelled, "{context}");
                }
            }
        }
    }
}
