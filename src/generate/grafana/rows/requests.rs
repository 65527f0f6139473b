//! How requests end, those in flight, and streams.

use super::{Row, legend, of_routes, of_service, thresholds};
use crate::{
    generate::{
        count_kind::CountKind,
        grafana::{
            panel::{Kind, Panel},
            queries::Queries,
        },
    },
    operation::{Protocol, Traffic},
    rule::{Rule, Signal},
};

/// The distribution of the durations, and the ends by status and outcome.
pub(super) fn row(queries: &Queries<'_>) -> Row {
    let mut ends = Panel::new(402, Kind::TimeSeries, "Status and outcome", "reqps")
        .width(12)
        .stacked()
        .no_value("No requests")
        .describe(
            "Requests that ended in a second, by the class of the status and by the outcome. Cancelled \
             requests are those whose client went away: if they rise with the response time, clients \
             time out.",
        );
    for traffic in &queries.served {
        let labels = queries.ended_labels(traffic);
        ends = ends.query(queries.of(CountKind::Requests, traffic, &labels), legend(&labels));
    }
    let heatmap = Panel::new(401, Kind::Heatmap, "Response times", "s")
        .width(12)
        .query(queries.of_service(CountKind::Buckets, &["le"]), "{{le}}")
        .no_value("No requests")
        .describe(
            "Requests per second by response time. Two bands mean two kinds of requests, such as cache \
             hits and misses. A band at the value of a timeout means that requests wait for something \
             that does not answer.",
        );
    Row::new(400, "Requests", vec![heatmap, ends])
}

pub(super) fn in_flight(queries: &Queries<'_>, rules: &[Rule]) -> Row {
    let of = |signal| thresholds(rules, |rule| of_routes(rule, signal) || of_service(rule, signal));
    let mut active = Panel::new(601, Kind::TimeSeries, "In flight by route", "short")
        .width(12)
        .no_value("No requests")
        .thresholds(thresholds(rules, |rule| of_routes(rule, Signal::InFlight)))
        .describe("Requests that have not ended. A line that only rises means that requests hang.");
    let mut oldest = Panel::new(602, Kind::TimeSeries, "Age of the oldest request by route", "s")
        .width(12)
        .no_value("No requests")
        .thresholds(of(Signal::OldestInFlight))
        .describe(
            "Age of the oldest request that still waits for the head of its response. A line that rises \
             by a second each second is one request that hangs: look for a lock, a pool without free \
             connections, or a call without a timeout.",
        );
    for traffic in &queries.served {
        let (names, labels) = (queries.names(traffic), queries.labels(traffic));
        active =
            active.query(queries.gauge("sum", names.active, traffic, &labels), legend(&labels));
        oldest =
            oldest.query(queries.gauge("max", names.oldest, traffic, &labels), legend(&labels));
    }
    Row::new(600, "In flight", vec![active, oldest])
}

pub(super) fn streams(queries: &Queries<'_>) -> Row {
    let mut open = Panel::new(701, Kind::TimeSeries, "Open streams", "short")
        .no_value("No streams")
        .describe(
            "Open streams by kind: server-sent events, gRPC, upgrades, long polls, bodies of unknown \
             length. A fall to zero means that a deployment or a proxy cut them.",
        );
    let mut heads = Panel::new(702, Kind::TimeSeries, "Time to the head of a response", "s")
        .no_value("No requests")
        .describe(
            "Time until the service begins to respond. If the response time rises and this does not, \
             bodies are slow: large responses or slow clients.",
        );
    let mut durations = Panel::new(703, Kind::TimeSeries, "Duration of streams", "s")
        .no_value("No stream has ended")
        .describe(
            "Time from the request to the end of its stream. A limit that all streams reach is the \
             timeout of a proxy.",
        );
    for traffic in &queries.served {
        let names = queries.names(traffic);
        open = open.query(queries.gauge("sum", names.streams, traffic, &["kind"]), "{{kind}}");
        let protocol = if queries.served.len() > 1 { protocol(traffic) } else { "" };
        for (quantile, name) in [(0.5, "p50"), (0.99, "p99")] {
            let of = |metric| queries.quantile_of(quantile, metric, traffic, &[]);
            if let Some(head) = names.head() {
                heads = heads.query(of(head), format!("{protocol}{name}"));
            }
            durations = durations.query(of(names.stream), format!("{protocol}{name}"));
        }
    }
    Row::new(700, "Streams", vec![open, heads, durations])
}

fn protocol(traffic: &Traffic) -> &'static str {
    match traffic.protocol {
        Protocol::Grpc => "gRPC ",
        _ => "HTTP ",
    }
}
