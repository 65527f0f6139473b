mod replace;
#[cfg(feature = "state")]
mod restore;
mod status;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use metrics::Label;

pub(crate) use self::replace::Replaced;
use super::{
    Alert, Breach, Cause, Contribution, Origin, Target,
    state::{Change, State, Timing},
};
use crate::{
    collect::{Collector, Figures, Member},
    evaluate::{Reading, weight},
    facade::{ALERT_STATE, Facade, Gauge, MetricNaming},
    operation::Operation,
    rule::{Rule, Scope, method_and_route},
    window::Totals,
};

/// The maximum number of operations in an alert.
const TOP: usize = 3;

/// Evaluates the rules at each tick, and returns the alerts that change.
#[derive(Debug)]
pub(crate) struct Evaluator {
    rules: Vec<Watch>,
    groups: Groups,
    origin: Arc<Origin>,
}

/// A rule with the alerts that it has raised.
#[derive(Debug)]
struct Watch {
    rule: Rule,
    name: Arc<str>,
    timing: Timing,
    /// One entry for the service, a route or a dependency. A rule for each route has one for each
    /// operation that has had a verdict.
    tracked: HashMap<Target, Tracked>,
}

#[derive(Debug)]
struct Tracked {
    state: State,
    /// The reading of the last tick; `None` without a verdict.
    last: Option<Reading>,
    gauge: Gauge,
    /// The worst value since the condition first held. Every change has the same `starts_at`, even
    /// if the system clock is set meanwhile.
    peak: f64,
    before: Totals,
    starts_at: SystemTime,
    /// The firing alert.
    firing: Option<Alert>,
    earlier: Earlier,
}

/// The part of an alert from before a restart.
#[derive(Debug, Default)]
struct Earlier {
    lasted: Duration,
    requests: u64,
    errors: u64,
}

/// The service, then each route and each dependency that a rule names, without duplicates. The
/// collector sums their operations.
#[derive(Debug)]
struct Groups(Vec<(Scope, Target)>);

impl Groups {
    fn of(rules: &[Rule]) -> Self {
        let mut groups = vec![(Scope::Service, Target::Service)];
        for Rule { scope, .. } in rules {
            let target = match scope {
                Scope::EachRoute => continue,
                Scope::Service => Target::Service,
                Scope::Route(route) => Target::Route(route.clone()),
                Scope::Dependency(name) => Target::Dependency(name.clone()),
            };
            if !groups.iter().any(|(known, _)| known == scope) {
                groups.push((scope.clone(), target));
            }
        }
        Self(groups)
    }

    /// The index and the target of a scope; `None` for each route.
    fn find(&self, scope: &Scope) -> Option<(usize, &Target)> {
        let mut groups = self.0.iter().enumerate();
        groups.find_map(|(group, (known, target))| (known == scope).then_some((group, target)))
    }
}

impl Evaluator {
    /// The rules must have been checked.
    pub(crate) fn new(rules: Vec<Rule>, origin: Arc<Origin>) -> Self {
        let groups = Groups::of(&rules);
        let rules = rules.into_iter().map(Watch::new).collect();
        Self { rules, groups, origin }
    }

