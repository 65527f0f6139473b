//! Rate, errors and durations of each route.

use super::{Row, legend, of_routes, thresholds};
use crate::{
    generate::{
        count_kind::CountKind,
        grafana::{
            panel::{Kind, Panel},
            queries::{Queries, quantile_of, ratio, with_le},
        },
    },
    operation::{Protocol, Traffic},
    rule::{Rule, Signal},
};

/// The series that a panel shows at most at a time.
const MOST: u32 = 20;

/// The queries of one kind of traffic, by route.
struct OfRoutes {
    labels: Vec<&'static str>,
    requests: String,
    errors: String,
    mean: String,
    p99: String,
}

impl OfRoutes {
    fn new(queries: &Queries<'_>, traffic: &Traffic) -> Self {
        let labels = queries.labels(traffic);
        let of = |kind| queries.of(kind, traffic, &labels);
        let (requests, errors) = (of(CountKind::Requests), of(CountKind::Errors));
        let buckets = queries.of(CountKind::Buckets, traffic, &with_le(&labels));
        Self {
            errors: ratio(&errors, &requests),
            mean: format!("{} / ({} > 0)", of(CountKind::Seconds), of(CountKind::Durations)),
            p99: quantile_of(0.99, &buckets),
            requests,
            labels,
        }
    }
}

pub(super) fn row(queries: &Queries<'_>, rules: &[Rule]) -> Row {
    let mut panels = Vec::new();
    for traffic in &queries.served {
        let of = OfRoutes::new(queries, traffic);
        let (id, title) = match traffic.protocol {
            Protocol::Grpc => (502, "gRPC methods"),
            _ => (501, "Routes"),
        };
        let table = Panel::new(id, Kind::Table, title, "short")
            .query(&*of.requests, "Requests")
            .query(&*of.errors, "Errors")
            .query(&*of.mean, "Mean")
            .query(&*of.p99, "p99")
            .no_value("No requests")
            .describe(
                "The latest rate, error ratio and response times of each route. Sort by a column. \
                 Select a route at the top of the dashboard to see only its series.",
            );
        panels.push(table);
    }
    panels.extend(series(queries, rules));
    Row::new(500, "Routes", panels)
}

fn series(queries: &Queries<'_>, rules: &[Rule]) -> Vec<Panel> {
    let panel = |id, title: &str, unit| {
        Panel::new(id, Kind::TimeSeries, title, unit).no_value("No requests")
    };
    let mut rates = panel(511, "Requests by route", "reqps")
        .thresholds(thresholds(rules, |rule| of_routes(rule, Signal::Throughput)))
        .describe(
            "The busiest 20 routes. A route that vanishes is no longer called or not reached.",
        );
    let mut errors = panel(512, "Error ratio by route", "percentunit")
        .thresholds(thresholds(rules, |rule| of_routes(rule, Signal::ErrorRatio)))
        .describe(
            "The 20 routes with the highest error ratio. If all routes fail, look at what they share: a \
             database, an authentication service, the host. If one fails, look at its last change.",
        );
    let mut p99 = panel(513, "p99 response time by route", "s")
        .thresholds(thresholds(rules, |rule| {
            matches!(rule.signal, Signal::LatencyQuantile(_)) && of_routes(rule, rule.signal)
        }))
        .describe("The 20 slowest routes. Compare them with the calls of the dependencies.");
    for traffic in &queries.served {
        let of = OfRoutes::new(queries, traffic);
        let legend = legend(&of.labels);
        rates = rates.query(format!("topk({MOST}, {})", of.requests), &*legend);
        errors = errors.query(format!("topk({MOST}, {})", of.errors), &*legend);
        p99 = p99.query(format!("topk({MOST}, {})", of.p99), &*legend);
    }
    vec![rates, errors, p99]
}
