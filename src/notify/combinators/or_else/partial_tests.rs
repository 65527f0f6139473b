//! Messages that cannot hold every alert: the next message contains the rest.

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

/// A notifier that accepts one alert per message, and leaves the others for the next message.
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

/// Delivers until no alert is left, in at most ten messages. Returns the number of messages.
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
    panic!("alerts are still left");
}

#[tokio::test]
async fn alerts_that_do_not_fit_into_the_first_notifiers_message_do_not_go_to_the_fallback() {
    let (by_first, by_fallback) = (Log::default(), Log::default());
    let mut notifier = one_by_one(&by_first).or_else(one_by_one(&by_fallback));
    let alerts = ["A", "B", "C"].map(|rule| test_alert(rule, AlertStatus::Firing));
    let notification = Notification::new(alerts);
    assert_eq!(deliver_all(&mut notifier, notification).await, 3);
    let titles = ["A", "B", "C"].map(|rule| format!("[FIRING] {rule} · orders"));
    assert_eq!(*by_first.lock().unwrap(), titles);
    assert!(by_fallback.lock().unwrap().is_empty());
}

#[tokio::test]
async fn alerts_that_do_not_fit_into_the_fallbacks_message_go_into_its_next_one() {
    let by_fallback = Log::default();
    let broken = service_fn(|_| ready(Err::<(), _>(DeliveryError::misconfigured("404"))));
    let mut notifier = broken.or_else(one_by_one(&by_fallback));
    for status in [AlertStatus::Firing, AlertStatus::Resolved] {
        let alerts = ["A", "B", "C"].map(|rule| test_alert(rule, status));
        let notification = Notification::new(alerts);
        assert_eq!(deliver_all(&mut notifier, notification).await, 3);
        let titles = ["A", "B", "C"].map(|rule| format!("[{status}] {rule} · orders"));
        assert_eq!(std::mem::take(&mut *by_fallback.lock().unwrap()), titles);
    }
}

#[tokio::test]
async fn a_resolve_that_the_fallback_misses_is_left_with_the_alerts_of_the_first_notifier() {
    let is_up = Arc::new(AtomicBool::new(true));
    let (by_first, (_, fallback)) = (Log::default(), switched(&is_up));
    let first_is_up = Arc::new(AtomicBool::new(false));
    let mut first = one_by_one(&by_first);
    let up = Arc::clone(&first_is_up);
    let first = service_fn(move |notification| {
        let down = Err(DeliveryError::temporary("down"));
        if up.load(Ordering::Relaxed) { first.call(notification) } else { ready(down) }
    });
    let mut notifier = first.or_else(fallback);
    let firing = Notification::new([test_alert("A", AlertStatus::Firing)]);
    notifier.ready().await.unwrap().call(firing).await.unwrap();
    first_is_up.store(true, Ordering::Relaxed);
    is_up.store(false, Ordering::Relaxed);
    let resolved = ["A", "B"].map(|rule| test_alert(rule, AlertStatus::Resolved));
    let notification = Notification::new(resolved);
    let delivered = notifier.ready().await.unwrap().call(notification).await.unwrap();
    assert_eq!(delivered.left().unwrap().title(), "[RESOLVED: 2] B, A");
    assert_eq!(delivered.failed_attempts(), 1);
}
