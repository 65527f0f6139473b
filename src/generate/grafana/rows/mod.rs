//! The rows of the dashboard.

mod alerts;
mod dependencies;
mod overview;
mod requests;
mod routes;
mod runtime;

pub(super) use self::alerts::{panel_ids, states};
use super::{
    panel::{Panel, Threshold},
    queries::Queries,
};
use crate::rule::{Comparison, Rule, Scope, Signal};

/// A row, with its panels from left to right.
#[derive(Debug)]
pub(super) struct Row {
    /// Never changes, as the id of a panel.
    pub(super) id: u32,
    pub(super) title: &'static str,
    pub(super) is_collapsed: bool,
    pub(super) panels: Vec<Panel>,
}

/// All rows that have panels.
pub(super) fn rows(queries: &Queries<'_>, rules: &[Rule]) -> Vec<Row> {
    let rows = [
        overview::row(queries, rules),
        alerts::row(queries),
        alerts::rules(queries, rules),
        requests::row(queries),
        routes::row(queries, rules),
        requests::in_flight(queries, rules),
        requests::streams(queries),
        dependencies::row(queries, rules),
        runtime::row(queries, rules),
        runtime::process(queries),
    ];
    rows.into_iter().filter(|row| !row.panels.is_empty()).collect()
}

impl Row {
    fn new(id: u32, title: &'static str, panels: Vec<Panel>) -> Self {
        Self { id, title, is_collapsed: false, panels }
    }
}

/// The thresholds of the rules that a panel shows.
fn thresholds(rules: &[Rule], is_shown: impl Fn(&Rule) -> bool) -> Vec<Threshold> {
    let mut thresholds = Vec::new();
    for rule in rules.iter().filter(|rule| is_shown(rule)) {
        if let Some((comparison, threshold)) = rule.threshold {
            let threshold = Threshold {
                value: threshold.value(),
                severity: rule.severity,
                is_lower: comparison == Comparison::Below,
            };
            if !thresholds.contains(&threshold) {
                thresholds.push(threshold);
            }
        }
    }
    thresholds
}

/// Whether a rule has this signal for the whole service.
fn of_service(rule: &Rule, signal: Signal) -> bool {
    rule.signal == signal && rule.scope == Scope::Service
}

/// Whether a rule has this signal for routes.
fn of_routes(rule: &Rule, signal: Signal) -> bool {
    rule.signal == signal && matches!(rule.scope, Scope::EachRoute | Scope::Route(_))
}

/// Whether a rule has this signal for a dependency.
fn of_dependency(rule: &Rule, signal: Signal) -> bool {
    rule.signal == signal && matches!(rule.scope, Scope::Dependency(_))
}

/// The legend of series with these labels.
fn legend(labels: &[&str]) -> String {
    let labels: Vec<_> = labels.iter().map(|label| format!("{{{{{label}}}}}")).collect();
    labels.join(" ")
}
