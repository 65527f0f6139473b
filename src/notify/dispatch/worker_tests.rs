use std::{
    collections::VecDeque,
    ops::RangeInclusive,
    sync::{Mutex, atomic::Ordering},
};

use tokio::{task::JoinHandle, time::sleep};
use tower::service_fn;

use super::*;
use crate::alert::{AlertStatus, test_alert};

/// A notifier's reaction to a message.
enum Reply {
    Accepts,
    Fails(DeliveryError),
    Hangs,
    Panics,
}

/// The times of the notifier's calls, in seconds since the start.
type Calls = Arc<Mutex<Vec<f64>>>;

/// A worker whose notifier follows the script, then accepts all messages.
fn worker(script: impl IntoIterator<Item = Reply>) -> (Arc<NotifierQueue>, Calls, JoinHandle<()>) {
    let (start, calls) = (Instant::now(), Calls::default());
    let mut script: VecDeque<_> = script.into_iter().collect();
    let notifier = service_fn({
        let calls = Arc::clone(&calls);
        move |_: Notification| {
            calls.lock().unwrap().push(start.elapsed().as_secs_f64());
            let reply = script.pop_front().unwrap_or(Reply::Accepts);
            async move {
                match reply {
                    Reply::Accepts => Ok(()),
                    Reply::Fails(error) => Err(error),
                    Reply::Hangs => std::future::pending().await,
                    Reply::Panics => panic!("panic of the test"),
                }
            }
        }
    });
    let queue = Arc::new(NotifierQueue::new("test".to_owned(), None));
    let worker = tokio::spawn(Worker::new(Arc::clone(&queue), notifier).run());
    (queue, calls, worker)
}

fn many(reply: impl Fn() -> Reply, times: usize) -> impl Iterator<Item = Reply> {
    std::iter::repeat_with(reply).take(times)
}

/// Sent, failed, retried, dropped.
fn counts(queue: &NotifierQueue) -> [u64; 4] {
    let stats = &queue.stats;
    [&stats.sent, &stats.failed, &stats.retried, &stats.dropped]
        .map(|count| count.load(Ordering::Relaxed))
}

/// The replies of a notifier, the expected waits between its calls in seconds, and the expected
/// counts.
struct Row {
    script: Vec<Reply>,
    waits: Vec<RangeInclusive<f64>>,
    counts: [u64; 4],
}

/// A wait with jitter, which shortens it by up to a half.
fn up_to(seconds: f64) -> RangeInclusive<f64> {
    seconds / 2.0..=seconds + 0.01
}

