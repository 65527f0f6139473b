use std::{mem, time::SystemTime};

use super::{Evaluator, Groups, Tracked, Watch, alert_labels};
use crate::{alert::Alert, facade::Facade, rule::Rule};

/// The number of rules that a replacement kept, changed, added and removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replaced {
    pub(crate) kept: usize,
    pub(crate) changed: usize,
    pub(crate) added: usize,
    pub(crate) removed: usize,
}

impl Evaluator {
    /// Replaces the rules with checked ones; `wall` is now. Also returns the alerts to send.
    ///
    /// A rule with the same name and condition keeps its alerts. If its severity or its labels
    /// change, its firing alerts are sent again, since receivers route by them. The alerts of all
    /// other rules resolve.
    pub(crate) fn replace(
        &mut self,
        rules: Vec<Rule>,
        facade: &Facade,
        wall: SystemTime,
    ) -> (Replaced, Vec<Alert>) {
        self.groups = Groups::of(&rules);
        let mut old = mem::take(&mut self.rules);
        let (mut replaced, mut changes) = (Replaced::default(), Vec::new());
        for rule in rules {
            let name = rule.name();
            let index = old.iter().position(|watch| *watch.name == *name);
            let watch = match index.map(|index| old.swap_remove(index)) {
                Some(watch) if watch.rule == rule => {
                    replaced.kept += 1;
                    watch
                }
                Some(mut watch) if watch.rule.fires_as(&rule) => {
                    replaced.changed += 1;
                    changes.extend(watch.relabel(rule, facade));
                    watch
                }
                Some(watch) => {
                    replaced.changed += 1;
                    changes.extend(watch.end(facade, wall));
                    Watch::new(rule)
                }
                None => {
                    replaced.added += 1;
                    Watch::new(rule)
                }
            };
            self.rules.push(watch);
        }
        replaced.removed = old.len();
        changes.extend(old.into_iter().flat_map(|watch| watch.end(facade, wall)));
        (replaced, changes)
    }
}

impl Watch {
    /// Adopts the texts and labels of the new rule, and returns the alerts to send again.
    fn relabel(&mut self, rule: Rule, facade: &Facade) -> Vec<Alert> {
        let is_severity_new = self.rule.severity != rule.severity;
        let is_sent_again = is_severity_new || self.rule.labels != rule.labels;
        let mut changes = Vec::new();
        for (target, tracked) in &mut self.tracked {
            if is_severity_new {
                tracked.leave(facade);
                let labels = alert_labels(&self.name, &rule, target, facade.naming());
                tracked.gauge = Tracked::new(labels).gauge;
            }
            if let Some(firing) = &mut tracked.firing {
                firing.annotate(&rule);
                firing.is_relabelled |= is_sent_again;
                changes.extend(is_sent_again.then(|| firing.clone()));
            }
        }
        self.rule = rule;
        changes.sort_by_cached_key(Alert::title);
        changes
    }

    /// Returns the resolves of the firing alerts.
    fn end(self, facade: &Facade, wall: SystemTime) -> Vec<Alert> {
        let ended = self.tracked.into_values().filter_map(|mut tracked| {
            tracked.leave(facade);
            tracked.firing.map(|firing| firing.resolved_by_removal(wall))
        });
        let mut resolved: Vec<_> = ended.collect();
        resolved.sort_by_cached_key(Alert::title);
        resolved
    }
}

impl Tracked {
    /// Sets the gauge to 0, since a recorder may keep the gauge of a removed rule.
    fn leave(&mut self, facade: &Facade) {
        if self.state.number() > 0.0 {
            self.gauge.set(facade, 0.0);
        }
    }
}

#[cfg(test)]
#[path = "replace_tests.rs"]
mod tests;