    /// The rules, in their order.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(|watch| &watch.rule)
    }

    /// Replaces the rules with checked ones, as if none had fired yet.
    pub(crate) fn restart(&mut self, rules: Vec<Rule>) {
        self.groups = Groups::of(&rules);
        self.rules = rules.into_iter().map(Watch::new).collect();
    }

    /// The groups of operations that the collector must sum for these rules.
    pub(crate) fn groups(rules: &[Rule]) -> Vec<Member> {
        let member = |(scope, _): (Scope, Target)| {
            Box::new(move |operation: &Operation| scope.covers(operation)) as Member
        };
        Groups::of(rules).0.into_iter().map(member).collect()
    }

    /// The firing alerts of the last tick.
    pub(crate) fn firing(&self) -> impl Iterator<Item = &Alert> {
        let tracked = self.rules.iter().flat_map(|watch| watch.tracked.values());
        tracked.filter_map(|tracked| tracked.firing.as_ref())
    }

    /// The target of each group, in their order: the service is the first.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Target> {
        self.groups.0.iter().map(|(_, target)| target)
    }

    /// Evaluates every rule; `wall` is the time of day of the last tick.
    pub(crate) fn evaluate(&mut self, collector: &Collector, wall: SystemTime) -> Vec<Alert> {
        let mut changes = Vec::new();
        for watch in &mut self.rules {
            if let Some((group, target)) = self.groups.find(&watch.rule.scope) {
                let (target, figures) = (target.clone(), collector.group(group));
                changes.extend(watch.evaluate(target, figures, collector, &self.origin, wall));
                continue;
            }
            let operations = collector.operations();
            for (operation, figures) in
                operations.filter(|(operation, _)| Scope::EachRoute.covers(operation))
            {
                let target = Target::Operation(operation.clone());
                changes.extend(watch.evaluate(target, figures, collector, &self.origin, wall));
            }
        }
        changes
    }
}

impl Watch {
    fn new(rule: Rule) -> Self {
        Self { name: rule.name().into(), timing: Timing::of(&rule), rule, tracked: HashMap::new() }
    }

    fn evaluate(
        &mut self,
        target: Target,
        figures: &Figures,
        collector: &Collector,
        origin: &Arc<Origin>,
        wall: SystemTime,
    ) -> Option<Alert> {
        let reading = self.rule.read(figures, collector.timeline(), collector.bounds());
        // An operation without any verdict so far needs no state.
        if reading.is_none() && !self.tracked.contains_key(&target) && self.rule.is_each_route() {
            return None;
        }
        let (name, rule, naming) = (&self.name, &self.rule, collector.facade.naming());
        let tracked = self
            .tracked
            .entry(target.clone())
            .or_insert_with(|| Tracked::new(alert_labels(name, rule, &target, naming)));
        let now = collector.timeline().now();
        let (change, since) = tracked.advance(self.timing, reading.as_ref(), rule, now);
        if since == now {
            tracked.starts_at = wall;
        }
        tracked.last.clone_from(&reading);
        tracked.set_gauge(&collector.facade);
        let (requests, errors) = tracked.requests(figures.history.totals());
        if let Some(firing) = tracked.firing.as_mut().and_then(Alert::breach_mut) {
            (firing.peak, firing.requests, firing.errors) = (tracked.peak, requests, errors);
        }
        let change = change?;
        let (comparison, threshold) = rule.condition()?;
        let breach = Breach {
            value: reading.as_ref().map(|reading| reading.value),
            peak: tracked.peak,
            threshold: reading.as_ref().map_or(threshold, |reading| reading.threshold),
            comparison,
            window: reading.as_ref().and_then(|reading| reading.window),
            requests,
            errors,
            top: match (change, &target) {
                (Change::Resolved, _) | (_, Target::Operation(_)) => Vec::new(),
                _ => top(rule, reading.as_ref(), collector),
            },
            signal: rule.signal,
            is_rule_removed: false,
        };
        // Receivers know the alert by the instance that raised it.
        let raised = tracked.firing.take();
        let origin = Arc::clone(raised.as_ref().map_or(origin, |raised| &raised.origin));
        let (name, cause) = (Arc::clone(name), Cause::Rule(breach));
        let alert = Alert::new(name, rule.severity, target, cause, tracked.starts_at, origin)
            .annotated_by(rule);
        Some(match change {
            Change::Fired => tracked.firing.insert(alert).clone(),
            Change::Resolved => {
                let ends_at = tracked.ends_at(now.saturating_sub(since));
                tracked.earlier = Earlier::default();
                alert.resolved_at(ends_at)
            }
        })
    }
}

impl Tracked {
    fn new(labels: Vec<Label>) -> Self {
        Self {
            state: State::Inactive,
            last: None,
            gauge: Gauge::new(ALERT_STATE, labels),
            peak: 0.0,
            before: Totals::default(),
            starts_at: SystemTime::UNIX_EPOCH,
            firing: None,
            earlier: Earlier::default(),
        }
    }

