use std::{sync::Arc, time::Duration};

use super::*;
use crate::{
    alert::{Contribution, Failure, Origin, Target, test_alert},
    operation::{MethodLabel, Operation},
    rule::Severity,
};

const FIRING: AlertStatus = AlertStatus::Firing;
const RESOLVED: AlertStatus = AlertStatus::Resolved;

fn alerts(rules: &str, status: AlertStatus) -> Vec<Alert> {
    rules.split(' ').map(|rule| test_alert(rule, status)).collect()
}

fn later(alert: Alert, seconds: u64) -> Alert {
    Alert { starts_at: alert.starts_at + Duration::from_secs(seconds), ..alert }
}

fn report(status: AlertStatus, total: u64) -> Alert {
    let failure = Failure {
        causes: vec!["no broker".to_owned()],
        error_type: "E".into(),
        call_site: "src/orders.rs:42".to_owned(),
        count: 1,
        total,
        ..Failure::default()
    };
    let origin = Arc::new(Origin::default());
    let start = SystemTime::UNIX_EPOCH;
    let alert = Alert::of_failure(&"Lost".into(), Severity::Critical, failure, start, &origin);
    Alert { status, ..alert }
}

/// Runs the actions for these alerts and lists them, with `+` for firing and `-` for resolved
/// alerts. Stops at the action named `fails`.
fn play_until(posted: &mut PostedMessages<u64>, alerts: Vec<Alert>, fails: &str) -> Vec<String> {
    let mut left = Notification::new(alerts);
    left.retain(|alert| !posted.is_posted(alert));
    let mut actions = Vec::new();
    while let Some(action) = posted.next(&left) {
        let of = action.alerts();
        let name = match &action {
            Action::Post(_) => "post".to_owned(),
            Action::Edit(number, message, _) => {
                assert_eq!(message, number);
                format!("edit {number}")
            }
            Action::Reply(number, ..) => format!("reply {number}"),
            Action::Digest(_) => "digest".to_owned(),
        };
        let mark = |alert: &Alert| if alert.status == FIRING { "+" } else { "-" };
        let shown: Vec<_> =
            of.alerts.iter().map(|alert| format!("{}{}", mark(alert), alert.name)).collect();
        actions.push(format!("{name}: {}", shown.join(" ")));
        assert!(actions.len() < 100, "{actions:?}");
        if name == fails {
            return actions;
        }
        let message = posted.number;
        if let Some(done) = posted.done(action, Some(message)) {
            left.remove(&done);
        }
    }
    posted.settle();
    actions
}

fn play(posted: &mut PostedMessages<u64>, alerts: Vec<Alert>) -> Vec<String> {
    play_until(posted, alerts, "")
}

#[test]
fn a_resolve_edits_the_message_and_replies_in_its_thread() {
    let mut posted = PostedMessages::default();
    assert_eq!(play(&mut posted, alerts("A B", FIRING)), ["post: +A", "post: +B"]);
    assert_eq!(play(&mut posted, alerts("A", RESOLVED)), ["edit 0: -A", "reply 0: -A"]);
    assert_eq!(posted.messages.len(), 1, "a resolved alert is forgotten");
}

#[test]
fn a_resolve_without_a_known_message_gets_a_new_one() {
    let mut posted = PostedMessages::default();
    assert_eq!(play(&mut posted, alerts("A", RESOLVED)), ["post: -A"]);
    assert!(posted.messages.is_empty());
    // A response without a message reference.
    let fired = Notification::new(alerts("A", FIRING));
    posted.done(Action::Post(fired.clone()), None);
    assert!(posted.is_posted(&fired.alerts[0]));
    assert_eq!(play(&mut posted, alerts("A", RESOLVED)), ["post: -A"]);
}

#[test]
fn more_than_three_alerts_that_start_together_share_a_message() {
    let mut posted = PostedMessages::default();
    assert_eq!(play(&mut posted, alerts("A B C D", FIRING)), ["post: +A +B +C +D"]);
    assert_eq!(
        play(&mut posted, alerts("B D", RESOLVED)),
        ["edit 0: +A -B +C -D", "reply 0: -B -D"]
    );
    // One of them fires again, with a message of its own. The old message no longer follows it.
    let again = vec![later(test_alert("B", FIRING), 60)];
    assert_eq!(play(&mut posted, again), ["post: +B"]);
    assert_eq!(
        play(&mut posted, alerts("A C", RESOLVED)),
        ["edit 0: -A -B -C -D", "reply 0: -A -C"]
    );
    assert_eq!(posted.messages.len(), 1);
}

#[test]
fn changes_in_more_than_three_threads_are_posted_in_one_digest() {
    let mut posted = PostedMessages::default();
    for rules in ["A B", "C D"] {
        play(&mut posted, alerts(rules, FIRING));
    }
    assert_eq!(
        play(&mut posted, alerts("A B C D", RESOLVED)),
        ["edit 0: -A", "edit 1: -B", "edit 2: -C", "edit 3: -D", "digest: -A -B -C -D"]
    );
    assert!(posted.messages.is_empty());
}