fn exactly(seconds: f64) -> RangeInclusive<f64> {
    seconds..=seconds + 0.01
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_failure_is_retried_at_its_time_and_counted() {
    let temporary = || Reply::Fails(DeliveryError::temporary("503"));
    let limit = |seconds| {
        move || Reply::Fails(DeliveryError::retry_after(Duration::from_secs(seconds), "429"))
    };
    let rejected = || Reply::Fails(DeliveryError::rejected("400"));
    let misconfigured = || Reply::Fails(DeliveryError::misconfigured("404"));
    let rows = [
        Row { script: vec![], waits: vec![], counts: [1, 0, 0, 0] },
        Row {
            script: many(temporary, 7).collect(),
            waits: [1, 2, 4, 8, 16, 30, 30].map(|wait| up_to(f64::from(wait))).to_vec(),
            counts: [1, 7, 7, 0],
        },
        Row {
            script: many(limit(7), 3).collect(),
            waits: vec![exactly(7.0); 3],
            counts: [1, 3, 3, 0],
        },
        Row { script: vec![limit(0)()], waits: vec![exactly(1.0)], counts: [1, 1, 1, 0] },
        Row {
            script: vec![limit(u64::MAX)()],
            waits: vec![exactly(24.0 * 3_600.0)],
            counts: [1, 1, 1, 0],
        },
        // Nothing changes, so the worker retries slowly and without end.
        Row {
            script: many(misconfigured, 5).collect(),
            waits: vec![exactly(30.0); 5],
            counts: [1, 5, 5, 0],
        },
        Row { script: vec![rejected()], waits: vec![], counts: [0, 1, 0, 1] },
        Row {
            script: vec![Reply::Hangs],
            waits: vec![10.0 + 0.5..=10.0 + 1.01],
            counts: [1, 1, 1, 0],
        },
        Row { script: vec![Reply::Panics], waits: vec![up_to(1.0)], counts: [1, 1, 1, 0] },
    ];
    for (index, Row { script, waits, counts: expected }) in rows.into_iter().enumerate() {
        let (queue, calls, worker) = worker(script);
        queue.put(test_alert("A", AlertStatus::Firing));
        // Virtual time, longer than any row.
        sleep(Duration::from_secs(2 * 24 * 3_600)).await;
        let calls = calls.lock().unwrap().clone();
        let waited: Vec<_> = calls.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(waited.len(), waits.len(), "row {index}: {calls:?}");
        for (waited, wait) in waited.iter().zip(&waits) {
            assert!(wait.contains(waited), "row {index}: {waited} s is not in {wait:?}");
        }
        assert_eq!(counts(&queue), expected, "row {index}");
        queue.close();
        worker.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_status_has_the_last_error_until_a_delivery_succeeds() {
    let (queue, ..) = worker([Reply::Fails(DeliveryError::temporary("503"))]);
    assert_eq!((queue.status().is_failing, queue.status().last_sent_at), (false, None));
    queue.put(test_alert("A", AlertStatus::Firing));
    sleep(Duration::from_millis(100)).await;
    let failing = queue.status();
    assert!(failing.is_failing && failing.last_failed_at.is_some());
    let line = "test: 0 sent, 1 failed, 0 dropped, 1 waiting, last error: 503";
    assert_eq!(failing.to_string(), line);

    sleep(Duration::from_secs(5)).await;
    let recovered = queue.status();
    assert_eq!((recovered.is_failing, recovered.last_error.as_deref()), (false, Some("503")));
    assert!(recovered.last_sent_at >= recovered.last_failed_at);
    assert_eq!(recovered.to_string(), "test: 1 sent, 1 failed, 0 dropped, 0 waiting");
}

#[tokio::test(start_paused = true)]
async fn a_misconfigured_notifier_is_retried_at_the_next_change() {
    let (queue, calls, _worker) = worker([Reply::Fails(DeliveryError::misconfigured("404"))]);
    queue.put(test_alert("A", AlertStatus::Firing));
    sleep(Duration::from_secs(5)).await;
    queue.put(test_alert("A", AlertStatus::Resolved));
    sleep(Duration::from_secs(5)).await;
    let calls = calls.lock().unwrap();
    assert!(calls.len() == 2 && exactly(5.0).contains(&calls[1]), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_change_does_not_wait_for_a_failing_repeat() {
    let start = Instant::now();
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let notifier = service_fn({
        let attempts = Arc::clone(&attempts);
        move |notification: Notification| {
            attempts.lock().unwrap().push((start.elapsed().as_secs(), notification.title()));
            let is_repeat = notification.changes == [0];
            let accepted = Delivered::repeat_every(Duration::from_secs(60));
            std::future::ready(if is_repeat { Err("down") } else { Ok(accepted) })
        }
    });
    let queue = Arc::new(NotifierQueue::new("test".to_owned(), None));
    let _worker = tokio::spawn(Worker::new(Arc::clone(&queue), notifier).run());
    queue.put(test_alert("A", AlertStatus::Firing));
    // By then, the pauses are at least 15 s.
    sleep(Duration::from_secs(300)).await;
    let earlier = attempts.lock().unwrap().len();
    sleep(Duration::from_secs(1)).await;
    queue.put(test_alert("B", AlertStatus::Firing));
    sleep(Duration::from_millis(1)).await;
    let attempts = attempts.lock().unwrap();
    let (second, title) = &attempts[earlier..].last().unwrap();
    assert_eq!((*second, &**title), (301, "[FIRING: 2] B, A"));
}

#[tokio::test(start_paused = true)]
async fn during_the_shutdown_failures_are_retried_faster_but_retry_after_is_honoured() {
    for (error, pause) in [
        (DeliveryError::temporary("503"), 0.25),
        (DeliveryError::misconfigured("404"), 0.25),
        (DeliveryError::retry_after(Duration::from_secs(7), "429"), 7.0),
    ] {
        let (queue, calls, worker) = worker([Reply::Fails(error)]);
        queue.close();
        queue.put(test_alert("A", AlertStatus::Firing));
        worker.await.unwrap();
        let calls = calls.lock().unwrap();
        assert!(calls.len() == 2 && exactly(pause).contains(&(calls[1] - calls[0])), "{calls:?}");
        assert_eq!(counts(&queue), [1, 1, 1, 0]);
    }
}

/// Delivers a hundred alerts to a receiver that rejects each message with a rejected alert. Returns
/// the counts, the number of messages and the accepted alerts.
async fn deliver_hundred(
    is_rejected: fn(&str) -> bool,
    error: fn() -> DeliveryError,
) -> ([u64; 4], u64, Vec<String>) {
    let received = Arc::new(Mutex::new((0, Vec::new())));
    let notifier = service_fn({
        let received = Arc::clone(&received);
        move |notification: Notification| {
            let (posts, accepted) = &mut *received.lock().unwrap();
            *posts += 1;
            let rejects = notification.alerts.iter().any(|alert| is_rejected(&alert.name));
            if !rejects {
                accepted.extend(notification.alerts.iter().map(|alert| alert.name.to_string()));
            }
            std::future::ready(if rejects { Err(error()) } else { Ok(()) })
        }
    });
    let queue = Arc::new(NotifierQueue::new("test".to_owned(), None));
    for n in 0..100 {
        queue.put(test_alert(&format!("A{n}"), AlertStatus::Firing));
    }
    queue.close();
    Worker::new(Arc::clone(&queue), notifier).run().await;
    let (posts, accepted) = received.lock().unwrap().clone();
    (counts(&queue), posts, accepted)
}

#[tokio::test(start_paused = true)]
async fn a_rejected_alert_does_not_prevent_the_delivery_of_others() {
    let rejects: [fn(&str) -> bool; 4] = [
        |name| name == "A0",
        |name| name == "A57",
        |name| name == "A99",
        |name| ["A3", "A50", "A51", "A98"].contains(&name),
    ];
    for is_rejected in rejects {
        let rejected_count = (0..100).filter(|n| is_rejected(&format!("A{n}"))).count();
        let ([_, failed, retried, dropped], posts, accepted) =
            deliver_hundred(is_rejected, || DeliveryError::rejected("400")).await;
        assert_eq!((accepted.len(), dropped), (100 - rejected_count, rejected_count as u64));
        assert!(!accepted.iter().any(|name| is_rejected(name)), "{accepted:?}");
        assert!(
            failed <= 8 * rejected_count as u64 && posts <= 16 * rejected_count as u64,
            "{posts} posts"
        );
        assert!(retried >= failed - dropped, "{retried} of {failed}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_rest_is_dropped_after_the_third_rejected_alert() {
    let (counts, posts, _) = deliver_hundred(|_| true, || DeliveryError::rejected("400")).await;
    assert_eq!((counts[0], counts[3]), (0, 100));
    // Three bisections of a hundred alerts, and one message with the rest.
    assert!(posts <= 3 * 7 + 1, "{posts}");
}

#[tokio::test(start_paused = true)]
async fn undeliverable_alerts_are_dropped_without_bisection() {
    let (counts, posts, _) =
        deliver_hundred(|_| true, || DeliveryError::undeliverable("400")).await;
    assert_eq!((counts, posts), ([0, 1, 0, 100], 1));
}

#[tokio::test(start_paused = true)]
async fn a_partial_delivery_with_an_error_is_retried_for_the_alerts_that_are_left() {
    let titles = Arc::new(Mutex::new(Vec::new()));
    let notifier = service_fn({
        let titles = Arc::clone(&titles);
        move |mut notification: Notification| {
            titles.lock().unwrap().push(notification.title());
            let left = notification.split_off(1);
            let delivered = Delivered::partial(left).with_error(DeliveryError::temporary("503"));
            std::future::ready(Ok::<_, BoxError>(delivered))
        }
    });
    let queue = Arc::new(NotifierQueue::new("test".to_owned(), None));
    ["A", "B"].iter().for_each(|rule| queue.put(test_alert(rule, AlertStatus::Firing)));
    let _worker = tokio::spawn(Worker::new(Arc::clone(&queue), notifier).run());
    sleep(Duration::from_millis(10)).await;
    assert_eq!(*titles.lock().unwrap(), ["[FIRING: 2] A, B"]);
    // The receiver is available, so a new change does not wait for the backoff.
    queue.put(test_alert("C", AlertStatus::Firing));
    sleep(Duration::from_secs(60)).await;
    let expected = ["[FIRING: 2] A, B", "[FIRING: 2] B, C", "[FIRING] C · orders"];
    assert_eq!(*titles.lock().unwrap(), expected);
    assert_eq!(counts(&queue), [1, 2, 2, 0]);
}

#[tokio::test(start_paused = true)]
async fn alerts_that_do_not_fit_are_sent_at_once_in_the_next_message_and_not_counted_as_failed() {
    let start = Instant::now();
    let accepted = Arc::new(Mutex::new(Vec::new()));
    let notifier = service_fn({
        let accepted = Arc::clone(&accepted);
        move |mut notification: Notification| {
            let (mut index, accepted) = (0.., Arc::clone(&accepted));
            notification.retain(|alert| {
                let is_left = index.next() >= Some(30);
                if !is_left {
                    accepted.lock().unwrap().push(alert.name.to_string());
                }
                is_left
            });
            std::future::ready(Ok::<_, BoxError>(Delivered::partial(notification)))
        }
    });
    let queue = Arc::new(NotifierQueue::new("test".to_owned(), None));
    let names: Vec<_> = (0..100).map(|n| format!("A{n}")).collect();
    names.iter().for_each(|name| queue.put(test_alert(name, AlertStatus::Firing)));
    queue.close();
    Worker::new(Arc::clone(&queue), notifier).run().await;
    assert_eq!(*accepted.lock().unwrap(), names);
    assert_eq!((counts(&queue), start.elapsed()), ([4, 0, 0, 0], Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_leaves_every_alert_has_failed_and_is_retried_with_backoff() {
    let calls = Arc::new(Mutex::new(0));
    let notifier = service_fn({
        let calls = Arc::clone(&calls);
        move |notification: Notification| {
            *calls.lock().unwrap() += 1;
            std::future::ready(Ok::<_, BoxError>(Delivered::partial(notification)))
        }
    });
    let queue = Arc::new(NotifierQueue::new("test".to_owned(), None));
    let _worker = tokio::spawn(Worker::new(Arc::clone(&queue), notifier).run());
    queue.put(test_alert("A", AlertStatus::Firing));
    sleep(Duration::from_secs(60)).await;
    let calls = *calls.lock().unwrap();
    assert!((4..=8).contains(&calls), "{calls} calls");
    assert_eq!(counts(&queue)[..2], [0, calls]);
}

#[test]
fn the_backoff_doubles_up_to_thirty_seconds() {
    let longest: Vec<_> = (1..8).map(|n| backoff(n, 1.0).as_secs()).collect();
    assert_eq!(longest, [1, 2, 4, 8, 16, 30, 30]);
    assert_eq!(backoff(1, 0.0), Duration::from_millis(500));
    assert_eq!(backoff(u32::MAX, 0.0), Duration::from_secs(15));
}