    /// The requests since the alert began, and the failures among them.
    fn requests(&self, totals: &Totals) -> (u64, u64) {
        let ended = totals.since(&self.before);
        let Earlier { requests, errors, .. } = self.earlier;
        (requests.saturating_add(ended.requests()), errors.saturating_add(ended.errors()))
    }

    /// The end of an alert that lasted this long in this process.
    fn ends_at(&self, lasted: Duration) -> SystemTime {
        let lasted = self.earlier.lasted.saturating_add(lasted);
        self.starts_at.checked_add(lasted).unwrap_or(self.starts_at)
    }

    /// Returns the change, and the time at which the condition first held.
    fn advance(
        &mut self,
        timing: Timing,
        reading: Option<&Reading>,
        rule: &Rule,
        now: Duration,
    ) -> (Option<Change>, Duration) {
        let was = self.state;
        let change;
        let holds = |reading: &Reading| reading.verdict.holds(was.is_firing());
        (self.state, change) = was.next(timing, reading.map(holds), now);
        if let (Some(reading), Some((comparison, _))) = (reading, rule.condition()) {
            if was == State::Inactive {
                self.peak = reading.value;
                self.before = reading.before;
            } else {
                self.peak = comparison.worse(self.peak, reading.value);
            }
        }
        let since = [was, self.state].into_iter().find_map(|state| match state {
            State::Inactive => None,
            State::Pending { since } | State::Firing { since, .. } => Some(since),
        });
        (change, since.unwrap_or(now))
    }

    /// Sets the gauge at each tick, since a recorder may drop an idle gauge.
    fn set_gauge(&mut self, facade: &Facade) {
        self.gauge.set(facade, self.state.number());
    }
}

/// The operations that contribute most to the value, with their shares.
fn top(rule: &Rule, reading: Option<&Reading>, collector: &Collector) -> Vec<Contribution> {
    let over = reading.and_then(|reading| reading.window).map_or(Duration::ZERO, |(over, _)| over);
    let (timeline, bounds) = (collector.timeline(), collector.bounds());
    let mut weights: Vec<_> = collector
        .operations()
        .filter(|(operation, _)| rule.scope.covers(operation))
        .filter_map(|(operation, figures)| {
            Some((operation, weight(rule, figures, timeline, bounds, over)?))
        })
        .collect();
    weights.sort_by(|(_, one), (_, other)| other.value.total_cmp(&one.value));
    let values = weights.iter().map(|(_, weight)| weight.value);
    let whole = if rule.signal.is_extreme() { values.fold(0.0, f64::max) } else { values.sum() };
    weights
        .into_iter()
        .take(TOP)
        .map(|(operation, weight)| {
            let share = weight.value / whole;
            Contribution { operation: operation.clone(), share, detail: weight.with_share(share) }
        })
        .collect()
}

fn alert_labels(
    name: &Arc<str>,
    rule: &Rule,
    target: &Target,
    naming: &MetricNaming,
) -> Vec<Label> {
    let severity = Label::from_static_parts("severity", rule.severity.as_str());
    [rule_label(name), severity].into_iter().chain(target_labels(target, naming)).collect()
}

pub(crate) fn rule_label(name: &Arc<str>) -> Label {
    Label::new("rule", metrics::SharedString::from_shared(Arc::clone(name)))
}

pub(crate) fn target_labels(target: &Target, naming: &MetricNaming) -> Vec<Label> {
    match target {
        // No rule has the target of a report.
        Target::Service | Target::CallSite(_) => Vec::new(),
        Target::Operation(operation) => naming.presets.operation_labels(operation),
        Target::Dependency(name) => vec![Label::new("dependency", name.clone())],
        Target::Route(text) => {
            let (method, route) = method_and_route(text);
            naming.presets.route_labels(method, route)
        }
    }
}

#[cfg(test)]
#[path = "evaluator_tests.rs"]
pub(crate) mod tests;
