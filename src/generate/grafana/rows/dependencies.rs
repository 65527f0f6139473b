//! The calls of the service to its dependencies.

use super::{Row, legend, of_dependency, thresholds};
use crate::{
    generate::{
        count_kind::CountKind,
        grafana::{
            panel::{Kind, Panel},
            queries::{Queries, quantile_of, ratio, with_le},
        },
    },
    operation::Protocol,
    rule::{Rule, Signal},
};

pub(super) fn row(queries: &Queries<'_>, rules: &[Rule]) -> Row {
    if queries.called.is_empty() {
        return Row::new(800, "Dependencies", Vec::new());
    }
    let [mut rates, mut errors, mut p99, mut waits, mut active, mut oldest] = panels(rules);
    for traffic in &queries.called {
        let (names, by) = (queries.names(traffic), queries.dependency_labels(traffic));
        let legend = legend(&by);
        let of = |kind| queries.of(kind, traffic, &by);
        let (total, failed) = (of(CountKind::Requests), of(CountKind::Errors));
        let buckets = queries.of(CountKind::Buckets, traffic, &with_le(&by));
        rates = rates.query(&*total, &*legend);
        errors = errors.query(ratio(&failed, &total), &*legend);
        p99 = p99.query(quantile_of(0.99, &buckets), &*legend);
        active = active.query(queries.gauge("sum", names.active, traffic, &by), &*legend);
        oldest = oldest.query(queries.gauge("max", names.oldest, traffic, &by), &*legend);
        if traffic.protocol != Protocol::Call {
            waits = waits.query(queries.quantile_of(0.99, names.wait, traffic, &by), &*legend);
        }
    }
    let mut panels = vec![rates, errors, p99, waits, active, oldest];
    // A future has no client that must become ready.
    panels.retain(|panel| !panel.queries.is_empty());
    Row::new(800, "Dependencies", panels)
}

fn panels(rules: &[Rule]) -> [Panel; 6] {
    let panel =
        |id, title: &str, unit| Panel::new(id, Kind::TimeSeries, title, unit).no_value("No calls");
    let of = |signal| thresholds(rules, |rule| of_dependency(rule, signal));
    [
        panel(801, "Calls", "reqps").thresholds(of(Signal::Throughput)).describe(
            "Calls that ended in a second. The kind \"attempt\" counts each retry: if it rises above \
             \"logical\", the client retries.",
        ),
        panel(802, "Error ratio of calls", "percentunit")
            .thresholds(of(Signal::ErrorRatio))
            .describe(
                "Share of the calls that failed. If it rises with the error ratio of the service, the \
                 dependency is the cause: look at its own dashboard.",
            ),
        panel(803, "p99 duration of a call", "s")
            .thresholds(thresholds(rules, |rule| {
                matches!(rule.signal, Signal::LatencyQuantile(_)) && of_dependency(rule, rule.signal)
            }))
            .describe(
                "Time of a call without the wait for the client. If it rises, the dependency or the \
                 network is slow.",
            ),
        panel(804, "p99 wait for the client", "s").no_value("No calls have waited").describe(
            "Time that a request waited until the client was ready: for a connection, a permit of a \
             limit, or a place in a buffer. If it rises and the duration of a call does not, this \
             service needs a larger pool or limit.",
        ),
        panel(805, "Calls in flight", "short").thresholds(of(Signal::InFlight)).describe(
            "Calls that have not ended. If it reaches the size of the pool, further calls wait.",
        ),
        panel(806, "Age of the oldest call", "s").thresholds(of(Signal::OldestInFlight)).describe(
            "Age of the oldest call that waits for its response. If it exceeds the timeout of the \
             client, the client has none.",
        ),
    ]
}
