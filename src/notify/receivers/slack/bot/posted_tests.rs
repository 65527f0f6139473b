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

/// What each step says of which alerts, `+` firing and `-` resolved; the steps that `fails` stop it.
fn play_until(posted: &mut Posted, alerts: Vec<Alert>, fails: &str) -> Vec<String> {
    let changes = vec![1; alerts.len()];
    let mut left = Notification::new(alerts, changes);
    left.retain(|alert| !posted.is_posted(alert));
    let mut steps = Vec::new();
    while let Some(step) = posted.next(&left) {
        let of = step.alerts();
        let name = match &step {
            Step::Post(_) => "post".to_owned(),
            Step::Edit(number, place, _) => {
                assert_eq!(place.ts, number.to_string());
                format!("edit {number}")
            }
            Step::Reply(number, ..) => format!("reply {number}"),
            Step::Digest(_) => "digest".to_owned(),
        };
        let mark = |alert: &Alert| if alert.status == FIRING { "+" } else { "-" };
        let told: Vec<_> =
            of.alerts.iter().map(|alert| format!("{}{}", mark(alert), alert.name)).collect();
        steps.push(format!("{name}: {}", told.join(" ")));
        assert!(steps.len() < 100, "{steps:?}");
        if name == fails {
            return steps;
        }
        let stands = place(posted.number);
        if let Some(told) = posted.done(step, stands) {
            left.without(&told);
        }
    }
    posted.settle();
    steps
}

fn place(number: u64) -> Option<MessageRef> {
    Some(MessageRef { channel: "C1".to_owned(), ts: number.to_string() })
}

fn play(posted: &mut Posted, alerts: Vec<Alert>) -> Vec<String> {
    play_until(posted, alerts, "")
}

#[test]
fn a_resolve_is_edited_into_the_message_and_told_in_its_thread() {
    let mut posted = Posted::default();
    assert_eq!(play(&mut posted, alerts("A B", FIRING)), ["post: +A", "post: +B"]);
    assert_eq!(play(&mut posted, alerts("A", RESOLVED)), ["edit 0: -A", "reply 0: -A"]);
    assert_eq!(posted.messages.len(), 1, "what is over is not kept");
}

#[test]
fn a_resolve_of_which_no_message_is_known_gets_one() {
    let mut posted = Posted::default();
    assert_eq!(play(&mut posted, alerts("A", RESOLVED)), ["post: -A"]);
    assert!(posted.messages.is_empty());
    // An answer that did not say where the message stands.
    let fired = Notification::new(alerts("A", FIRING), vec![1]);
    posted.done(Step::Post(fired.clone()), None);
    assert!(posted.is_posted(&fired.alerts[0]));
    assert_eq!(play(&mut posted, alerts("A", RESOLVED)), ["post: -A"]);
}

#[test]
fn alerts_that_begin_together_share_a_message_if_they_are_many() {
    let mut posted = Posted::default();
    assert_eq!(play(&mut posted, alerts("A B C D", FIRING)), ["post: +A +B +C +D"]);
    assert_eq!(
        play(&mut posted, alerts("B D", RESOLVED)),
        ["edit 0: +A -B +C -D", "reply 0: -B -D"]
    );
    // One of them begins anew, with a message of its own, and the old one tells of it no more.
    let again = vec![later(test_alert("B", FIRING), 60)];
    assert_eq!(play(&mut posted, again), ["post: +B"]);
    assert_eq!(
        play(&mut posted, alerts("A C", RESOLVED)),
        ["edit 0: -A -B -C -D", "reply 0: -A -C"]
    );
    assert_eq!(posted.messages.len(), 1);
}

#[test]
fn what_becomes_of_many_messages_is_told_by_one() {
    let mut posted = Posted::default();
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
fn what_begins_is_told_before_what_ends() {
    let mut posted = Posted::default();
    play(&mut posted, alerts("A", FIRING));
    let mut both = alerts("A", RESOLVED);
    both.extend(alerts("B", FIRING));
    assert_eq!(play(&mut posted, both), ["post: +B", "edit 0: -A", "reply 0: -A"]);
}

#[test]
fn what_was_done_before_a_failure_is_not_done_again() {
    let mut posted = Posted::default();
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
    let mut posted = Posted::default();
    let mut steps = Vec::new();
    for total in [1, 313, 500] {
        steps.extend(play(&mut posted, vec![report(FIRING, total)]));
    }
    steps.extend(play(&mut posted, vec![report(RESOLVED, 500)]));
    assert_eq!(
        steps,
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
fn an_alert_that_fires_again_has_a_new_message_unless_the_old_one_still_shows_it_firing() {
    let mut posted = Posted::default();
    play(&mut posted, alerts("A", FIRING));
    play(&mut posted, alerts("A", RESOLVED));
    let again = |seconds| vec![later(test_alert("A", FIRING), seconds)];
    assert_eq!(play(&mut posted, again(60)), ["post: +A"]);
    // Its resolve was merged with the start after that.
    assert_eq!(play(&mut posted, again(120)), ["edit 1: +A", "reply 1: +A"]);
}

#[test]
fn a_message_that_is_gone_is_replaced() {
    let mut posted = Posted::default();
    play(&mut posted, alerts("A", FIRING));
    posted.forget(0);
    assert_eq!(play(&mut posted, alerts("A", RESOLVED)), ["post: -A"]);
}

#[test]
fn a_message_that_is_over_still_shows_what_made_it_fire() {
    let mut posted = Posted::default();
    let mut fired = test_alert("A", FIRING);
    fired.target = Target::Service;
    fired.breach_mut().unwrap().top = vec![Contribution {
        operation: Operation::of_server(MethodLabel::Post, "/orders"),
        share: 0.83,
        detail: "85 of 410 failed (20.7 %), 83 % of all failures".to_owned(),
    }];
    play(&mut posted, vec![fired.clone()]);
    let over = Notification::new(alerts("A", RESOLVED), vec![2]);
    let Some(Step::Edit(0, _, shown)) = posted.next(&over) else { panic!("{posted:?}") };
    assert_eq!((shown.alerts[0].status, shown.alerts[0].top()), (RESOLVED, fired.top()));
    posted.done(Step::Edit(0, place(0).unwrap(), shown), None);
    let Some(Step::Reply(0, _, told)) = posted.next(&over) else { panic!("{posted:?}") };
    assert!(told.alerts[0].top().is_empty() && told.changes == [2]);
}

#[test]
fn the_alert_of_another_lookout_is_another_one() {
    let mut posted = Posted::default();
    play(&mut posted, alerts("A", FIRING));
    let mut other = test_alert("A", RESOLVED);
    other.origin = Arc::new(Origin { service: "payments".to_owned(), ..(*other.origin).clone() });
    assert_eq!(play(&mut posted, vec![other]), ["post: -A"]);
}

#[test]
fn past_a_thousand_alerts_the_oldest_message_is_forgotten() {
    let mut posted = Posted::default();
    for message in 0..=CAPACITY / 100 {
        let rules: Vec<_> = (0..100).map(|rule| format!("R{message}.{rule}")).collect();
        play(&mut posted, alerts(&rules.join(" "), FIRING));
    }
    assert_eq!(posted.messages.len(), CAPACITY / 100);
    assert_eq!(play(&mut posted, alerts("R0.1", RESOLVED)), ["post: -R0.1"]);
    assert_eq!(play(&mut posted, alerts("R2.1", RESOLVED)).len(), 2);
}