#[test]
fn new_alerts_are_posted_before_resolves() {
    let mut posted = PostedMessages::default();
    play(&mut posted, alerts("A", FIRING));
    let mut both = alerts("A", RESOLVED);
    both.extend(alerts("B", FIRING));
    assert_eq!(play(&mut posted, both), ["post: +B", "edit 0: -A", "reply 0: -A"]);
}

#[test]
fn a_retry_skips_completed_actions() {
    let mut posted = PostedMessages::default();
    let fired = || alerts("A B", FIRING);
    play(&mut posted, alerts("A", FIRING));
    assert_eq!(play(&mut posted, fired()), ["post: +B"]);
    let over = || alerts("A B", RESOLVED);
    assert_eq!(play_until(&mut posted, over(), "reply 0"), ["edit 0: -A", "reply 0: -A"]);
    assert_eq!(
        play_until(&mut posted, over(), "reply 1"),
        ["reply 0: -A", "edit 1: -B", "reply 1: -B"]
    );
    assert_eq!(play(&mut posted, over()), ["reply 1: -B"]);
}

#[test]
fn a_report_that_repeats_stays_in_one_thread() {
    let mut posted = PostedMessages::default();
    let mut actions = Vec::new();
    for total in [1, 313, 500] {
        actions.extend(play(&mut posted, vec![report(FIRING, total)]));
    }
    actions.extend(play(&mut posted, vec![report(RESOLVED, 500)]));
    assert_eq!(
        actions,
        [
            "post: +Lost",
            "edit 0: +Lost",
            "reply 0: +Lost",
            "edit 0: +Lost",
            "reply 0: +Lost",
            "edit 0: -Lost",
            "reply 0: -Lost",
        ]
    );
}

#[test]
fn an_alert_that_fires_again_gets_a_new_message_unless_the_old_one_shows_it_firing() {
    let mut posted = PostedMessages::default();
    play(&mut posted, alerts("A", FIRING));
    play(&mut posted, alerts("A", RESOLVED));
    let again = |seconds| vec![later(test_alert("A", FIRING), seconds)];
    assert_eq!(play(&mut posted, again(60)), ["post: +A"]);
    // The resolve in between was merged with the new start.
    assert_eq!(play(&mut posted, again(120)), ["edit 1: +A", "reply 1: +A"]);
}

#[test]
fn a_forgotten_message_is_replaced() {
    let mut posted = PostedMessages::default();
    play(&mut posted, alerts("A", FIRING));
    posted.forget(0);
    assert_eq!(play(&mut posted, alerts("A", RESOLVED)), ["post: -A"]);
}

#[test]
fn a_resolved_message_keeps_its_top_routes() {
    let mut posted = PostedMessages::default();
    let mut fired = test_alert("A", FIRING);
    fired.target = Target::Service;
    fired.breach_mut().unwrap().top = vec![Contribution {
        operation: Operation::of_server(MethodLabel::Post, "/orders"),
        share: 0.83,
        detail: "85 of 410 failed (20.7%), 83% of all failures".to_owned(),
    }];
    play(&mut posted, vec![fired.clone()]);
    let over = Notification::with_changes(alerts("A", RESOLVED), vec![2]);
    let Some(Action::Edit(0, _, shown)) = posted.next(&over) else { panic!("{posted:?}") };
    assert_eq!((shown.alerts[0].status, shown.alerts[0].top()), (RESOLVED, fired.top()));
    posted.done(Action::Edit(0, 0, shown), None);
    let Some(Action::Reply(0, _, reply)) = posted.next(&over) else { panic!("{posted:?}") };
    assert!(reply.alerts[0].top().is_empty() && reply.changes == [2]);
}

#[test]
fn alerts_of_two_lookouts_are_kept_apart() {
    let mut posted = PostedMessages::default();
    play(&mut posted, alerts("A", FIRING));
    let mut other = test_alert("A", RESOLVED);
    other.origin = Arc::new(Origin { service: "payments".to_owned(), ..(*other.origin).clone() });
    assert_eq!(play(&mut posted, vec![other]), ["post: -A"]);
}

#[test]
fn past_a_thousand_alerts_the_oldest_message_is_forgotten() {
    let mut posted = PostedMessages::default();
    for message in 0..=CAPACITY / 100 {
        let rules: Vec<_> = (0..100).map(|rule| format!("R{message}.{rule}")).collect();
        play(&mut posted, alerts(&rules.join(" "), FIRING));
    }
    assert_eq!(posted.messages.len(), CAPACITY / 100);
    assert_eq!(play(&mut posted, alerts("R0.1", RESOLVED)), ["post: -R0.1"]);
    assert_eq!(play(&mut posted, alerts("R2.1", RESOLVED)).len(), 2);
}
