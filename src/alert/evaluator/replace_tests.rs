//! Rules are replaced while they have windows and firing alerts.

use std::{sync::Arc, time::Duration};

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

use super::*;
use crate::{
    alert::{
        AlertStatus,
        evaluator::tests::{MS, Play, a_fifth_fails, healthy, secs, titles},
    },
    outcome::Ending,
    rule::Severity,
};

fn ratio() -> Rule {
    Rule::error_ratio().above(0.01).over(secs(10))
}

/// At second 15, with an alert that fires since second 11.
fn firing(rules: impl Into<Vec<Rule>>) -> Play {
    let mut play = Play::new(rules);
    play.play(10, healthy);
    assert_eq!(play.play(5, a_fifth_fails).len(), 1);
    play
}

impl Play {
    fn replace(&mut self, rules: impl Into<Vec<Rule>>) -> (Replaced, Vec<Alert>) {
        let rules = rules.into();
        self.collector.regroup(Evaluator::groups(&rules));
        let wall = SystemTime::UNIX_EPOCH + secs(self.second);
        self.evaluator.replace(rules, &self.collector.facade, wall)
    }
}

fn replaced(kept: usize, changed: usize, added: usize, removed: usize) -> Replaced {
    Replaced { kept, changed, added, removed }
}

#[test]
fn an_unchanged_rule_keeps_firing_without_a_message_and_resolves_at_the_same_second() {
    let mut play = firing([ratio()]);
    let other = Rule::throughput().above(1_000_000);
    let (became, changes) = play.replace([other, ratio()]);
    assert_eq!((became, changes.len()), (replaced(1, 0, 1, 0), 0));
    let changes = play.play(20, healthy);
    assert_eq!(titles(&changes), [(25, "[RESOLVED] HighErrorRatio · orders".to_owned())]);
    let resolved = &changes[0].1;
    assert_eq!(
        (resolved.breach().unwrap().requests, resolved.breach().unwrap().errors),
        (1_200, 50),
        "the same as without the other rule"
    );
    assert_eq!(resolved.lasted(SystemTime::now()), secs(14));
}

#[test]
fn the_alert_of_a_removed_rule_is_resolved_with_the_reason() {
    let mut play = firing([ratio()]);
    let (became, changes) = play.replace([]);
    assert_eq!(became, replaced(0, 0, 0, 1));
    let [resolved] = &changes[..] else { panic!("one resolve") };
    assert_eq!(resolved.title(), "[RESOLVED] HighErrorRatio · orders");
    assert_eq!(resolved.measured(), "error ratio unknown: the rule was removed or changed");
    assert_eq!(
        (resolved.breach().unwrap().value, resolved.breach().unwrap().peak),
        (None, 50.0 / 500.0)
    );
    assert_eq!(resolved.ends_at, Some(SystemTime::UNIX_EPOCH + secs(15)));
    assert!(play.play(20, a_fifth_fails).is_empty());
}

#[test]
fn a_rule_with_another_condition_resolves_the_alert_and_starts_again_on_the_same_windows() {
    let named = || ratio().named("HighErrorRatio");
    for (changed, then) in [
        (ratio().above(0.05), vec![(16, "[FIRING] HighErrorRatio · orders")]),
        (ratio().above(0.5), vec![]),
        (ratio().hold_for(secs(2)), vec![(18, "[FIRING] HighErrorRatio · orders")]),
        (named().route("/a"), vec![(16, "[FIRING] HighErrorRatio · /a")]),
        (named().each_route(), vec![(16, "[FIRING] HighErrorRatio · GET /a")]),
    ] {
        let mut play = firing([ratio()]);
        let (became, changes) = play.replace([changed]);
        assert_eq!((became, changes.len()), (replaced(0, 1, 0, 0), 1));
        assert_eq!(changes[0].status, AlertStatus::Resolved);
        let changes = play.play(4, a_fifth_fails);
        let changes: Vec<_> = changes.iter().map(|(at, alert)| (*at, alert.title())).collect();
        let then: Vec<_> = then.into_iter().map(|(at, title)| (at, title.to_owned())).collect();
        assert_eq!(changes, then);
    }
}

