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

/// What each attempt told: the second, the title, and how many changes the alerts stand for.
type Told = Arc<Mutex<Vec<(u64, String, u32)>>>;

/// A queue whose worker answers by the script, and asks to be told again each minute, and of what
/// is resolved for three, after that.
fn queue(script: impl IntoIterator<Item = BoxError>) -> (Arc<NotifierQueue>, Told, JoinHandle<()>) {
    let (start, told) = (Instant::now(), Told::default());
    let mut script: VecDeque<_> = script.into_iter().collect();
    let notifier = service_fn({
        let told = Arc::clone(&told);
        move |notification: Notification| {
            let changes = notification.changes.iter().sum();
            told.lock().unwrap().push((start.elapsed().as_secs(), notification.title(), changes));
            let minute = Duration::from_secs(60);
            let again = Delivered::repeat_every(minute).repeat_resolved_for(3 * minute);
            std::future::ready(script.pop_front().map_or(Ok(again), Err))
        }
    });
    let queue = Arc::new(NotifierQueue::new("test".to_owned(), None));
    let worker = tokio::spawn(Worker::new(Arc::clone(&queue), notifier).run());
    (queue, told, worker)
}

fn taken(told: &Told) -> Vec<(u64, String, u32)> {
    std::mem::take(&mut *told.lock().unwrap())
}

fn at(second: u64, title: &str, changes: u32) -> (u64, String, u32) {
    (second, format!("{title} · orders"), changes)
}

