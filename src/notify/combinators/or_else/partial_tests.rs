//! Messages that have no room for every alert: the rest goes with the next one.

use std::{
    future::{Ready, ready},
    sync::atomic::{AtomicBool, Ordering},
};

use tower::{ServiceExt, service_fn};

use super::{
    tests::{Log, switched},
    *,
};
use crate::{
    alert::{AlertStatus, test_alert},
    notify::NotifierExt,
};

/// Accepts one alert a message, and leaves the others for the next.
fn one_by_one(
    log: &Log,
) -> impl Service<
    Notification,
    Response = Delivered,
    Error = DeliveryError,
    Future = Ready<Result<Delivered, DeliveryError>>,
> + Send
+ use<> {
    let log = Arc::clone(log);
    service_fn(move |mut notification: Notification| {
        let first = notification.alerts[0].clone();
        log.lock().unwrap().push(first.title());
        notification.retain(|alert| alert.identity() != first.identity());
        ready(Ok(Delivered::partial(notification)))
    })
}

/// Delivers until nothing is left, at most ten messages.
async fn deliver_all(
    notifier: &mut (impl Service<Notification, Response = Delivered, Error = BoxError> + Send),
    mut notification: Notification,
) -> u32 {
    for messages in 1..=10 {
        let delivered = notifier.ready().await.unwrap().call(notification).await.unwrap();
        match delivered.left() {
            Some(left) => notification = left.clone(),
            None => return messages,
        }
    }
    panic!("something is always left");
}

#[tokio::test]
async fn what_the_first_one_has_no_room_for_is_not_for_the_other_one() {
    let (by_first, by_other) = (Log::default(), Log::default());
    let mut notifier = one_by_one(&by_first).or_else(one_by_one(&by_other));
    let alerts = ["A", "B", "C"].map(|rule| test_alert(rule, AlertStatus::Firing));
    let notification = Notification::new(alerts);
    assert_eq!(deliver_all(&mut notifier, notification).await, 3);
    let titles = ["A", "B", "C"].map(|rule| format!("[FIRING] {rule} · orders"));
    assert_eq!(*by_first.lock().unwrap(), titles);
    assert!(by_other.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_the_other_one_has_no_room_for_goes_with_the_next_message_and_fails_nothing() {
    let by_other = Log::default();
    let broken = service_fn(|_| ready(Err::<(), _>(DeliveryError::misconfigured("404"))));
    let mut notifier = broken.or_else(one_by_one(&by_other));
    for status in [AlertStatus::Firing, AlertStatus::Resolved] {
        let alerts = ["A", "B", "C"].map(|rule| test_alert(rule, status));
        let notification = Notification::new(alerts);
        assert_eq!(deliver_all(&mut notifier, notification).await, 3);
        let titles = ["A", "B", "C"].map(|rule| format!("[{status}] {rule} · orders"));
        assert_eq!(std::mem::take(&mut *by_other.lock().unwrap()), titles);
    }
}

#[tokio::test]
async fn a_resolve_that_the_other_one_misses_stays_with_what_the_first_one_left() {
    let is_up = Arc::new(AtomicBool::new(true));
    let (by_first, (_, other)) = (Log::default(), switched(&is_up));
    let first_is_up = Arc::new(AtomicBool::new(false));
    let mut first = one_by_one(&by_first);
    let up = Arc::clone(&first_is_up);
    let first = service_fn(move |notification| {
        let down = Err(DeliveryError::temporary("down"));
        if up.load(Ordering::Relaxed) { first.call(notification) } else { ready(down) }
    });
    let mut notifier = first.or_else(other);
    let told = Notification::new([test_alert("A", AlertStatus::Firing)]);
    notifier.ready().await.unwrap().call(told).await.unwrap();
    first_is_up.store(true, Ordering::Relaxed);
    is_up.store(false, Ordering::Relaxed);
    let resolved = ["A", "B"].map(|rule| test_alert(rule, AlertStatus::Resolved));
    let notification = Notification::new(resolved);
    let delivered = notifier.ready().await.unwrap().call(notification).await.unwrap();
    assert_eq!(delivered.left().unwrap().title(), "[RESOLVED: 2] B, A");
    assert_eq!(delivered.failed_attempts(), 1);
}
