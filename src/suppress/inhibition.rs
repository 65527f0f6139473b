use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
};

use super::ControlError;
use crate::{alert::Alert, notify::Matcher};

/// Suppresses target alerts while a source alert fires, as Alertmanager's `inhibit_rules` do.
///
/// The source and the target must have the same values of the labels in [`equal`](Self::equal). An
/// alert that matches both sides is not inhibited by another one that does, so no alert inhibits
/// itself. A source inhibits even while it is suppressed itself, as in Alertmanager.
///
/// In Alertmanager, alerts that inhibit each other in a cycle are all lost. Here the alert of the
/// cycle that started first is sent.
///
/// An inhibited alert stays suppressed until its source has not fired for 10 s, since both usually
/// resolve a few seconds apart. An alert that fires before its source is sent: give the rule of the
/// target a longer [`hold_for`](crate::Rule::hold_for).
///
/// # Examples
///
/// A route's alert is not sent while the alert of the service fires:
///
/// ```
/// use std::time::Duration;
/// use tower_lookout::{Lookout, Rule, notify::Matcher, suppress::Inhibition};
///
/// let each_route = Rule::error_ratio().above(0.05).each_route().named("RouteErrorRatio");
/// let service = Matcher::new().rule("HighErrorRatio");
/// let route = Matcher::new().rule("RouteErrorRatio");
/// let lookout = Lookout::builder()
///     .rule(Rule::error_ratio().above(0.05))
///     .rule(each_route.hold_for(Duration::from_secs(10)))
///     .inhibition(Inhibition::new(service, route))
///     .start()?;
/// # Ok::<_, tower_lookout::StartError>(())
/// ```
#[doc(alias("inhibit_rules"))]
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Inhibition {
    source: Matcher,
    target: Matcher,
    equal: Vec<String>,
}

impl Inhibition {
    /// Suppresses alerts that match `target` while an alert fires that matches `source`.
    pub fn new(source: Matcher, target: Matcher) -> Self {
        Self { source, target, equal: Vec::new() }
    }

    /// Sets the labels that must have the same value in the source and in the target. A label that
    /// both lack is equal. Defaults to none.
    pub fn equal(self, labels: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { equal: labels.into_iter().map(Into::into).collect(), ..self }
    }

    pub(crate) fn check(&self) -> Result<(), ControlError> {
        for (field, matcher) in [("source", &self.source), ("target", &self.target)] {
            if matcher.is_empty() {
                let problem =
                    "has no condition, and would match every alert: add one such as .rule(..)";
                return Err(ControlError::setting(field, problem));
            }
        }
        match self.equal.iter().find(|label| label.trim().is_empty()) {
            Some(label) => {
                Err(ControlError::setting("equal", format!("{label:?} is not a label: remove it")))
            }
            None => Ok(()),
        }
    }
}

/// The alerts that inhibit others through one inhibition, and the others.
#[derive(Default)]
struct Group {
    /// The indices of the alerts, each with whether it matches both sides.
    sources: Vec<(usize, bool)>,
    targets: Vec<(usize, bool)>,
}

