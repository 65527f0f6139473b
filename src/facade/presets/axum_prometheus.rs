//! The metrics of the crate axum-prometheus, which covers servers only.

use metrics::Label;

use super::{
    labelling::{HttpLabels, LabelOptions, Labelling},
    names::Names,
    otel,
    outcome_filter::{OutcomeFilter, Values},
};
use crate::{
    operation::{Operation, Traffic},
    outcome::Outcome,
    series::SeriesKey,
};

pub(super) const SERVER: Names = Names {
    duration: "axum_http_requests_duration_seconds",
    ended: Some("axum_http_requests_total"),
    active: "axum_http_requests_pending",
    operation_labels: &["method", "endpoint"],
    scheme_label: &[],
    duration_labels: &["status"],
    ended_labels: &["status"],
    ..otel::HTTP_SERVER
};

pub(super) const HTTP_LABELS: HttpLabels = HttpLabels { method: "method", route: "endpoint" };

#[derive(Debug)]
pub(super) struct AxumPrometheus;

impl Labelling for AxumPrometheus {
    fn operation(&self, operation: &Operation, _options: &LabelOptions) -> Vec<Label> {
        let mut labels = Vec::with_capacity(8);
        HTTP_LABELS.add(&mut labels, operation);
        labels
    }

    fn duration(
        &self,
        labels: &mut Vec<Label>,
        _operation: &Operation,
        key: SeriesKey,
        _outcome: Outcome,
    ) {
        labels.push(Label::new("status", key.status.label().unwrap_or("none".into())));
    }
    fn errors(&self, _traffic: &Traffic) -> OutcomeFilter {
        OutcomeFilter::new("status", Values::Class('5')).with_gap(
            "the preset AxumPrometheus shows no error without a status 5xx: a panic, a failed body, \
             or a status that `failure` declares as one",
        )
    }

    fn client_errors(&self, _traffic: &Traffic) -> Option<OutcomeFilter> {
        Some(OutcomeFilter::new("status", Values::Class('4')))
    }
}
