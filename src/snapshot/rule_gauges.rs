use std::{collections::HashMap, sync::Arc};

use crate::{
    alert::{RuleStatus, Target, rule_label, target_labels},
    facade::{Facade, Gauge, RULE_THRESHOLD, RULE_VALUE},
};

/// The gauges of each rule's value and threshold. A rule that evaluates each route has one series,
/// which shows its worst operation.
#[derive(Debug, Default)]
pub(super) struct RuleGauges(HashMap<(Arc<str>, Option<Target>), Pair>);

#[derive(Debug)]
struct Pair {
    value: Gauge,
    threshold: Gauge,
    /// Whether the rule was in the last snapshot.
    is_current: bool,
}

impl RuleGauges {
    /// Sets the gauges to the status of each rule.
    pub(super) fn set(&mut self, rules: &[RuleStatus], facade: &Facade) {
        self.0.values_mut().for_each(|pair| pair.is_current = false);
        for status in rules {
            let key = (Arc::clone(&status.rule), labelled_target(&status.target).cloned());
            let pair = self.0.entry(key).or_insert_with(|| Pair::new(status, facade));
            // The first status of a rule is that of its worst operation.
            if !pair.is_current {
                pair.set(status.value.unwrap_or(f64::NAN), status.threshold, facade);
            }
            pair.is_current = true;
        }
        self.0.retain(|_, pair| {
            // The recorder keeps the series, which must not show the last value of a removed rule.
            if !pair.is_current {
                pair.set(f64::NAN, f64::NAN, facade);
            }
            pair.is_current
        });
    }
}

impl Pair {
    fn new(status: &RuleStatus, facade: &Facade) -> Self {
        let labels = || {
            let target = labelled_target(&status.target).unwrap_or(&Target::Service);
            let labels = target_labels(target, facade.naming());
            [rule_label(&status.rule)].into_iter().chain(labels).collect::<Vec<_>>()
        };
        Self {
            value: Gauge::new(RULE_VALUE, labels()),
            threshold: Gauge::new(RULE_THRESHOLD, labels()),
            is_current: false,
        }
    }

    fn set(&mut self, value: f64, threshold: f64, facade: &Facade) {
        self.value.set(facade, value);
        self.threshold.set(facade, threshold);
    }
}

/// Returns the target if the rule names it. The operations of a rule that evaluates each route
/// share its series.
fn labelled_target(target: &Target) -> Option<&Target> {
    matches!(target, Target::Route(_) | Target::Dependency(_)).then_some(target)
}