/// Returns for each inhibited alert the index of its source, by the index of the alert.
///
/// An alert without a source is a root. An alert that only a cycle inhibits becomes a root, in the
/// order of the starts, so each inhibited alert leads to one that is not.
pub(super) fn inhibited<'a>(
    inhibitions: impl IntoIterator<Item = &'a Inhibition>,
    firing: &[Alert],
) -> HashMap<usize, usize> {
    let groups = groups(inhibitions, firing);
    let mut of_source: HashMap<usize, Vec<(usize, bool)>> = HashMap::new();
    let mut of_target: HashSet<usize> = HashSet::new();
    for (number, group) in groups.iter().enumerate() {
        for (source, is_both) in &group.sources {
            of_source.entry(*source).or_default().push((number, *is_both));
        }
        let has_other_source = group.sources.iter().any(|(_, is_both)| !is_both);
        let has_source = |(_, is_both): &&(usize, bool)| match is_both {
            true => has_other_source,
            false => !group.sources.is_empty(),
        };
        of_target.extend(group.targets.iter().filter(has_source).map(|(target, _)| *target));
    }
    let mut inhibited = HashMap::new();
    let mut roots: Vec<_> = (0..firing.len()).collect();
    roots.sort_by_key(|index| {
        (
            of_target.contains(index),
            firing[*index].starts_at,
            Reverse(firing[*index].severity),
            *index,
        )
    });
    // A group is walked once for each kind of source, so the time is linear in the groups.
    let (mut seen, mut walked) = (HashSet::new(), HashSet::new());
    for root in roots {
        if !seen.insert(root) {
            continue;
        }
        let mut ahead = vec![root];
        while let Some(source) = ahead.pop() {
            for (number, is_both) in of_source.get(&source).into_iter().flatten() {
                if !walked.insert((*number, *is_both)) {
                    continue;
                }
                for (target, both) in &groups[*number].targets {
                    let applies = !(*is_both && *both);
                    if applies && seen.insert(*target) {
                        inhibited.insert(*target, source);
                        ahead.push(*target);
                    }
                }
            }
        }
    }
    inhibited
}

