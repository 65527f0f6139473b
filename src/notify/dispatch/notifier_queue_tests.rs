use std::{sync::atomic::Ordering, time::Duration};

use super::*;
use crate::alert::{AlertStatus, Cause, Failure, test_alert};

fn changes(notification: &Notification) -> Vec<(String, u32)> {
    notification.iter().map(|(alert, changes)| (alert.title(), changes)).collect()
}

#[test]
fn several_changes_of_an_alert_are_merged_into_the_last_with_their_number() {
    let queue = NotifierQueue::new("test".to_owned(), None);
    queue.put(test_alert("A", AlertStatus::Firing));
    queue.put(test_alert("B", AlertStatus::Firing));
    queue.put(test_alert("A", AlertStatus::Resolved));
    let taken = queue.take(10).unwrap();
    assert_eq!(
        changes(&taken),
        [("[RESOLVED] A · orders".to_owned(), 2), ("[FIRING] B · orders".to_owned(), 1)]
    );
    assert!(queue.take(10).is_none());
}

#[test]
fn undelivered_alerts_return_to_the_head_of_the_queue_in_their_newest_state() {
    let queue = NotifierQueue::new("test".to_owned(), None);
    queue.put(test_alert("A", AlertStatus::Firing));
    queue.put(test_alert("B", AlertStatus::Firing));
    queue.take(10).unwrap();
    queue.put(test_alert("C", AlertStatus::Firing));
    queue.put(test_alert("B", AlertStatus::Resolved));
    queue.put_back();
    assert_eq!(
        changes(&queue.take(10).unwrap()),
        [
            ("[FIRING] A · orders".to_owned(), 1),
            ("[FIRING] C · orders".to_owned(), 1),
            ("[RESOLVED] B · orders".to_owned(), 2),
        ]
    );
}

#[test]
fn merged_reports_are_all_counted() {
    let report = |count, total, minutes: u64| {
        let failure = Failure {
            causes: vec!["no broker".to_owned()],
            error_type: "E".into(),
            call_site: "src/orders.rs:42".to_owned(),
            count,
            over: Duration::from_secs(60 * minutes),
            total,
            ..Failure::default()
        };
        Alert { cause: Cause::Report(failure.into()), ..test_alert("Lost", AlertStatus::Firing) }
    };
    let queue = NotifierQueue::new("test".to_owned(), None);
    queue.put(report(1, 1, 0));
    queue.put(report(60, 61, 1));
    queue.take(10).unwrap();
    queue.put(report(39, 100, 1));
    queue.put_back();
    let taken = queue.take(10).unwrap();
    assert_eq!(taken.alerts[0].condition(), "reported 100 times in 2m at src/orders.rs:42");
    assert_eq!(taken.changes, [3]);
}

#[test]
fn beyond_the_capacity_the_oldest_alerts_are_dropped_and_counted() {
    let queue = NotifierQueue::new("test".to_owned(), None);
    let summary = Some("x".repeat(1 << 20));
    for n in 0..20 {
        let alert = test_alert(&format!("R{n}"), AlertStatus::Firing);
        queue.put(Alert { summary: summary.clone(), ..alert });
    }
    assert_eq!(queue.stats.dropped.load(Ordering::Relaxed), 5);
    let taken = queue.take(usize::MAX).unwrap();
    assert_eq!(taken.alerts.len(), 15);
    assert_eq!(taken.alerts[0].title(), "[FIRING] R5 · orders");
}

#[test]
fn thousands_of_small_alerts_are_queued_in_order() {
    let queue = NotifierQueue::new("test".to_owned(), None);
    let names: Vec<_> = (0..5_000).map(|n| format!("R{n}")).collect();
    for name in &names {
        queue.put(test_alert(name, AlertStatus::Firing));
    }
    queue.put(test_alert("R7", AlertStatus::Resolved));
    let taken = queue.take(usize::MAX).unwrap();
    assert!(taken.alerts.iter().map(|alert| &*alert.name).eq(names.iter().map(|name| &**name)));
    assert_eq!((taken.alerts[7].status, taken.changes[7]), (AlertStatus::Resolved, 2));
    assert_eq!(queue.stats.dropped.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn the_first_alert_carries_the_note_on_unknown_alerts_until_it_is_delivered() {
    let queue = NotifierQueue::new("test".to_owned(), None);
    queue.note_unknown(SystemTime::UNIX_EPOCH, false);
    let unknown = |taken: &Notification| -> Vec<_> {
        taken.alerts.iter().map(|alert| alert.unknown_before.is_some()).collect()
    };
    let puts = |changes: &[(&str, AlertStatus)]| {
        changes.iter().for_each(|(rule, status)| queue.put(test_alert(rule, *status)));
    };
    let (firing, resolved) = (AlertStatus::Firing, AlertStatus::Resolved);
    puts(&[("A", resolved), ("B", firing), ("C", firing)]);
    assert_eq!(unknown(&queue.take(10).unwrap()), [false, true, false]);
    queue.put_back();
    assert_eq!(unknown(&queue.take(10).unwrap()), [false, true, false]);
    queue.rejected("rejected by the test");
    puts(&[("D", firing)]);
    assert_eq!(unknown(&queue.take(10).unwrap()), [true]);
    queue.delivered(Delivered::default());
    puts(&[("E", firing)]);
    assert_eq!(unknown(&queue.take(10).unwrap()), [false]);
}

#[tokio::test(start_paused = true)]
async fn an_hour_after_the_start_only_a_lost_state_adds_the_note_on_unknown_alerts() {
    for is_lost in [false, true] {
        let queue = NotifierQueue::new("test".to_owned(), None);
        queue.note_unknown(SystemTime::UNIX_EPOCH, is_lost);
        tokio::time::advance(UNKNOWN_FOR).await;
        queue.put(test_alert("A", AlertStatus::Firing));
        let taken = queue.take(10).unwrap();
        assert_eq!(taken.alerts[0].unknown_before.is_some(), is_lost);
    }
}
