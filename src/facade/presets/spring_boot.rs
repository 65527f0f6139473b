//! The metrics of Spring Boot with Micrometer.

use metrics::Label;

use super::{
    labelling::{HttpLabels, LabelOptions, Labelling, add_dependency, error_type},
    names::Names,
    otel,
    outcome_filter::{OutcomeFilter, Values},
};
use crate::{
    operation::{Operation, Traffic},
    outcome::{Outcome, Status},
    series::SeriesKey,
};

pub(super) const SERVER: Names = Names {
    duration: "http_server_requests_seconds",
    ended: None,
    operation_labels: &["method", "uri"],
    scheme_label: &[],
    duration_labels: &["status", "outcome", "exception"],
    ended_labels: &[],
    ..otel::HTTP_SERVER
};

pub(super) const CLIENT: Names = Names {
    duration: "http_client_requests_seconds",
    ended: None,
    operation_labels: &["client_name", "call", "method", "server_address"],
    duration_labels: &["uri", "status", "outcome", "exception"],
    ended_labels: &[],
    ..otel::HTTP_CLIENT
};

pub(super) const HTTP_LABELS: HttpLabels = HttpLabels { method: "method", route: "uri" };

#[derive(Debug)]
pub(super) struct SpringBoot;

impl Labelling for SpringBoot {
    fn operation(&self, operation: &Operation, _options: &LabelOptions) -> Vec<Label> {
        let mut labels = Vec::with_capacity(8);
        add_dependency(&mut labels, "client_name", operation);
        HTTP_LABELS.add(&mut labels, operation);
        labels
    }

    fn duration(
        &self,
        labels: &mut Vec<Label>,
        operation: &Operation,
        key: SeriesKey,
        outcome: Outcome,
    ) {
        let is_client = operation.dependency().is_some();
        if is_client {
            labels.push(Label::from_static_parts("uri", "none"));
        } else if operation.is_unmatched() {
            labels.retain(|label| label.key() != "uri");
            labels.push(Label::from_static_parts("uri", unmatched_uri(key)));
        }
        let missing = if is_client { "CLIENT_ERROR" } else { "UNKNOWN" };
        labels.push(Label::new("status", key.status.label().unwrap_or(missing.into())));
        labels.push(Label::from_static_parts("outcome", outcome_label(key)));
        labels.push(Label::new("exception", error_type(key, outcome).unwrap_or("none".into())));
    }

    fn errors(&self, _traffic: &Traffic) -> OutcomeFilter {
        OutcomeFilter::new("exception", Values::none_of(&["none", "cancelled", "aborted"]))
    }

    fn client_errors(&self, _traffic: &Traffic) -> Option<OutcomeFilter> {
        Some(OutcomeFilter::new("outcome", Values::one_of(&["CLIENT_ERROR"])))
    }
}

/// The values of `uri` for requests that matched no route.
pub(super) const UNMATCHED_URIS: [&str; 3] = ["NOT_FOUND", "REDIRECTION", "UNKNOWN"];

/// Returns Micrometer's `uri` for a request that matched no route.
fn unmatched_uri(key: SeriesKey) -> &'static str {
    match key.status.status() {
        Some(Status::Http(status)) if status == 404 => UNMATCHED_URIS[0],
        Some(Status::Http(status)) if status.is_redirection() => UNMATCHED_URIS[1],
        _ => UNMATCHED_URIS[2],
    }
}

fn outcome_label(key: SeriesKey) -> &'static str {
    match key.status.class_label() {
        "1xx" => "INFORMATIONAL",
        "2xx" => "SUCCESS",
        "3xx" => "REDIRECTION",
        "4xx" => "CLIENT_ERROR",
        "5xx" => "SERVER_ERROR",
        _ => "UNKNOWN",
    }
}