fn groups<'a>(
    inhibitions: impl IntoIterator<Item = &'a Inhibition>,
    firing: &[Alert],
) -> Vec<Group> {
    let mut all = Vec::new();
    for inhibition in inhibitions {
        let mut groups: HashMap<Vec<Option<String>>, Group> = HashMap::new();
        for (index, alert) in firing.iter().enumerate() {
            let is_source = inhibition.source.matches(alert);
            let is_target = inhibition.target.matches(alert);
            if !is_source && !is_target {
                continue;
            }
            let mut labels = alert.identifying_labels();
            let equal = inhibition.equal.iter().map(|name| labels.remove(name)).collect();
            let group = groups.entry(equal).or_default();
            if is_source {
                group.sources.push((index, is_target));
            }
            if is_target {
                group.targets.push((index, is_source));
            }
        }
        all.extend(groups.into_values());
    }
    all
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::alert::{AlertStatus, Target, test_alert};

    fn rule(name: &str) -> Matcher {
        Matcher::new().rule(name)
    }

    fn inhibits(source: &str, target: &str) -> Inhibition {
        Inhibition::new(rule(source), rule(target))
    }

    fn alert(name: &str, route: &str, second: u64) -> Alert {
        let mut alert = test_alert(name, AlertStatus::Firing);
        if !route.is_empty() {
            alert.target = Target::Route(route.to_owned());
        }
        alert.starts_at += Duration::from_secs(second);
        alert
    }

    /// The inhibited alerts, each with its source.
    fn shown(inhibitions: &[Inhibition], alerts: &[Alert]) -> Vec<String> {
        let inhibited = inhibited(inhibitions, alerts);
        let mut shown: Vec<_> = inhibited
            .into_iter()
            .map(|(target, source)| format!("{}<{}", alerts[target].name, alerts[source].name))
            .collect();
        shown.sort();
        shown
    }

    #[test]
    fn a_source_inhibits_targets_with_equal_labels() {
        let alerts = [alert("A", "/a", 0), alert("B", "/a", 0), alert("B", "/b", 0)];
        assert_eq!(shown(&[inhibits("A", "B")], &alerts), ["B<A", "B<A"]);
        let equal = inhibits("A", "B").equal(["route"]);
        assert_eq!(shown(&[equal], &alerts), ["B<A"]);
        let both_lack_it = inhibits("A", "B").equal(["team"]);
        assert_eq!(shown(&[both_lack_it], &alerts), ["B<A", "B<A"]);
        assert!(shown(&[inhibits("C", "B")], &alerts).is_empty());
    }

    #[test]
    fn an_alert_that_matches_both_sides_is_inhibited_only_by_one_that_does_not() {
        let service = Matcher::new().label("service", "orders");
        let [a, b] = [alert("A", "", 0), alert("B", "", 0)];
        let all = Inhibition::new(service.clone(), service.clone());
        assert!(shown(&[all], &[a.clone(), b.clone()]).is_empty());
        let by_a = Inhibition::new(rule("A"), service);
        assert_eq!(shown(&[by_a], &[a, b]), ["B<A"]);
    }

    #[test]
    fn a_chain_is_inhibited_as_a_whole() {
        let chain = [inhibits("A", "B"), inhibits("B", "C")];
        let alerts = ["C", "B", "A"].map(|name| alert(name, "", 0));
        assert_eq!(shown(&chain, &alerts), ["B<A", "C<B"]);
    }

    #[test]
    fn the_first_alert_of_a_cycle_is_sent() {
        let cycle = [inhibits("A", "B"), inhibits("B", "C"), inhibits("C", "A")];
        let alerts = [alert("A", "", 3), alert("B", "", 1), alert("C", "", 2)];
        assert_eq!(shown(&cycle, &alerts), ["A<C", "C<B"]);
        let with_root = [&cycle[..], &[inhibits("D", "A")]].concat();
        let alerts = [&alerts[..], &[alert("D", "", 9)]].concat();
        assert_eq!(shown(&with_root, &alerts), ["A<D", "B<A", "C<B"]);
    }

    #[test]
    fn an_inhibition_needs_conditions_on_both_sides() {
        for (inhibition, text) in [
            (Inhibition::new(Matcher::new(), rule("A")), "source: has no condition"),
            (Inhibition::new(rule("A"), Matcher::new()), "target: has no condition"),
            (inhibits("A", "B").equal([" "]), "equal: \" \" is not a label: remove it"),
        ] {
            let error = inhibition.check().unwrap_err().to_string();
            assert!(error.starts_with(text), "{error}");
        }
        inhibits("A", "B").equal(["route"]).check().unwrap();
    }

    proptest! {
        /// Each inhibited alert has a chain of sources to an alert that is sent.
        #[test]
        fn each_inhibited_alert_leads_to_one_that_is_sent(
            edges in prop::collection::vec((0..6_u8, 0..6_u8), 0..12),
            alerts in prop::collection::vec((0..6_u8, 0..9_u64), 0..12),
        ) {
            let name = |number: u8| format!("R{number}");
            let inhibitions: Vec<_> = edges
                .iter()
                .map(|(source, target)| inhibits(&name(*source), &name(*target)))
                .collect();
            let alerts: Vec<_> =
                alerts.iter().map(|(rule, second)| alert(&name(*rule), "", *second)).collect();
            let inhibited = inhibited(&inhibitions, &alerts);
            for target in inhibited.keys() {
                let mut at = *target;
                for _ in 0..=alerts.len() {
                    let Some(source) = inhibited.get(&at) else { break };
                    let names = (&*alerts[*source].name, &*alerts[at].name);
                    let is_edge = |(source, target): &(u8, u8)| {
                        names == (&*name(*source), &*name(*target))
                    };
                    prop_assert!(edges.iter().any(is_edge), "{names:?}");
                    at = *source;
                }
                prop_assert!(!inhibited.contains_key(&at), "a cycle");
            }
            // Alertmanager inhibits all of these, apart from cycles.
            let has_source = |index: usize| {
                edges.iter().any(|(source, target)| {
                    *alerts[index].name == *name(*target) && source != target
                        && alerts.iter().any(|alert| *alert.name == *name(*source))
                })
            };
            let sent = (0..alerts.len()).filter(|index| !inhibited.contains_key(index));
            let roots = (0..alerts.len()).filter(|index| !has_source(*index)).count();
            prop_assert!(sent.clone().count() >= roots.min(1).max(usize::from(!alerts.is_empty())));
            prop_assert!((0..alerts.len()).all(|index| has_source(index) || !inhibited.contains_key(&index)));
        }
    }
}