async fn seconds(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn an_alert_is_told_again_while_it_fires_and_for_a_while_when_it_is_resolved() {
    let (queue, told, _worker) = queue([]);
    queue.put(test_alert("A", FIRING));
    seconds(130).await;
    assert_eq!(
        taken(&told),
        [at(0, "[FIRING] A", 1), at(60, "[STILL FIRING] A", 0), at(120, "[STILL FIRING] A", 0)]
    );
    queue.put(test_alert("A", RESOLVED));
    seconds(3_600).await;
    assert_eq!(
        taken(&told),
        [
            at(130, "[RESOLVED] A", 1),
            at(190, "[RESOLVED] A", 0),
            at(250, "[RESOLVED] A", 0),
            at(310, "[RESOLVED] A", 0)
        ]
    );
    queue.put(test_alert("A", FIRING));
    seconds(70).await;
    assert_eq!(taken(&told).len(), 2, "it fires again, and is told again");
}

#[tokio::test(start_paused = true)]
async fn each_alert_is_told_again_in_its_time_and_together_with_what_changes() {
    let (queue, told, _worker) = queue([]);
    queue.put(test_alert("A", FIRING));
    seconds(20).await;
    queue.put(test_alert("B", FIRING));
    seconds(65).await;
    assert_eq!(
        taken(&told),
        [
            at(0, "[FIRING] A", 1),
            at(20, "[FIRING] B", 1),
            at(60, "[STILL FIRING] A", 0),
            at(80, "[STILL FIRING] B", 0)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_with_backoff_and_counts_as_no_change() {
    let down = || BoxError::from("down");
    let (queue, told, _worker) = queue([down(), down()]);
    queue.put(test_alert("A", FIRING));
    seconds(50).await;
    let attempts = taken(&told);
    assert_eq!(attempts.len(), 3);
    let delivered = attempts[2].0;
    assert!(attempts.iter().all(|(_, _, changes)| *changes == 1), "{attempts:?}");
    seconds(20).await;
    assert_eq!(taken(&told), [at(delivered + 60, "[STILL FIRING] A", 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_that_fails_stays_due_and_gives_way_to_a_change() {
    let (queue, _told, _worker) = queue([]);
    queue.put(test_alert("A", FIRING));
    seconds(1).await;
    assert!(queue.take(10).is_none(), "nothing is due yet");
    // The worker has not run since it is due.
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
async fn what_is_rejected_is_told_again_in_its_turn_once_it_was_delivered() {
    let (queue, told, _worker) = queue([]);
    queue.put(test_alert("A", FIRING));
    seconds(1).await;
    queue.put(test_alert("A", RESOLVED));
    queue.take(10).unwrap();
    queue.rejected("the test says so");
    assert_eq!(queue.stats.dropped.load(Ordering::Relaxed), 1);
    taken(&told);
    seconds(61).await;
    assert_eq!(taken(&told), [at(61, "[RESOLVED] A", 0)]);

    let (queue, told, _worker) = self::queue([DeliveryError::rejected("never taken").into()]);
    queue.put(test_alert("B", FIRING));
    seconds(600).await;
    assert_eq!(taken(&told).len(), 1, "it asked for nothing");
}

#[tokio::test(start_paused = true)]
async fn what_another_took_instead_is_told_again_all_the_same() {
    let (queue, told, _worker) = queue([]);
    queue.put(test_alert("A", FIRING));
    seconds(1).await;
    queue.put(test_alert("A", FIRING));
    queue.take(10).unwrap();
    queue.delivered(().into());
    taken(&told);
    seconds(61).await;
    assert_eq!(taken(&told), [at(61, "[STILL FIRING] A", 0)]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_again_at_the_shutdown_or_unasked() {
    let (queue, told, worker) = queue([]);
    queue.put(test_alert("A", FIRING));
    seconds(59).await;
    queue.close();
    worker.await.unwrap();
    seconds(600).await;
    assert_eq!(taken(&told).len(), 1);

    let told = Told::default();
    let notifier = service_fn({
        let told = Arc::clone(&told);
        move |notification: Notification| {
            told.lock().unwrap().push((0, notification.title(), 0));
            std::future::ready(Ok::<_, BoxError>(()))
        }
    });
    let queue = Arc::new(NotifierQueue::new("test".to_owned(), None));
    let _worker = tokio::spawn(Worker::new(Arc::clone(&queue), notifier).run());
    queue.put(test_alert("A", FIRING));
    seconds(3_600).await;
    assert_eq!(taken(&told).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn more_alerts_than_a_message_holds_are_all_told_again() {
    let (queue, told, _worker) = queue([]);
    for n in 0..250 {
        queue.put(test_alert(&format!("R{n}"), FIRING));
    }
    seconds(90).await;
    let titles: Vec<_> = taken(&told)
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
async fn a_notifier_that_is_to_repeat_tells_people_again_until_it_is_over() {
    let (start, told) = (Instant::now(), Told::default());
    let notifier = service_fn({
        let told = Arc::clone(&told);
        move |notification: Notification| {
            let changes = notification.changes.iter().sum();
            told.lock().unwrap().push((start.elapsed().as_secs(), notification.title(), changes));
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
        taken(&told),
        [
            at(0, "[FIRING] A", 1),
            at(four_hours, "[STILL FIRING] A", 0),
            at(2 * four_hours, "[STILL FIRING] A", 0),
            at(2 * four_hours + 1, "[RESOLVED] A", 1),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn of_a_message_that_arrives_in_part_each_alert_is_told_again_in_its_own_turn() {
    let (start, told) = (Instant::now(), Told::default());
    let mut is_b_refused = true;
    let notifier = service_fn({
        let told = Arc::clone(&told);
        move |mut notification: Notification| {
            let changes = notification.changes.iter().sum();
            told.lock().unwrap().push((start.elapsed().as_secs(), notification.title(), changes));
            notification.retain(|alert| &*alert.name == "B");
            let left = notification;
            std::future::ready(match std::mem::take(&mut is_b_refused) {
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
        taken(&told),
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
async fn a_repeat_that_fails_in_part_leaves_the_others_alone() {
    let (queue, _told, _worker) = queue([]);
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
async fn what_is_to_be_told_again_at_the_end_of_time_stops_nothing() {
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
