use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use tower::{BoxError, service_fn};

use crate::{
    alert::{AlertStatus, test_alert},
    notify::{Delivered, DeliveryError, Notification, NotifierExt, NotifierQueue, Worker},
};

const FIRING: AlertStatus = AlertStatus::Firing;
const RESOLVED: AlertStatus = AlertStatus::Resolved;

/// The second, the title and the number of changes of each attempt.
type Attempts = Arc<Mutex<Vec<(u64, String, u32)>>>;

/// A queue with a worker. Its notifier returns the errors of the script, then accepts all messages
/// and asks for repeats: every minute while an alert fires, and for three minutes after its
/// resolve.
fn queue(
    script: impl IntoIterator<Item = BoxError>,
) -> (Arc<NotifierQueue>, Attempts, JoinHandle<()>) {
    let (start, attempts) = (Instant::now(), Attempts::default());
    let mut script: VecDeque<_> = script.into_iter().collect();
    let notifier = service_fn({
        let attempts = Arc::clone(&attempts);
        move |notification: Notification| {
            let changes = notification.changes.iter().sum();
            attempts.lock().unwrap().push((
                start.elapsed().as_secs(),
                notification.title(),
                changes,
            ));
            let minute = Duration::from_secs(60);
            let accepted = Delivered::repeat_every(minute).repeat_resolved_for(3 * minute);
            std::future::ready(script.pop_front().map_or(Ok(accepted), Err))
        }
    });
    let queue = Arc::new(NotifierQueue::new("test".to_owned(), None));
    let worker = tokio::spawn(Worker::new(Arc::clone(&queue), notifier).run());
    (queue, attempts, worker)
}

fn drain(attempts: &Attempts) -> Vec<(u64, String, u32)> {
    std::mem::take(&mut *attempts.lock().unwrap())
}

fn at(second: u64, title: &str, changes: u32) -> (u64, String, u32) {
    (second, format!("{title} · orders"), changes)
}

