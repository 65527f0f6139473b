use std::{
    collections::VecDeque,
    ops::RangeInclusive,
    sync::{Mutex, atomic::Ordering},
};

use tokio::{task::JoinHandle, time::sleep};
use tower::service_fn;

use super::*;
use crate::alert::{AlertStatus, test_alert};

/// What a notifier does with a message.
enum Answer {
    Takes,
    Fails(DeliveryError),
    Hangs,
    Panics,
}

/// When the notifier was called, in seconds since the beginning.
type Calls = Arc<Mutex<Vec<f64>>>;

/// A worker whose notifier answers by the script, and takes all after that.
fn worker(script: impl IntoIterator<Item = Answer>) -> (Arc<NotifierQueue>, Calls, JoinHandle<()>) {
    let (start, calls) = (Instant::now(), Calls::default());
    let mut script: VecDeque<_> = script.into_iter().collect();
    let notifier = service_fn({
        let calls = Arc::clone(&calls);
        move |_: Notification| {
            calls.lock().unwrap().push(start.elapsed().as_secs_f64());
            let answer = script.pop_front().unwrap_or(Answer::Takes);
            async move {
                match answer {
                    Answer::Takes => Ok(()),
                    Answer::Fails(error) => Err(error),
                    Answer::Hangs => std::future::pending().await,
                    Answer::Panics => panic!("as the test asks"),
                }
            }
        }
    });
    let queue = Arc::new(NotifierQueue::new("test".to_owned(), None));
    let worker = tokio::spawn(Worker::new(Arc::clone(&queue), notifier).run());
    (queue, calls, worker)
}

fn many(answer: impl Fn() -> Answer, times: usize) -> impl Iterator<Item = Answer> {
    std::iter::repeat_with(answer).take(times)
}

/// Sent, failed, retried, dropped.
fn counts(queue: &NotifierQueue) -> [u64; 4] {
    let stats = &queue.stats;
    [&stats.sent, &stats.failed, &stats.retried, &stats.dropped]
        .map(|count| count.load(Ordering::Relaxed))
}

/// A fault, when it is tried again (each call by its wait after the one before, in seconds), and what
/// is counted.
struct Row {
    script: Vec<Answer>,
    waits: Vec<RangeInclusive<f64>>,
    counts: [u64; 4],
}

/// Of a wait a random half is taken off.
fn up_to(seconds: f64) -> RangeInclusive<f64> {
    seconds / 2.0..=seconds + 0.01
}

fn just(seconds: f64) -> RangeInclusive<f64> {
    seconds..=seconds + 0.01
}