#[test]
fn new_texts_are_not_sent_until_the_resolve() {
    let mut play = firing([ratio()]);
    let (became, changes) = play.replace([ratio().summary("It fails.").runbook("https://wiki/r")]);
    assert_eq!((became, changes.len()), (replaced(0, 1, 0, 0), 0));
    let changes = play.play(20, healthy);
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].1.summary.as_deref(), Some("It fails."));
}

#[test]
fn an_alert_with_a_new_severity_or_new_labels_is_sent_again_and_keeps_firing() {
    for changed in [ratio().severity(Severity::Critical), ratio().label("team", "shop")] {
        let mut play = firing([ratio()]);
        let (_, changes) = play.replace([changed.clone()]);
        let [again] = &changes[..] else { panic!("one message") };
        assert_eq!((again.status, again.severity), (AlertStatus::Firing, changed.severity));
        assert_eq!(again.labels, changed.labels);
        assert!(again.is_relabelled);
        assert_eq!((again.breach().unwrap().requests, again.breach().unwrap().errors), (700, 50));
        let changes = play.play(20, healthy);
        assert_eq!(titles(&changes), [(25, "[RESOLVED] HighErrorRatio · orders".to_owned())]);
        assert_eq!(changes[0].1.starts_at, again.starts_at);
    }
    let mut quiet = Play::new([ratio()]);
    quiet.play(5, healthy);
    let (_, changes) = quiet.replace([ratio().label("team", "shop")]);
    assert!(changes.is_empty(), "nothing fires");
}

#[test]
fn a_new_rule_sees_earlier_requests() {
    let mut play = Play::new([]);
    play.play(70, healthy);
    play.requests("/b", 50, 400 * MS, Ending::Panicked);
    play.play(1, healthy);
    let share = Rule::error_ratio().above(0.02).over(secs(90));
    // This is no bucket bound: the nearest one is 335.5 ms.
    let p98 = Rule::latency_quantile(0.98).above(Duration::from_millis(350)).over(secs(10));
    let (became, _) = play.replace([share.clone(), share.route("/b").named("B"), p98]);
    assert_eq!(became, replaced(0, 0, 3, 0));
    let changes = play.play(1, healthy);
    let values: Vec<_> =
        changes.iter().map(|(_, alert)| alert.breach().unwrap().window.unwrap().1).collect();
    assert_eq!(
        titles(&changes)[..],
        [(72, "[FIRING] B · /b".to_owned()), (72, "[FIRING] HighLatencyP98 · orders".to_owned())]
    );
    assert_eq!(values, [50, 550]);
}

/// The nonzero alert gauges, by severity.
fn firing_by_severity(snapshotter: &Snapshotter) -> Vec<(String, f64)> {
    let metrics = snapshotter.snapshot().into_vec().into_iter();
    let states = metrics.filter(|(key, ..)| key.key().name() == "lookout_alert_state");
    let states = states.map(|(key, _, _, value)| {
        let severity = key.key().labels().find(|label| label.key() == "severity").unwrap();
        let DebugValue::Gauge(state) = value else { panic!("a gauge") };
        (severity.value().to_owned(), state.into_inner())
    });
    states.filter(|(_, state)| *state > 0.0).collect()
}

#[test]
fn no_metric_of_a_removed_rule_shows_a_firing_alert() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let mut play = Play::with_recorder([ratio()], Some(Arc::new(recorder)));
    play.play(5, a_fifth_fails);
    assert_eq!(firing_by_severity(&snapshotter), [("warning".to_owned(), 2.0)]);
    play.replace([ratio().severity(Severity::Critical)]);
    play.play(1, a_fifth_fails);
    assert_eq!(firing_by_severity(&snapshotter), [("critical".to_owned(), 2.0)]);
    play.replace([]);
    assert_eq!(firing_by_severity(&snapshotter), []);
}
