//! The metrics that count ended requests, with the labels that show their outcomes.

use std::time::Duration;

use super::{
    Exports,
    promql::{Matcher, number},
};
use crate::{
    facade::{OutcomeFilter, Values, of_family},
    operation::Traffic,
};

/// A kind of count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CountKind {
    /// The ended requests.
    Requests,
    Errors,
    ClientErrors,
    /// The ended requests in the duration histogram.
    Durations,
    /// The sum of their durations.
    Seconds,
    /// The ended requests by the upper bound of their duration.
    Buckets,
}

impl CountKind {
    /// The name of the metric in the name of a record.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Requests => "lookout_requests",
            Self::Errors => "lookout_errors",
            Self::ClientErrors => "lookout_client_errors",
            Self::Durations => "lookout_durations",
            Self::Seconds => "lookout_durations_sum",
            Self::Buckets => "lookout_durations_bucket",
        }
    }
}

impl Exports {
    /// How the labels show the requests of a kind of count; `None` for all requests.
    pub(super) fn filter(&self, kind: CountKind, traffic: &Traffic) -> Option<OutcomeFilter> {
        let presets = &self.naming.presets;
        match kind {
            CountKind::Errors => Some(presets.errors(traffic)),
            CountKind::ClientErrors => presets.client_errors(traffic),
            _ => None,
        }
    }

    /// The metrics of a kind of count: of the preset, and of each family of buckets.
    pub(super) fn metric_names(&self, kind: CountKind, traffic: &Traffic) -> Vec<String> {
        let naming = &self.naming;
        let names = naming.presets.names(traffic);
        let suffix = match (kind, names.ended) {
            (CountKind::Requests | CountKind::Errors | CountKind::ClientErrors, Some(ended)) => {
                return vec![naming.name(ended).as_str().to_owned()];
            }
            (CountKind::Seconds, _) => "_sum",
            (CountKind::Buckets, _) => "_bucket",
            _ => "_count",
        };
        let duration = naming.name(names.duration);
        let is_served = traffic.dependency.is_none();
        let families = self.families.iter().filter(|_| is_served);
        let of_families = families.map(|family| of_family(duration.as_str(), &family.name));
        let all = [duration.as_str().to_owned()].into_iter().chain(of_families);
        all.map(|name| format!("{name}{suffix}")).collect()
    }
}

/// A condition for these values of a label.
pub(super) fn matcher(label: &'static str, values: &Values) -> Matcher {
    match values {
        Values::OneOf(values) => Matcher::one_of(label, values.iter().map(|value| &**value)),
        Values::NoneOf(values) => Matcher::none_of(label, values.iter().map(|value| &**value)),
        Values::Class(digit) => Matcher::pattern(label, format!("{digit}..")),
    }
}

/// A matcher of the bounds of buckets. Prometheus 3 writes whole numbers as `1.0`.
pub(super) fn le(bounds: &[Duration], further: Option<&str>) -> Matcher {
    let of = |bound: &Duration| {
        let seconds = number(bound.as_secs_f64());
        let is_whole = !seconds.contains('.');
        let escaped = seconds.replace('.', r"\.");
        if is_whole { format!(r"{escaped}(\.0)?") } else { escaped }
    };
    let patterns: Vec<_> = bounds.iter().map(of).chain(further.map(str::to_owned)).collect();
    Matcher::pattern("le", patterns.join("|"))
}