async fn seconds(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn an_alert_repeats_while_it_fires_and_for_a_while_after_its_resolve() {
    let (queue, attempts, _worker) = queue([]);
    queue.put(test_alert("A", FIRING));
    seconds(130).await;
    assert_eq!(
        drain(&attempts),
        [at(0, "[FIRING] A", 1), at(60, "[STILL FIRING] A", 0), at(120, "[STILL FIRING] A", 0)]
    );
    queue.put(test_alert("A", RESOLVED));
    seconds(3_600).await;
    assert_eq!(
        drain(&attempts),
        [
            at(130, "[RESOLVED] A", 1),
            at(190, "[RESOLVED] A", 0),
            at(250, "[RESOLVED] A", 0),
            at(310, "[RESOLVED] A", 0)
        ]
    );
    queue.put(test_alert("A", FIRING));
    seconds(70).await;
    assert_eq!(drain(&attempts).len(), 2, "the alert fires and repeats again");
}

#[tokio::test(start_paused = true)]
async fn each_alert_repeats_at_its_own_interval() {
    let (queue, attempts, _worker) = queue([]);
    queue.put(test_alert("A", FIRING));
    seconds(20).await;
    queue.put(test_alert("B", FIRING));
    seconds(65).await;
    assert_eq!(
        drain(&attempts),
        [
            at(0, "[FIRING] A", 1),
            at(20, "[FIRING] B", 1),
            at(60, "[STILL FIRING] A", 0),
            at(80, "[STILL FIRING] B", 0)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_delivery_is_retried_with_backoff_and_adds_no_changes() {
    let down = || BoxError::from("down");
    let (queue, attempts, _worker) = queue([down(), down()]);
    queue.put(test_alert("A", FIRING));
    seconds(50).await;
    let first = drain(&attempts);
    assert_eq!(first.len(), 3);
    let delivered = first[2].0;
    assert!(first.iter().all(|(_, _, changes)| *changes == 1), "{first:?}");
    seconds(20).await;
    assert_eq!(drain(&attempts), [at(delivered + 60, "[STILL FIRING] A", 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_repeat_stays_due_until_a_change_replaces_it() {
    let (queue, _attempts, _worker) = queue([]);
    queue.put(test_alert("A", FIRING));
    seconds(1).await;
    assert!(queue.take(10).is_none(), "nothing is due yet");
    // The worker does not run before the next await, so the repeat is still in the queue.
    tokio::time::advance(Duration::from_secs(60)).await;
    let repeat = queue.take(10).unwrap();
    assert_eq!(repeat.changes, [0]);
    queue.put_back();
    assert_eq!(queue.take(10).unwrap().changes, [0], "it is still due");
    queue.put(test_alert("A", RESOLVED));
    queue.put_back();
    let taken = queue.take(10).unwrap();
    assert_eq!((taken.title(), taken.changes), ("[RESOLVED] A · orders".to_owned(), vec![1]));
}

#[tokio::test(start_paused = true)]
async fn a_rejected_change_is_repeated_only_if_the_alert_was_delivered_before() {
    let (queue, attempts, _worker) = queue([]);
    queue.put(test_alert("A", FIRING));
    seconds(1).await;
    queue.put(test_alert("A", RESOLVED));
    queue.take(10).unwrap();
    queue.rejected("rejected by the test");
    assert_eq!(queue.stats.dropped.load(Ordering::Relaxed), 1);
    drain(&attempts);
    seconds(61).await;
    assert_eq!(drain(&attempts), [at(61, "[RESOLVED] A", 0)]);

    let (queue, attempts, _worker) = self::queue([DeliveryError::rejected("rejected").into()]);
    queue.put(test_alert("B", FIRING));
    seconds(600).await;
    assert_eq!(drain(&attempts).len(), 1, "no repeats without a delivery");
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_a_fallback_accepted_still_repeats() {
    let (queue, attempts, _worker) = queue([]);
    queue.put(test_alert("A", FIRING));
    seconds(1).await;
    queue.put(test_alert("A", FIRING));
    queue.take(10).unwrap();
    queue.delivered(().into());
    drain(&attempts);
    seconds(61).await;
    assert_eq!(drain(&attempts), [at(61, "[STILL FIRING] A", 0)]);
}

#[tokio::test(start_paused = true)]
async fn no_alert_repeats_after_the_shutdown_or_without_a_request() {
    let (queue, attempts, worker) = queue([]);
    queue.put(test_alert("A", FIRING));
    seconds(59).await;
    queue.close();
    worker.await.unwrap();
    seconds(600).await;
    assert_eq!(drain(&attempts).len(), 1);

    let attempts = Attempts::default();
    let notifier = service_fn({
        let attempts = Arc::clone(&attempts);
        move |notification: Notification| {
            attempts.lock().unwrap().push((0, notification.title(), 0));
            std::future::ready(Ok::<_, BoxError>(()))
        }
    });
    let queue = Arc::new(NotifierQueue::new("test".to_owned(), None));
    let _worker = tokio::spawn(Worker::new(Arc::clone(&queue), notifier).run());
    queue.put(test_alert("A", FIRING));
    seconds(3_600).await;
    assert_eq!(drain(&attempts).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn more_alerts_than_fit_into_one_message_all_repeat() {
    let (queue, attempts, _worker) = queue([]);
    for n in 0..250 {
        queue.put(test_alert(&format!("R{n}"), FIRING));
    }
    seconds(90).await;
    let titles: Vec<_> = drain(&attempts)
        .into_iter()
        .map(|(second, title, _)| (second, title.split(']').next().unwrap().to_owned()))
        .collect();
    let sizes = [100, 100, 50];
    let expected: Vec<_> = [(0, "FIRING"), (60, "STILL FIRING")]
        .into_iter()
        .flat_map(|(second, state)| sizes.map(|size| (second, format!("[{state}: {size}"))))
        .collect();
    assert_eq!(titles, expected);
}

#[tokio::test(start_paused = true)]
async fn repeat_every_repeats_an_alert_until_it_resolves() {
    let (start, attempts) = (Instant::now(), Attempts::default());
    let notifier = service_fn({
        let attempts = Arc::clone(&attempts);
        move |notification: Notification| {
            let changes = notification.changes.iter().sum();
            attempts.lock().unwrap().push((
                start.elapsed().as_secs(),
                notification.title(),
                changes,
            ));
            std::future::ready(Ok::<_, BoxError>(()))
        }
    });
    let four_hours = 4 * 3_600;
    let queue = Arc::new(NotifierQueue::new("test".to_owned(), None));
    let notifier = notifier.repeat_every(Duration::from_secs(four_hours));
    let _worker = tokio::spawn(Worker::new(Arc::clone(&queue), notifier).run());
    queue.put(test_alert("A", FIRING));
    seconds(2 * four_hours + 1).await;
    queue.put(test_alert("A", RESOLVED));
    seconds(10 * four_hours).await;
    assert_eq!(
        drain(&attempts),
        [
            at(0, "[FIRING] A", 1),
            at(four_hours, "[STILL FIRING] A", 0),
            at(2 * four_hours, "[STILL FIRING] A", 0),
            at(2 * four_hours + 1, "[RESOLVED] A", 1),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_partial_delivery_each_alert_repeats_at_its_own_interval() {
    let (start, attempts) = (Instant::now(), Attempts::default());
    let mut is_b_rejected = true;
    let notifier = service_fn({
        let attempts = Arc::clone(&attempts);
        move |mut notification: Notification| {
            let changes = notification.changes.iter().sum();
            attempts.lock().unwrap().push((
                start.elapsed().as_secs(),
                notification.title(),
                changes,
            ));
            notification.retain(|alert| &*alert.name == "B");
            let left = notification;
            std::future::ready(match std::mem::take(&mut is_b_rejected) {
                true => {
                    let wait = Duration::from_secs(20);
                    let error = DeliveryError::retry_after(wait, "429 for B");
                    Ok::<_, DeliveryError>(Delivered::partial(left).with_error(error))
                }
                false => Ok(Delivered::default()),
            })
        }
    });
    let queue = Arc::new(NotifierQueue::new("test".to_owned(), None));
    queue.put(test_alert("A", FIRING));
    queue.put(test_alert("B", FIRING));
    let notifier = notifier.repeat_every(Duration::from_secs(60));
    let _worker = tokio::spawn(Worker::new(Arc::clone(&queue), notifier).run());
    seconds(130).await;
    assert_eq!(
        drain(&attempts),
        [
            (0, "[FIRING: 2] A, B".to_owned(), 2),
            at(20, "[FIRING] B", 1),
            at(60, "[STILL FIRING] A", 0),
            at(80, "[STILL FIRING] B", 0),
            at(120, "[STILL FIRING] A", 0),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_partly_failed_repeat_is_retried_for_the_failed_alert_only() {
    let (queue, _attempts, _worker) = queue([]);
    queue.put(test_alert("A", FIRING));
    queue.put(test_alert("B", FIRING));
    seconds(1).await;
    tokio::time::advance(Duration::from_secs(60)).await;
    let mut left = queue.take(10).unwrap();
    assert_eq!(left.changes, [0, 0]);
    left.retain(|alert| &*alert.name == "B");
    queue.delivered(Delivered::partial(left));
    queue.put_back();
    assert_eq!(queue.take(10).unwrap().title(), "[STILL FIRING] B · orders");
}

#[tokio::test(start_paused = true)]
async fn an_unlimited_repeat_interval_does_not_panic() {
    let delivered: [fn() -> Delivered; 2] = [
        || Delivered::repeat_every(Duration::MAX).repeat_resolved_for(Duration::MAX),
        || Delivered::default().or_repeat_every(Duration::MAX),
    ];
    for delivered in delivered {
        let queue = NotifierQueue::new("test".to_owned(), None);
        for status in [FIRING, RESOLVED] {
            queue.put(test_alert("A", status));
            queue.take(10).unwrap();
            queue.delivered(delivered());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_muted_alert_is_not_repeated_for_people_and_stays_repeated_for_a_receiver_that_expires_it()
 {
    let (expiring, attempts, _worker) = queue([]);
    let titles = Arc::new(Mutex::new(Vec::new()));
    let notifier = service_fn({
        let titles = Arc::clone(&titles);
        move |notification: Notification| {
            titles.lock().unwrap().push(notification.title());
            std::future::ready(Ok::<_, BoxError>(()))
        }
    });
    let people = Arc::new(NotifierQueue::new("people".to_owned(), None));
    let minute = Duration::from_secs(60);
    let _people =
        tokio::spawn(Worker::new(Arc::clone(&people), notifier.repeat_every(minute)).run());
    let alert = test_alert("A", FIRING);
    for queue in [&expiring, &people] {
        queue.put(alert.clone());
        queue.mute_repeats(Arc::new([alert.fingerprint()].into()));
    }
    seconds(150).await;
    assert_eq!(*titles.lock().unwrap(), ["[FIRING] A · orders"]);
    assert_eq!(drain(&attempts).len(), 3);
    people.mute_repeats(Arc::default());
    seconds(1).await;
    assert_eq!(*titles.lock().unwrap(), ["[FIRING] A · orders", "[STILL FIRING] A · orders"]);
    people.mute_repeats(Arc::new([alert.fingerprint()].into()));
    people.put(test_alert("A", RESOLVED));
    seconds(1).await;
    assert_eq!(titles.lock().unwrap()[2], "[RESOLVED] A · orders");
}
