//! The alerts of the rules.

use std::time::Duration;

use super::{
    conditions::{Condition, Conditions},
    counts::Counts,
    template,
    yaml::{Alert, Entry},
};
use crate::{
    generate::promql::duration,
    rule::{BurnRate, Rule, Scope, Severity, Signal, Unit, method_and_route},
};

/// Returns the alert of a rule, or a comment with the reason why there is none; and the alerts of
/// an SLO over windows that are longer than the lookout's history.
pub(super) fn of_rule(rule: &Rule, counts: &mut Counts<'_>) -> (Entry, Vec<Entry>) {
    let entry = match Conditions::new(rule, counts).condition() {
        Ok(condition) => Entry::Alert(Box::new(alert(rule, condition, counts))),
        Err(reason) => {
            Entry::Comment(format!("PromQL cannot express the rule {}: {reason}.", rule.name()))
        }
    };
    let long = match rule.signal {
        Signal::BurnRate { objective } => long_alerts(rule, objective, counts),
        _ => Vec::new(),
    };
    (entry, long)
}

fn alert(rule: &Rule, Condition { expr, notes }: Condition, counts: &Counts<'_>) -> Alert {
    let mut alert = Alert {
        name: rule.name(),
        notes,
        expr,
        hold_for: nonzero(rule.hold_for),
        keep_firing_for: nonzero(rule.keep_firing_for),
        annotations: annotations(rule, &condition_text(rule)),
        ..Alert::default()
    };
    labels(&mut alert, rule, counts);
    alert
}

/// Adds the labels of the lookout's own alert. They override a rule's labels of the same name.
fn labels(alert: &mut Alert, rule: &Rule, counts: &Counts<'_>) {
    alert.label("severity", rule.severity.as_str());
    alert.label("service", &counts.exports.service);
    match &rule.scope {
        // The series have the labels of the route.
        Scope::Service | Scope::EachRoute => {}
        Scope::Route(text) => {
            let (method, route) = method_and_route(text);
            method.into_iter().for_each(|method| alert.label("method", method));
            alert.label("route", route);
        }
        Scope::Dependency(name) => alert.label("dependency", name),
    }
    for (name, value) in &rule.labels {
        if !alert.labels.iter().any(|(own, _)| own == name) {
            alert.label(name, value);
        }
    }
}

fn nonzero(length: Duration) -> Option<String> {
    (!length.is_zero()).then(|| duration(length))
}

fn annotations(rule: &Rule, condition: &str) -> Vec<(&'static str, String)> {
    let measured = format!("{} {}", measured_signal(rule), template::value(rule.signal.unit()));
    let description = format!("{measured} ({})", template::literal(condition));
    let summary = rule.summary.as_deref().map_or(measured, template::literal);
    let links = [("runbook_url", &rule.runbook), ("dashboard_url", &rule.dashboard)];
    let links = links
        .into_iter()
        .filter_map(|(name, url)| Some((name, template::literal(url.as_deref()?))));
    [("summary", summary), ("description", description)].into_iter().chain(links).collect()
}

/// Returns the signal whose value the alert has: for an SLO the error ratio.
fn measured_signal(rule: &Rule) -> String {
    match rule.signal {
        Signal::BurnRate { .. } => Signal::ErrorRatio.to_string(),
        signal => signal.to_string(),
    }
}

/// Returns the condition in words, such as `threshold: above 1%`.
fn condition_text(rule: &Rule) -> String {
    match (rule.signal, rule.threshold) {
        (Signal::BurnRate { objective }, _) => {
            let rates: Vec<_> = rule.burn_rates.iter().map(|rate| rate_text(*rate)).collect();
            format!("{} of the objective {}", rates.join(", or "), Unit::Ratio.show(objective))
        }
        (signal, Some((comparison, threshold))) => {
            format!("threshold: {comparison} {}", signal.unit().show(threshold.value()))
        }
        (_, None) => String::new(),
    }
}

fn rate_text(rate: BurnRate) -> String {
    let [long, short] = [rate.long, rate.short].map(duration);
    format!("burn rate above {} over {long} and {short}", Unit::Multiple.show(rate.factor))
}

/// The shares of the budget and the windows of the SRE workbook that exceed the lookout's history.
const LONG: [(f64, u64, Option<Severity>); 2] =
    [(0.05, 6, None), (0.1, 3 * 24, Some(Severity::Warning))];

fn long_alerts(rule: &Rule, objective: f64, counts: &mut Counts<'_>) -> Vec<Entry> {
    let of = |(share, hours, most): (f64, u64, Option<Severity>)| {
        let rate = BurnRate::of_budget(share, Duration::from_secs(hours * 60 * 60));
        let window = duration(rate.long);
        if rate.error_ratio(objective) >= 1.0 {
            return Entry::Comment(format!(
                "{} has no alert over {window}: no error ratio exceeds the burn rate {}.",
                rule.name(),
                Unit::Multiple.show(rate.factor)
            ));
        }
        let rate = rounded(rate);
        let expr = Conditions::new(rule, counts).long_burn_rate(rate, objective);
        let text = format!("{} of the objective {}", rate_text(rate), Unit::Ratio.show(objective));
        let severity = most.map_or(rule.severity, |most| most.min(rule.severity));
        let mut alert = Alert {
            name: rule.name(),
            expr,
            keep_firing_for: nonzero(rule.keep_firing_for),
            annotations: annotations(rule, &text),
            ..Alert::default()
        };
        labels(&mut alert, &rule.clone().severity(severity), counts);
        alert.label("window", &window);
        Entry::Alert(Box::new(alert))
    };
    LONG.map(of).into()
}

/// Returns the burn rate without a rounding error.
fn rounded(rate: BurnRate) -> BurnRate {
    BurnRate { factor: (rate.factor * 1e9).round() / 1e9, ..rate }
}
