use std::{cmp::Reverse, sync::Arc};

use super::{Evaluator, Groups, State, Target, Tracked, Watch};
use crate::{
    alert::{Origin, RuleState, RuleStatus},
    collect::{Collector, Figures},
    evaluate::Reading,
    rule::{Comparison, Reason},
};

/// The maximum number of statuses of a rule that evaluates each route.
const MAX_STATUSES: usize = 20;

impl Evaluator {
    /// Returns the status of each rule at the last tick, in the order of the rules.
    pub(crate) fn statuses(&self, collector: &Collector) -> Vec<RuleStatus> {
        self.rules.iter().flat_map(|watch| watch.statuses(&self.groups, collector)).collect()
    }

    /// Returns the service and its instance.
    pub(crate) fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }
}

impl Watch {
    /// Returns one status for the service, a route or a dependency. For a rule that evaluates each
    /// route, returns one status for each of its worst operations.
    fn statuses(&self, groups: &Groups, collector: &Collector) -> Vec<RuleStatus> {
        let Some((group, target)) = groups.find(&self.rule.scope) else {
            return self.worst(collector);
        };
        let tracked = self.tracked.get(target);
        let mut status = self.status(target.clone(), tracked, collector.group(group), collector);
        let has_requests = || {
            let mut operations = collector.operations();
            operations.any(|(_, figures)| figures.history.totals().requests() > 0)
        };
        let matches = || {
            let mut operations = collector.operations();
            operations.any(|(operation, _)| self.rule.scope.covers(operation))
        };
        if self.rule.names_scope() && !matches() && has_requests() {
            status.reason = Some(Reason::NothingMatches);
        }
        vec![status]
    }

    fn worst(&self, collector: &Collector) -> Vec<RuleStatus> {
        let operations =
            collector.operations().filter(|(operation, _)| self.rule.scope.covers(operation));
        let mut known = Vec::new();
        let mut busiest: Option<(u64, &Figures)> = None;
        for (operation, figures) in operations {
            let target = Target::Operation(operation.clone());
            match self.tracked.get(&target) {
                Some(tracked) => known.push((target, tracked, figures)),
                None => {
                    let window = self.rule.longest_window(figures, collector.timeline());
                    let requests = window.requests();
                    if busiest.is_none_or(|(most, _)| requests > most) {
                        busiest = Some((requests, figures));
                    }
                }
            }
        }
        known.sort_by(|(_, one, _), (_, other, _)| {
            let by_state = Reverse(state(one)).cmp(&Reverse(state(other)));
            by_state.then(self.excess_of(other).total_cmp(&self.excess_of(one)))
        });
        let of_known = known.into_iter().take(MAX_STATUSES).map(|(target, tracked, figures)| {
            self.status(target, Some(tracked), figures, collector)
        });
        let mut statuses: Vec<_> = of_known.collect();
        if statuses.is_empty() {
            // No route has a verdict yet, so show the reason of the busiest one.
            statuses.push(match busiest {
                Some((_, figures)) => self.status(Target::Service, None, figures, collector),
                None => self.without_figures(Target::Service, Reason::NoRequests),
            });
        }
        statuses
    }

    /// Returns the last value as a multiple of the threshold, or the inverse for a rule that fires
    /// below its threshold. Returns a negative number without a value.
    fn excess_of(&self, tracked: &Tracked) -> f64 {
        let Some((comparison, _)) = self.rule.condition() else { return -1.0 };
        tracked.last.as_ref().map_or(-1.0, |Reading { value, threshold, .. }| match comparison {
            Comparison::Above => value / threshold.max(f64::MIN_POSITIVE),
            Comparison::Below => threshold / value.max(f64::MIN_POSITIVE),
        })
    }

    fn status(
        &self,
        target: Target,
        tracked: Option<&Tracked>,
        figures: &Figures,
        collector: &Collector,
    ) -> RuleStatus {
        let timeline = collector.timeline();
        let reading = tracked.and_then(|tracked| tracked.last.as_ref());
        let is_evaluated = !timeline.now().is_zero();
        let reason = if is_evaluated {
            self.rule.reason(figures, timeline, reading)
        } else {
            Some(Reason::NotEvaluated)
        };
        let window = match reading {
            Some(reading) => reading.window,
            None if self.rule.signal.has_window() => {
                let longest = self.rule.longest_window(figures, timeline);
                Some((longest.elapsed(), longest.requests()))
            }
            None => None,
        };
        RuleStatus {
            state: tracked.map_or(RuleState::Inactive, state),
            value: reading.map(|reading| reading.value),
            threshold: reading.map_or_else(|| self.threshold(), |reading| reading.threshold),
            window: window.map(|(elapsed, _)| elapsed),
            requests: window.map(|(_, requests)| requests),
            reason,
            ..self.without_figures(target, Reason::NotEvaluated)
        }
    }

    fn without_figures(&self, target: Target, reason: Reason) -> RuleStatus {
        let comparison =
            self.rule.condition().map_or(Comparison::Above, |(comparison, _)| comparison);
        RuleStatus {
            rule: Arc::clone(&self.name),
            severity: self.rule.severity,
            target,
            state: RuleState::Inactive,
            value: None,
            threshold: self.threshold(),
            comparison,
            window: None,
            requests: None,
            reason: Some(reason),
            signal: self.rule.signal,
        }
    }

    fn threshold(&self) -> f64 {
        self.rule.condition().map_or(f64::NAN, |(_, threshold)| threshold)
    }
}

fn state(tracked: &Tracked) -> RuleState {
    match tracked.state {
        State::Inactive => RuleState::Inactive,
        State::Pending { .. } => RuleState::Pending,
        State::Firing { .. } => RuleState::Firing,
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
