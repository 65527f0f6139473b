//! A process ends while an alert fires, and the next one restores the alert.

use super::*;
use crate::{
    alert::{
        AlertStatus,
        evaluator::tests::{Play, a_fifth_fails, healthy, secs, titles},
    },
    outcome::Ending,
    rule::Rule,
};

const MS: u64 = 1_000_000;

fn rule() -> Rule {
    Rule::error_ratio().above(0.01).over(secs(10))
}

/// An alert that fires since second 11, with a peak of 10%.
fn fired(rule: Rule) -> Vec<Alert> {
    let mut play = Play::new([rule]);
    play.play(10, healthy);
    assert_eq!(play.play(5, a_fifth_fails).len(), 1);
    play.evaluator.firing().cloned().collect()
}

/// The next process, which starts at second `at` of the clock, and the alerts that it sends at
/// once.
fn restart(rules: impl Into<Vec<Rule>>, firing: &[Alert], at: u64) -> (Play, Vec<Alert>) {
    let mut play = Play::new(rules);
    play.clock_ahead = secs(at);
    let wall = SystemTime::UNIX_EPOCH + secs(at);
    let at_once = play.restore(firing.to_vec(), wall);
    (play, at_once)
}

#[test]
fn an_alert_that_still_fires_after_a_restart_is_not_sent_again_and_resolves_once() {
    let firing = fired(rule());
    let (mut play, changes) = restart([rule()], &firing, 100);
    assert!(changes.is_empty());
    assert!(play.play(20, a_fifth_fails).is_empty(), "it is already firing");
    let changes = play.play(20, healthy);
    assert_eq!(titles(&changes), [(30, "[RESOLVED] HighErrorRatio · orders".to_owned())]);
    let resolved = &changes[0].1;
    assert_eq!(resolved.starts_at, firing[0].starts_at);
    let breach = resolved.breach().unwrap();
    assert_eq!((breach.value, breach.peak), (Some(0.0), 0.2), "the worst value of both processes");
    let before = firing[0].breach().unwrap();
    let before = (before.requests, before.errors);
    assert_eq!((breach.requests, breach.errors), (before.0 + 30 * 50, before.1 + 20 * 10));
    let ends_at = SystemTime::UNIX_EPOCH + secs(130);
    assert_eq!(resolved.ends_at, Some(ends_at), "the downtime counts");
    assert!(play.play(20, healthy).is_empty());
    assert_eq!(play.play(5, a_fifth_fails).len(), 1, "it can fire again");
    assert_eq!(play.evaluator.firing().next().unwrap().breach().unwrap().requests, 14 * 50);
}

#[test]
fn a_resolve_has_the_instance_that_raised_the_alert_and_the_next_alert_has_this_instance() {
    let mut firing = fired(rule());
    firing[0].origin = crate::alert::test_alert("A", AlertStatus::Firing).origin;
    let (mut play, _) = restart([rule()], &firing, 100);
    let resolved = play.play(10, healthy);
    assert_eq!(resolved[0].1.origin.instance, "host-1:42");
    let fired = play.play(10, a_fifth_fails);
    assert_ne!(fired[0].1.origin.instance, "host-1:42");
}

#[test]
fn without_traffic_an_alert_fires_for_the_length_of_its_window_and_resolves_as_unknown() {
    let firing = fired(rule());
    let (mut play, _) = restart([rule()], &firing, 100);
    let changes = play.play(20, |_| ());
    assert_eq!(titles(&changes), [(10, "[RESOLVED] HighErrorRatio · orders".to_owned())]);
    assert_eq!(changes[0].1.breach().unwrap().value, None);
    assert_eq!(
        changes[0].1.measured(),
        "error ratio unknown: too few requests to confirm the recovery"
    );
}

#[test]
fn a_route_without_requests_since_the_restart_is_evaluated() {
    let rule = || rule().each_route();
    let firing = fired(rule());
    let (mut play, changes) = restart([rule()], &firing, 100);
    assert!(changes.is_empty());
    let changes = play.play(20, |play| play.requests("/b", 50, 10 * MS, Ending::Complete));
    assert_eq!(titles(&changes), [(10, "[RESOLVED] HighErrorRatioPerRoute · GET /a".to_owned())]);
}

#[test]
fn the_alert_of_a_removed_rule_is_resolved_at_once_with_the_reason() {
    let firing = fired(rule());
    let others = [
        rule().named("Another"),
        rule().each_route().named("HighErrorRatio"),
        rule().route("/a").named("HighErrorRatio"),
        Rule::mean_latency().above(secs(3)).named("HighErrorRatio"),
    ];
    for other in others {
        let (mut play, changes) = restart([other], &firing, 100);
        let [resolved] = &changes[..] else { panic!("one resolve") };
        assert_eq!(resolved.title(), "[RESOLVED] HighErrorRatio · orders");
        assert_eq!(resolved.measured(), "error ratio unknown: the rule was removed or changed");
        assert_eq!(resolved.starts_at, firing[0].starts_at);
        assert_eq!(resolved.ends_at, Some(SystemTime::UNIX_EPOCH + secs(100)));
        assert!(play.play(20, healthy).is_empty());
        assert_eq!(play.evaluator.firing().count(), 0);
    }
}

#[test]
fn a_clock_that_was_set_back_or_far_ahead_does_not_panic() {
    let firing = fired(rule());
    for at in [0, 1, u64::from(u32::MAX) * 50] {
        let (mut play, _) = restart([rule()], &firing, at);
        let resolved = play.play(20, healthy).remove(0).1;
        assert!(resolved.ends_at.unwrap() >= resolved.starts_at);
    }
    let ahead = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(u32::MAX) * 50);
    let ahead = firing[0].clone().started_at(ahead).with_requests(u64::MAX, 0);
    let (mut play, _) = restart([rule()], &[ahead], 100);
    let resolved = play.play(20, healthy).remove(0).1;
    assert_eq!(resolved.breach().unwrap().requests, u64::MAX);
}
