use std::{borrow::Cow, collections::HashMap};

use metrics::{Label, SharedString};

use super::{grpc_type::GrpcType, outcome_filter::OutcomeFilter};
use crate::{
    operation::{Operation, Traffic},
    outcome::{Ending, Outcome},
    series::SeriesKey,
};

/// The labels of a preset. Each preset also lists their names in its [`Names`](super::Names).
pub(super) trait Labelling {
    /// Returns the labels of an operation. No two operations have the same labels, so that none
    /// share a gauge.
    fn operation(&self, operation: &Operation, options: &LabelOptions) -> Vec<Label>;

    /// Returns a further label of the requests in flight, the durations and the body sizes.
    fn scheme(&self, _operation: &Operation, _options: &LabelOptions) -> Option<Label> {
        None
    }

    /// Adds the further labels of a duration to the labels of its operation. Several kinds of end
    /// may have the same labels.
    fn duration(
        &self,
        _labels: &mut Vec<Label>,
        _operation: &Operation,
        _key: SeriesKey,
        _outcome: Outcome,
    ) {
    }

    /// Adds the further labels of the counter of ended requests. Defaults to the labels of the
    /// duration.
    fn ended(
        &self,
        labels: &mut Vec<Label>,
        operation: &Operation,
        key: SeriesKey,
        outcome: Outcome,
    ) {
        self.duration(labels, operation, key, outcome);
    }

    /// Returns the filter of the counter of ended requests that selects the errors.
    fn errors(&self, traffic: &Traffic) -> OutcomeFilter;

    /// Returns the filter of that counter that selects the client errors; `None` without any.
    fn client_errors(&self, traffic: &Traffic) -> Option<OutcomeFilter>;
}

/// The settings of the lookout that affect the labels of an operation.
#[derive(Clone, Debug, Default)]
pub(crate) struct LabelOptions {
    /// Whether the server's requests are `https`, for the label `url_scheme`.
    pub(crate) is_https: bool,
    /// The types by gRPC method.
    pub(crate) grpc_types: HashMap<String, GrpcType>,
}

/// The names of the labels of an HTTP operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct HttpLabels {
    pub(super) method: &'static str,
    pub(super) route: &'static str,
}

impl HttpLabels {
    /// Adds the labels of an operation. A client's route is the server's address, if it is known.
    pub(super) fn add(self, labels: &mut Vec<Label>, operation: &Operation) {
        labels.push(Label::from_static_parts(self.method, operation.method()));
        match (operation.dependency(), operation.route()) {
            (None, _) => labels.push(Label::new(self.route, route(operation))),
            (Some(_), "") => {}
            (Some(_), _) => labels.push(Label::new("server_address", route(operation))),
        }
    }
}

/// Adds the dependency of a client under a label of this name, and the label `call`.
pub(super) fn add_dependency(labels: &mut Vec<Label>, name: &'static str, operation: &Operation) {
    if let Some(dependency) = &operation.traffic().dependency {
        labels.push(Label::new(name, SharedString::from_shared(dependency.name.clone())));
        let call = dependency.call.label();
        labels.extend(call.map(|call| Label::from_static_parts("call", call)));
    }
}

pub(super) fn route(operation: &Operation) -> SharedString {
    SharedString::from_shared(operation.shared_route())
}

/// Returns OpenTelemetry's `error.type`: the status of a failure, the kind of an error, or else the
/// outcome. By its convention, a success does not have the attribute.
pub(super) fn error_type(key: SeriesKey, outcome: Outcome) -> Option<Cow<'static, str>> {
    match (outcome, key.ending) {
        (Outcome::Success, _) => None,
        (Outcome::Failure, _) => Some(key.status.label().unwrap_or("missing_status".into())),
        (_, Ending::Error(kind)) => Some(kind.as_str().into()),
        (outcome, _) => Some(outcome.as_str().into()),
    }
}
