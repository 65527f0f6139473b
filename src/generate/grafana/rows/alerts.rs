//! The states of the alerts, the deliveries, and the rules with their thresholds.

use std::collections::BTreeSet;

use super::{Row, legend};
use crate::{
    facade::{
        ALERT_STATE, DROPPED, FAILED, REPORTS, RETRIED, RULE_THRESHOLD, RULE_VALUE, SENT, UNROUTED,
    },
    generate::grafana::{
        panel::{Kind, Panel},
        queries::{Queries, plain},
    },
    rule::{Rule, Signal, Unit},
    stable_hash::stable_hash,
};

pub(super) fn row(queries: &Queries<'_>) -> Row {
    let (expr, legend) = states(queries);
    let notifications =
        [(SENT, "sent"), (FAILED, "failed"), (RETRIED, "retried"), (DROPPED, "dropped")];
    let mut deliveries = Panel::new(202, Kind::TimeSeries, "Notifications", "short")
        .width(12)
        .no_value("No notifier")
        .describe(
            "Messages per second, by notifier. If deliveries fail, nobody is notified: the log has the \
             error. Unrouted alerts match no notifier: add one, or widen its matcher.",
        );
    for (name, what) in notifications {
        let rate = queries.own_rate(name);
        deliveries = deliveries
            .query(format!("sum by (notifier) ({rate})"), format!("{{{{notifier}}}} {what}"));
    }
    deliveries = deliveries.query(format!("sum({})", queries.own_rate(UNROUTED)), "unrouted");
    let panels = vec![
        Panel::new(201, Kind::StateTimeline, "Alert states", "short")
            .query(expr, legend)
            .no_value("No rule has been evaluated")
            .describe(
                "The worst state of each rule over the selected instances. Open the panel of the rule \
                 below to see its value and its threshold.",
            ),
        deliveries,
        Panel::new(203, Kind::TimeSeries, "Reported failures", "short")
            .width(12)
            .query(
                format!("sum by (report, severity) ({})", queries.own_rate(REPORTS)),
                "{{report}} {{severity}}",
            )
            .no_value("No failure was reported")
            .describe(
                "Failures per second that the application reported, by name. The log has the errors.",
            ),
    ];
    Row::new(200, "Alerts", panels)
}

/// The labels of an alert's target.
fn target_labels(queries: &Queries<'_>) -> Vec<&'static str> {
    let served = queries.served.iter().flat_map(|traffic| queries.labels(traffic));
    served.chain(["dependency"]).collect()
}

/// The states of all alerts, and their legend.
pub(in crate::generate::grafana) fn states(queries: &Queries<'_>) -> (String, String) {
    let labels: Vec<_> = ["rule", "severity"].into_iter().chain(target_labels(queries)).collect();
    let expr = format!("max by ({}) ({})", labels.join(", "), queries.own_metric(ALERT_STATE));
    let shown: Vec<_> = labels.into_iter().filter(|label| *label != "severity").collect();
    (expr, legend(&shown))
}

/// The id of a rule's panel. It depends on the name alone, so that a link stays valid when other
/// rules change.
pub(in crate::generate::grafana) fn panel_ids(rules: &[Rule]) -> Vec<u32> {
    const FIRST: u64 = 1_000;
    const COUNT: u64 = 1_000_000;
    let mut used = BTreeSet::new();
    let ids = rules.iter().map(|rule| {
        let start = stable_hash(&[rule.name()]) % COUNT;
        let free = (0..COUNT).map(|step| (FIRST + (start + step) % COUNT) as u32);
        // A million ids are more than the rules.
        free.into_iter().find(|id| used.insert(*id)).unwrap_or_default()
    });
    ids.collect()
}

/// A panel for each rule, to which its alerts link.
pub(super) fn rules(queries: &Queries<'_>, rules: &[Rule]) -> Row {
    let ids = panel_ids(rules);
    let panels = rules.iter().zip(ids).map(|(rule, id)| panel(queries, rule, id)).collect();
    // A dashboard with many rules opens on the service, not on its rules.
    let is_collapsed = rules.len() > 6;
    Row { is_collapsed, ..Row::new(300, "Rules", panels) }
}

fn panel(queries: &Queries<'_>, rule: &Rule, id: u32) -> Panel {
    let name = rule.name();
    let of_instances =
        if rule.is_each_route() { "{{instance}}, worst route" } else { "{{instance}}" };
    let mut text = format!("The {} of the rule, and its threshold.", rule.signal);
    if let Some(summary) = &rule.summary {
        text = format!("{text} {summary}");
    }
    text.push_str(match rule.signal {
        Signal::BurnRate { .. } => {
            " A burn rate of 1 spends the error budget in exactly its period. Look at the errors by \
             route."
        }
        Signal::ErrorRatio | Signal::ClientErrorRatio => {
            " Look at the errors by route and at the dependencies."
        }
        Signal::MeanLatency | Signal::LatencyQuantile(_) | Signal::SlowRatio(_) => {
            " Look at the heat map, the routes and the dependencies."
        }
        Signal::Throughput => " Look at the load balancer and at the routes.",
        Signal::InFlight | Signal::OldestInFlight => {
            " Look at the oldest requests by route and at the waits of the dependencies."
        }
        Signal::RuntimeLag => {
            " Look for code that blocks the runtime: locks, files, long computations."
        }
    });
    let no_value =
        if rule.min_requests > 1 { "Too few requests for a verdict" } else { "No verdict" };
    let panel = Panel::new(id, Kind::TimeSeries, plain(&name), unit(rule.signal.unit()))
        .query(queries.of_rule(RULE_VALUE, &name), of_instances)
        .query(format!("max({})", queries.of_rule(RULE_THRESHOLD, &name)), "threshold")
        .no_value(no_value)
        .describe(plain(&text));
    match &rule.runbook {
        Some(url) => panel.link("Runbook", &plain(url)),
        None => panel,
    }
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Seconds => "s",
        Unit::Ratio => "percentunit",
        Unit::PerSecond => "reqps",
        Unit::Multiple | Unit::Requests => "short",
    }
}