#[tokio::test(start_paused = true)]
async fn every_fate_is_tried_again_when_it_should_be_and_counted() {
    let passing = || Answer::Fails(DeliveryError::temporary("503"));
    let limit = |seconds| {
        move || Answer::Fails(DeliveryError::retry_after(Duration::from_secs(seconds), "429"))
    };
    let rejected = || Answer::Fails(DeliveryError::rejected("400"));
    let broken = || Answer::Fails(DeliveryError::misconfigured("404"));
    let rows = [
        Row { script: vec![], waits: vec![], counts: [1, 0, 0, 0] },
        Row {
            script: many(passing, 7).collect(),
            waits: [1, 2, 4, 8, 16, 30, 30].map(|wait| up_to(f64::from(wait))).to_vec(),
            counts: [1, 7, 7, 0],
        },
        Row {
            script: many(limit(7), 3).collect(),
            waits: vec![just(7.0); 3],
            counts: [1, 3, 3, 0],
        },
        Row { script: vec![limit(0)()], waits: vec![just(1.0)], counts: [1, 1, 1, 0] },
        Row {
            script: vec![limit(u64::MAX)()],
            waits: vec![just(24.0 * 3_600.0)],
            counts: [1, 1, 1, 0],
        },
        // Nothing is new to tell, so it is tried slowly, and for ever.
        Row { script: many(broken, 5).collect(), waits: vec![just(30.0); 5], counts: [1, 5, 5, 0] },
        Row { script: vec![rejected()], waits: vec![], counts: [0, 1, 0, 1] },
        Row {
            script: vec![Answer::Hangs],
            waits: vec![10.0 + 0.5..=10.0 + 1.01],
            counts: [1, 1, 1, 0],
        },
        Row { script: vec![Answer::Panics], waits: vec![up_to(1.0)], counts: [1, 1, 1, 0] },
    ];
    for (place, Row { script, waits, counts: expected }) in rows.into_iter().enumerate() {
        let (queue, calls, worker) = worker(script);
        queue.put(test_alert("A", AlertStatus::Firing));
        // Virtual: longer than any row.
        sleep(Duration::from_secs(2 * 24 * 3_600)).await;
        let calls = calls.lock().unwrap().clone();
        let waited: Vec<_> = calls.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(waited.len(), waits.len(), "row {place}: {calls:?}");
        for (waited, wait) in waited.iter().zip(&waits) {
            assert!(wait.contains(waited), "row {place}: {waited} s is not in {wait:?}");
        }
        assert_eq!(counts(&queue), expected, "row {place}");
        queue.close();
        worker.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_hook_is_tried_as_soon_as_there_is_something_new() {
    let (queue, calls, _worker) = worker([Answer::Fails(DeliveryError::misconfigured("404"))]);
    queue.put(test_alert("A", AlertStatus::Firing));
    sleep(Duration::from_secs(5)).await;
    queue.put(test_alert("A", AlertStatus::Resolved));
    sleep(Duration::from_secs(5)).await;
    let calls = calls.lock().unwrap();
    assert!(calls.len() == 2 && just(5.0).contains(&calls[1]), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_change_does_not_wait_for_what_failed_to_be_told_again() {
    let start = Instant::now();
    let told = Arc::new(Mutex::new(Vec::new()));
    let notifier = service_fn({
        let told = Arc::clone(&told);
        move |notification: Notification| {
            told.lock().unwrap().push((start.elapsed().as_secs(), notification.title()));
            let is_repeat = notification.changes == [0];
            let again = Delivered::repeat_every(Duration::from_secs(60));
            std::future::ready(if is_repeat { Err("down") } else { Ok(again) })
        }
    });
    let queue = Arc::new(NotifierQueue::new("test".to_owned(), None));
    let _worker = tokio::spawn(Worker::new(Arc::clone(&queue), notifier).run());
    queue.put(test_alert("A", AlertStatus::Firing));
    // The pauses are 15 s at least by then.
    sleep(Duration::from_secs(300)).await;
    let attempts = told.lock().unwrap().len();
    sleep(Duration::from_secs(1)).await;
    queue.put(test_alert("B", AlertStatus::Firing));
    sleep(Duration::from_millis(1)).await;
    let told = told.lock().unwrap();
    let (second, title) = &told[attempts..].last().unwrap();
    assert_eq!((*second, &**title), (301, "[FIRING: 2] B, A"));
}

#[tokio::test(start_paused = true)]
async fn at_a_shutdown_a_passing_failure_is_tried_faster_and_a_limit_is_still_kept() {
    for (error, pause) in [
        (DeliveryError::temporary("503"), 0.25),
        (DeliveryError::misconfigured("404"), 0.25),
        (DeliveryError::retry_after(Duration::from_secs(7), "429"), 7.0),
    ] {
        let (queue, calls, worker) = worker([Answer::Fails(error)]);
        queue.close();
        queue.put(test_alert("A", AlertStatus::Firing));
        worker.await.unwrap();
        let calls = calls.lock().unwrap();
        assert!(calls.len() == 2 && just(pause).contains(&(calls[1] - calls[0])), "{calls:?}");
        assert_eq!(counts(&queue), [1, 1, 1, 0]);
    }
}

/// A hundred alerts at once, of which the receiver refuses some, with any message that has one; gives what
/// is counted, how many messages it got, and which alerts it took.
async fn refusing(
    is_refused: fn(&str) -> bool,
    error: fn() -> DeliveryError,
) -> ([u64; 4], u64, Vec<String>) {
    let received = Arc::new(Mutex::new((0, Vec::new())));
    let notifier = service_fn({
        let received = Arc::clone(&received);
        move |notification: Notification| {
            let (posts, taken) = &mut *received.lock().unwrap();
            *posts += 1;
            let refuses = notification.alerts.iter().any(|alert| is_refused(&alert.name));
            if !refuses {
                taken.extend(notification.alerts.iter().map(|alert| alert.name.to_string()));
            }
            std::future::ready(if refuses { Err(error()) } else { Ok(()) })
        }
    });
    let queue = Arc::new(NotifierQueue::new("test".to_owned(), None));
    for n in 0..100 {
        queue.put(test_alert(&format!("A{n}"), AlertStatus::Firing));
    }
    queue.close();
    Worker::new(Arc::clone(&queue), notifier).run().await;
    let (posts, taken) = received.lock().unwrap().clone();
    (counts(&queue), posts, taken)
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_takes_no_other_alert_with_it() {
    let refuses: [fn(&str) -> bool; 4] = [
        |name| name == "A0",
        |name| name == "A57",
        |name| name == "A99",
        |name| ["A3", "A50", "A51", "A98"].contains(&name),
    ];
    for is_refused in refuses {
        let refused = (0..100).filter(|n| is_refused(&format!("A{n}"))).count();
        let ([_, failed, retried, dropped], posts, taken) =
            refusing(is_refused, || DeliveryError::rejected("400")).await;
        assert_eq!((taken.len(), dropped), (100 - refused, refused as u64));
        assert!(!taken.iter().any(|name| is_refused(name)), "{taken:?}");
        assert!(failed <= 8 * refused as u64 && posts <= 16 * refused as u64, "{posts} posts");
        assert!(retried >= failed - dropped, "{retried} of {failed}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_all_is_refused_the_rest_is_dropped_with_the_third() {
    let (counts, posts, _) = refusing(|_| true, || DeliveryError::rejected("400")).await;
    assert_eq!((counts[0], counts[3]), (0, 100));
    // Three times down to one of a hundred, and once for the rest.
    assert!(posts <= 3 * 7 + 1, "{posts}");
}

#[tokio::test(start_paused = true)]
async fn undeliverable_alerts_are_dropped_without_bisection() {
    let (counts, posts, _) = refusing(|_| true, || DeliveryError::undeliverable("400")).await;
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
async fn what_a_message_has_no_room_for_goes_at_once_with_the_next_and_fails_nothing() {
    let start = Instant::now();
    let taken = Arc::new(Mutex::new(Vec::new()));
    let notifier = service_fn({
        let taken = Arc::clone(&taken);
        move |mut notification: Notification| {
            let (mut place, taken) = (0.., Arc::clone(&taken));
            notification.retain(|alert| {
                let is_left = place.next() >= Some(30);
                if !is_left {
                    taken.lock().unwrap().push(alert.name.to_string());
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
    assert_eq!(*taken.lock().unwrap(), names);
    assert_eq!((counts(&queue), start.elapsed()), ([4, 0, 0, 0], Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_leaves_everything_has_failed_and_waits_for_its_backoff() {
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
fn the_backoff_doubles_up_to_half_a_minute() {
    let longest: Vec<_> = (1..8).map(|n| backoff(n, 1.0).as_secs()).collect();
    assert_eq!(longest, [1, 2, 4, 8, 16, 30, 30]);
    assert_eq!(backoff(1, 0.0), Duration::from_millis(500));
    assert_eq!(backoff(u32::MAX, 0.0), Duration::from_secs(15));
}
