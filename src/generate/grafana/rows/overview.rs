//! Rate, errors and durations of the whole service.

use super::{Row, of_service, thresholds};
use crate::{
    facade::{ALERT_STATE, Names},
    generate::{
        count_kind::CountKind,
        grafana::{
            panel::{Kind, Panel},
            queries::{Queries, quantile_of, ratio},
        },
        promql::{Matcher, selector},
    },
    rule::{Rule, Signal},
};

const NO_REQUESTS: &str = "No requests";

pub(super) fn row(queries: &Queries<'_>, rules: &[Rule]) -> Row {
    let stats = stats(queries, rules);
    let mut panels = stats;
    panels.extend(series(queries, rules));
    panels.extend(instances(queries));
    Row::new(100, "Overview", panels)
}

fn is_latency(rule: &Rule) -> bool {
    of_service(rule, Signal::MeanLatency)
        || (matches!(rule.signal, Signal::LatencyQuantile(_)) && of_service(rule, rule.signal))
}

fn stats(queries: &Queries<'_>, rules: &[Rule]) -> Vec<Panel> {
    let (requests, errors) =
        (queries.of_service(CountKind::Requests, &[]), queries.of_service(CountKind::Errors, &[]));
    let p99 = quantile_of(0.99, &queries.of_service(CountKind::Buckets, &["le"]));
    let up =
        selector("up", &[Matcher::equal("job", "$job"), Matcher::pattern("instance", "$instance")]);
    let firing = format!("count({} == 2) or vector(0)", queries.own_metric(ALERT_STATE));
    let in_flight = queries.gauge_of_service("sum", |names| names.active, &[]);
    let stat = |id, title: &str, unit| Panel::new(id, Kind::Stat, title, unit);
    let of = |signal| thresholds(rules, |rule| of_service(rule, signal));
    vec![
        stat(101, "Requests per second", "reqps")
            .query(&*requests, "requests")
            .no_value(NO_REQUESTS)
            .thresholds(of(Signal::Throughput))
            .describe(
                "Requests that ended, in a second. A sudden drop means that clients no longer reach \
                 the service: look at the load balancer and at Instances up.",
            ),
        stat(102, "Error ratio", "percentunit")
            .query(ratio(&errors, &requests), "error ratio")
            .no_value(NO_REQUESTS)
            .thresholds(of(Signal::ErrorRatio))
            .describe(
                "Share of the requests that failed. If it rises, sort the table of routes by errors \
                 to find the route, then look at its dependencies.",
            ),
        stat(103, "p99 response time", "s")
            .query(p99, "p99")
            .no_value(NO_REQUESTS)
            .thresholds(thresholds(rules, |rule| {
                matches!(rule.signal, Signal::LatencyQuantile(_)) && of_service(rule, rule.signal)
            }))
            .describe(
                "99 of 100 requests were faster. If it rises alone, a few requests are slow: look at \
                 the heat map and at the routes.",
            ),
        stat(104, "In flight", "short")
            .query(in_flight, "in flight")
            .no_value("No metrics")
            .thresholds(of(Signal::InFlight))
            .describe(
                "Requests that have not ended. If it rises while the rate stays the same, requests \
                 hang: look at In flight and at the dependencies.",
            ),
        stat(105, "Firing alerts", "short")
            .query(firing, "firing")
            .describe("Alerts that fire now, on all selected instances. The timeline names them."),
        stat(106, "Instances up", "short")
            .query(format!("sum({up})"), "up")
            .no_value("No target")
            .describe(
                "Instances that answer the scrape of Prometheus. If one is missing, look at its log \
                 and at the targets of Prometheus.",
            ),
    ]
}

fn series(queries: &Queries<'_>, rules: &[Rule]) -> Vec<Panel> {
    let of = |kind| queries.of_service(kind, &[]);
    let [requests, errors, client_errors] =
        [CountKind::Requests, CountKind::Errors, CountKind::ClientErrors].map(of);
    let mean = format!("{} / ({} > 0)", of(CountKind::Seconds), of(CountKind::Durations));
    let buckets = queries.of_service(CountKind::Buckets, &["le"]);
    let series =
        |id, title: &str, unit| Panel::new(id, Kind::TimeSeries, title, unit).no_value(NO_REQUESTS);
    let mut latency = series(112, "Response time", "s")
        .thresholds(thresholds(rules, is_latency))
        .query(mean, "mean")
        .describe(
            "Time to the end of the response; of a stream, to its head. The mean is exact, the \
             quantiles are estimates between two buckets. The dashed lines are the thresholds of the \
             rules. If all lines rise, the service or a dependency of all routes is slow; if only the \
             p99 rises, look at the heat map.",
        );
    for quantile in [0.5, 0.95, 0.99] {
        let name = format!("p{}", (quantile * 100.0_f64).round());
        latency = latency.query(quantile_of(quantile, &buckets), name);
    }
    vec![
        series(110, "Requests and errors", "reqps")
            .query(&*requests, "requests")
            .query(format!("{errors} or 0 * {requests}"), "errors")
            .query(format!("{client_errors} or 0 * {requests}"), "client errors")
            .thresholds(thresholds(rules, |rule| of_service(rule, Signal::Throughput)))
            .describe(
                "Requests that ended in a second, and how many of them failed. Client errors are \
                 rejected requests (4xx): a jump after a deployment means a changed interface.",
            ),
        series(111, "Error ratio", "percentunit")
            .query(ratio(&errors, &requests), "errors")
            .query(ratio(&client_errors, &requests), "client errors")
            .thresholds(thresholds(rules, |rule| {
                of_service(rule, Signal::ErrorRatio) || of_service(rule, Signal::ClientErrorRatio)
            }))
            .describe(
                "Share of the requests that failed, and of those that were rejected. The dashed lines \
                 are the thresholds of the rules. Compare the start of a rise with the deployments.",
            ),
        latency,
    ]
}

/// The comparison of the replicas.
fn instances(queries: &Queries<'_>) -> Vec<Panel> {
    let by = ["instance"];
    let of = |kind| queries.of_service(kind, &by);
    let (requests, errors) = (of(CountKind::Requests), of(CountKind::Errors));
    let buckets = queries.of_service(CountKind::Buckets, &["instance", "le"]);
    let active: fn(&Names) -> &'static str = |names| names.active;
    let series =
        |id, title: &str, unit| Panel::new(id, Kind::TimeSeries, title, unit).no_value(NO_REQUESTS);
    vec![
        series(120, "Error ratio by instance", "percentunit")
            .query(ratio(&errors, &requests), "{{instance}}")
            .describe(
                "If one instance fails more than the others, take it out of the load balancer, and \
                 look at its host and its version.",
            ),
        series(121, "p99 response time by instance", "s")
            .query(quantile_of(0.99, &buckets), "{{instance}}")
            .describe(
                "If one instance is slower than the others, its host is overloaded or its caches are \
                 cold.",
            ),
        series(122, "In flight by instance", "short")
            .query(queries.gauge_of_service("sum", active, &by), "{{instance}}")
            .describe(
                "If one instance has more requests in flight than the others, its requests hang, or \
                 the load balancer prefers it.",
            ),
    ]
}
