//! A process ends in the middle of an alert, and another one takes over.

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

/// An alert that fires since second 11, with a peak of 10 %.
fn fired(rule: Rule) -> Vec<Alert> {
    let mut play = Play::new([rule]);
    play.play(10, healthy);
    assert_eq!(play.play(5, a_fifth_fails).len(), 1);
    play.evaluator.firing().cloned().collect()
}

/// The next process, which starts at this second of the clock; gives what is told at once.
fn restart(rules: impl Into<Vec<Rule>>, firing: &[Alert], at: u64) -> (Play, Vec<Alert>) {
    let mut play = Play::new(rules);
    play.clock_ahead = secs(at);
    let wall = SystemTime::UNIX_EPOCH + secs(at);
    let told = play.restore(firing.to_vec(), wall);
    (play, told)
}

#[test]
fn an_alert_that_still_holds_after_a_restart_is_not_told_again_and_its_end_is_told_once() {
    let firing = fired(rule());
    let (mut play, told) = restart([rule()], &firing, 100);
    assert!(told.is_empty());
    assert!(play.play(20, a_fifth_fails).is_empty(), "it fires already");
    let changes = play.play(20, healthy);
    assert_eq!(titles(&changes), [(30, "[RESOLVED] HighErrorRatio · orders".to_owned())]);
    let resolved = &changes[0].1;
    assert_eq!(resolved.starts_at, firing[0].starts_at);
    let breach = resolved.breach().unwrap();
    assert_eq!((breach.value, breach.peak), (Some(0.0), 0.2), "the worst of both");
    let before = firing[0].breach().unwrap();
    let before = (before.requests, before.errors);
    assert_eq!((breach.requests, breach.errors), (before.0 + 30 * 50, before.1 + 20 * 10));
    let ends_at = SystemTime::UNIX_EPOCH + secs(130);
    assert_eq!(resolved.ends_at, Some(ends_at), "the time between the processes counts");
    assert!(play.play(20, healthy).is_empty());
    assert_eq!(play.play(5, a_fifth_fails).len(), 1, "the next one begins anew");
    assert_eq!(play.evaluator.firing().next().unwrap().breach().unwrap().requests, 14 * 50);
}

#[test]
fn the_end_is_told_as_of_the_instance_that_raised_it_and_the_next_beginning_as_of_this_one() {
    let mut firing = fired(rule());
    firing[0].origin = crate::alert::test_alert("A", AlertStatus::Firing).origin;
    let (mut play, _) = restart([rule()], &firing, 100);
    let resolved = play.play(10, healthy);
    assert_eq!(resolved[0].1.origin.instance, "host-1:42");
    let fired = play.play(10, a_fifth_fails);
    assert_ne!(fired[0].1.origin.instance, "host-1:42");
}

#[test]
fn without_traffic_it_goes_on_for_as_long_as_the_window_and_ends_as_unknown() {
    let firing = fired(rule());
    let (mut play, _) = restart([rule()], &firing, 100);
    let changes = play.play(20, |_| ());
    assert_eq!(titles(&changes), [(10, "[RESOLVED] HighErrorRatio · orders".to_owned())]);
    assert_eq!(changes[0].1.breach().unwrap().value, None);
    assert_eq!(changes[0].1.measured(), "error ratio unknown: too few requests to judge by");
}

#[test]
fn a_route_that_nobody_asks_for_any_more_is_judged_all_the_same() {
    let rule = || rule().each_route();
    let firing = fired(rule());
    let (mut play, told) = restart([rule()], &firing, 100);
    assert!(told.is_empty());
    let changes = play.play(20, |play| play.requests("/b", 50, 10 * MS, Ending::Complete));
    assert_eq!(titles(&changes), [(10, "[RESOLVED] HighErrorRatioPerRoute · GET /a".to_owned())]);
}

#[test]
fn an_alert_whose_rule_is_gone_is_resolved_at_once_and_says_why() {
    let firing = fired(rule());
    let others = [
        rule().named("Another"),
        rule().each_route().named("HighErrorRatio"),
        rule().route("/a").named("HighErrorRatio"),
        Rule::mean_latency().above(secs(3)).named("HighErrorRatio"),
    ];
    for other in others {
        let (mut play, told) = restart([other], &firing, 100);
        let [resolved] = &told[..] else { panic!("one resolve") };
        assert_eq!(resolved.title(), "[RESOLVED] HighErrorRatio · orders");
        assert_eq!(resolved.measured(), "error ratio unknown: the rule is gone");
        assert_eq!(resolved.starts_at, firing[0].starts_at);
        assert_eq!(resolved.ends_at, Some(SystemTime::UNIX_EPOCH + secs(100)));
        assert!(play.play(20, healthy).is_empty());
        assert_eq!(play.evaluator.firing().count(), 0);
    }
}

#[test]
fn a_clock_that_was_set_back_or_far_ahead_panics_nowhere() {
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
