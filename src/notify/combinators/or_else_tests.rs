use std::{
    future::{Ready, ready},
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use tokio::time::{Instant, timeout};
use tower::{ServiceExt, service_fn, util::BoxService};

use super::*;
use crate::{
    alert::{AlertStatus, test_alert},
    notify::{DeliveryError, DeliveryErrorKind, NotifierExt, dispatch::test_queue::Test},
};

fn notification() -> Notification {
    Notification::new([test_alert("A", AlertStatus::Firing)])
}

/// The number of calls of the fallback, and the result.
async fn deliver<F>(first: F, fallback_accepts: bool) -> (u32, Result<Delivered, BoxError>)
where
    F: Service<Notification, Response = (), Error = DeliveryError, Future: Send + 'static>,
{
    let calls = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&calls);
    let fallback = service_fn(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        let result = if fallback_accepts { Ok(()) } else { Err(DeliveryError::temporary("down")) };
        std::future::ready(result)
    });
    let delivered = first.or_else(fallback).oneshot(notification()).await;
    (calls.load(Ordering::Relaxed), delivered)
}

#[tokio::test]
async fn the_fallback_is_called_only_if_the_first_notifier_fails() {
    let (calls, delivered) =
        deliver(service_fn(|_| async { Ok::<_, DeliveryError>(()) }), true).await;
    assert!(calls == 0 && delivered.is_ok());
    let broken = || service_fn(|_| async { Err(DeliveryError::misconfigured("revoked")) });
    let (calls, delivered) = deliver(broken(), true).await;
    assert!(calls == 1 && delivered.is_ok());
    let (calls, delivered) = deliver(broken(), false).await;
    assert_eq!(calls, 1);
    let kind = DeliveryErrorKind::of(&delivered.unwrap_err());
    assert_eq!(kind, DeliveryErrorKind::Temporary, "the fallback may accept it soon");
}

#[tokio::test]
async fn the_fallback_gets_no_repeats_of_alerts_that_it_has_not_accepted() {
    let delivered_titles = Arc::new(std::sync::Mutex::new(Vec::new()));
    let titles = Arc::clone(&delivered_titles);
    let broken = service_fn(|_| async { Err::<(), _>(DeliveryError::temporary("down")) });
    let mut notifier = broken.or_else(service_fn(move |notification: Notification| {
        titles.lock().unwrap().push(notification.title());
        std::future::ready(Ok::<_, DeliveryError>(()))
    }));
    let [a, b] = ["A", "B"].map(|rule| test_alert(rule, AlertStatus::Firing));
    // The first round is a repeat of `a` with a change of `b`, the second a repeat of `a` alone.
    for (alerts, changes, is_delivered) in
        [(vec![a.clone(), b], vec![0, 1], true), (vec![a], vec![0], false)]
    {
        let notification = Notification::with_changes(alerts, changes);
        let delivered = notifier.ready().await.unwrap().call(notification).await;
        assert_eq!(is_complete(&delivered), is_delivered);
    }
    assert_eq!(*delivered_titles.lock().unwrap(), ["[FIRING] B · orders"]);
}

#[tokio::test]
async fn alerts_that_neither_notifier_accepts_are_left() {
    let alerts = ["A", "B", "C"].map(|rule| test_alert(rule, AlertStatus::Firing));
    let notification = Notification::new(alerts);
    let accepts = |accepted: &'static str| {
        service_fn(move |mut left: Notification| async move {
            left.retain(|alert| &*alert.name != accepted);
            let error = DeliveryError::rejected("only one alert is accepted");
            Ok::<_, DeliveryError>(Delivered::partial(left).with_error(error))
        })
    };
    let delivered = accepts("A").or_else(accepts("C")).oneshot(notification).await.unwrap();
    assert_eq!(delivered.error().unwrap().kind(), DeliveryErrorKind::Rejected);
    assert_eq!(delivered.left().unwrap().title(), "[FIRING] B · orders");
}

#[tokio::test(start_paused = true)]
async fn a_first_notifier_that_hangs_leaves_the_fallback_half_of_the_time() {
    let start = Instant::now();
    let hangs = service_fn(|_| std::future::pending::<Result<(), DeliveryError>>());
    let (calls, delivered) = deliver(hangs, true).await;
    assert!(calls == 1 && delivered.is_ok());
    assert_eq!(start.elapsed(), FIRST_TIMEOUT);
}

/// Whether every alert was delivered.
fn is_complete(delivered: &Result<Delivered, BoxError>) -> bool {
    delivered.as_ref().is_ok_and(|delivered| delivered.left().is_none())
}

/// The titles of the notifications that a notifier accepted.
pub(super) type Log = Arc<std::sync::Mutex<Vec<String>>>;

/// A notifier that accepts notifications while it is up, and logs their titles.
pub(super) fn switched(
    is_up: &Arc<AtomicBool>,
) -> (
    Log,
    impl Service<
        Notification,
        Response = (),
        Error = DeliveryError,
        Future = Ready<Result<(), DeliveryError>>,
    > + Send
    + use<>,
) {
    let (accepted, is_up) = (Log::default(), Arc::clone(is_up));
    let log = Arc::clone(&accepted);
    let notifier = service_fn(move |notification: Notification| {
        if !is_up.load(Ordering::Relaxed) {
            return ready(Err(DeliveryError::temporary("down")));
        }
        log.lock().unwrap().push(notification.title());
        ready(Ok(()))
    });
    (accepted, notifier)
}

#[tokio::test]
async fn each_notifier_that_accepted_a_firing_alert_also_gets_the_resolve() {
    let ups = [false, true].map(|is_up| Arc::new(AtomicBool::new(is_up)));
    let set = |up: [bool; 2]| {
        ups.iter().zip(up).for_each(|(is_up, up)| is_up.store(up, Ordering::Relaxed));
    };
    let (first_log, first) = switched(&ups[0]);
    let (fallback_log, fallback) = switched(&ups[1]);
    let mut notifier = first.or_else(fallback);
    // Which notifiers are up, the alert, whether it is delivered, and the titles that each one
    // accepts.
    let [firing, resolved] =
        [AlertStatus::Firing, AlertStatus::Resolved].map(|status| test_alert("A", status));
    let firing_title = || vec!["[FIRING] A · orders".to_owned()];
    let resolved_title = || vec!["[RESOLVED] A · orders".to_owned()];
    for (index, (up, alert, is_delivered, by_first, by_fallback)) in [
        ([true, true], &firing, true, firing_title(), vec![]),
        ([true, true], &resolved, true, resolved_title(), vec![]),
        ([false, true], &firing, true, vec![], firing_title()),
        ([true, true], &resolved, true, resolved_title(), resolved_title()),
        ([true, true], &resolved, true, resolved_title(), vec![]),
        ([false, true], &firing, true, vec![], firing_title()),
        ([true, false], &resolved, false, resolved_title(), vec![]),
        // The first notifier does not get a resolve twice.
        ([true, false], &resolved, false, vec![], vec![]),
        ([true, true], &resolved, true, vec![], resolved_title()),
        ([false, true], &firing, true, vec![], firing_title()),
        ([true, false], &resolved, false, resolved_title(), vec![]),
        // The alert fires again before the fallback got the resolve, so there it is still firing.
        ([true, false], &firing, true, firing_title(), vec![]),
        ([true, true], &resolved, true, resolved_title(), resolved_title()),
        ([false, true], &firing, true, vec![], firing_title()),
        ([false, true], &resolved, true, vec![], resolved_title()),
        ([true, true], &resolved, true, resolved_title(), vec![]),
    ]
    .into_iter()
    .enumerate()
    {
        set(up);
        let notification = Notification::new([alert.clone()]);
        let delivered = notifier.ready().await.unwrap().call(notification).await;
        assert_eq!(is_complete(&delivered), is_delivered, "step {index}");
        let accepted =
            [&first_log, &fallback_log].map(|log| std::mem::take(&mut *log.lock().unwrap()));
        assert_eq!(accepted, [by_first, by_fallback], "step {index}");
    }
}

#[tokio::test]
async fn the_first_notifier_gets_the_resolve_of_its_alert_even_if_the_fallback_accepted_it() {
    let ups = [true, true].map(|is_up| Arc::new(AtomicBool::new(is_up)));
    let set = |up: [bool; 2]| {
        ups.iter().zip(up).for_each(|(is_up, up)| is_up.store(up, Ordering::Relaxed));
    };
    let (first_log, first) = switched(&ups[0]);
    let (fallback_log, fallback) = switched(&ups[1]);
    let mut notifier = first.or_else(fallback);
    let [a, b] = ["A", "B"].map(|rule| test_alert(rule, AlertStatus::Firing));
    let resolved = test_alert("A", AlertStatus::Resolved);
    let titles = |log: &Log| std::mem::take(&mut *log.lock().unwrap());
    for (index, (up, alerts, left, by_first, by_fallback)) in [
        ([true, true], vec![&a], None, vec!["[FIRING] A · orders"], vec![]),
        (
            [false, true],
            vec![&resolved],
            Some("[RESOLVED] A · orders"),
            vec![],
            vec!["[RESOLVED] A · orders"],
        ),
        // The fallback has the resolve already, and gets only new alerts.
        ([false, true], vec![&resolved], Some("[RESOLVED] A · orders"), vec![], vec![]),
        (
            [false, true],
            vec![&resolved, &b],
            Some("[RESOLVED] A · orders"),
            vec![],
            vec!["[FIRING] B · orders"],
        ),
        ([true, true], vec![&resolved], None, vec!["[RESOLVED] A · orders"], vec![]),
    ]
    .into_iter()
    .enumerate()
    {
        set(up);
        let changes = vec![1; alerts.len()];
        let notification =
            Notification::with_changes(alerts.into_iter().cloned().collect(), changes);
        let delivered = notifier.ready().await.unwrap().call(notification).await.unwrap();
        let kind = left.map(|_| DeliveryErrorKind::Misconfigured);
        assert_eq!(delivered.error().map(DeliveryError::kind), kind, "step {index}");
        let found = delivered.left().map(Notification::title);
        assert_eq!(found.as_deref(), left, "step {index}");
        assert_eq!(titles(&first_log), by_first, "step {index}");
        assert_eq!(titles(&fallback_log), by_fallback, "step {index}");
    }
}

#[tokio::test]
async fn an_alert_that_only_the_fallback_accepted_repeats_only_there() {
    let ups = [false, true].map(|is_up| Arc::new(AtomicBool::new(is_up)));
    let (first_log, first) = switched(&ups[0]);
    let (fallback_log, fallback) = switched(&ups[1]);
    let mut notifier = first.or_else(fallback);
    let [firing, resolved] =
        [AlertStatus::Firing, AlertStatus::Resolved].map(|status| test_alert("A", status));
    for (alert, changes, is_up) in
        [(&firing, 1, false), (&firing, 0, true), (&resolved, 1, false), (&resolved, 0, true)]
    {
        ups[0].store(is_up, Ordering::Relaxed);
        let notification = Notification::with_changes(vec![alert.clone()], vec![changes]);
        notifier.ready().await.unwrap().call(notification).await.unwrap();
    }
    assert!(first_log.lock().unwrap().is_empty());
    assert_eq!(
        *fallback_log.lock().unwrap(),
        [
            "[FIRING] A · orders",
            "[STILL FIRING] A · orders",
            "[RESOLVED] A · orders",
            "[RESOLVED] A · orders"
        ]
    );
}

#[tokio::test]
async fn a_resolve_that_the_fallback_misses_is_the_only_one_left() {
    let ups = [false, true].map(|is_up| Arc::new(AtomicBool::new(is_up)));
    let mut notifier = switched(&ups[0]).1.or_else(switched(&ups[1]).1);
    let a = test_alert("A", AlertStatus::Firing);
    notifier.ready().await.unwrap().call(Notification::new([a])).await.unwrap();
    ups[0].store(true, Ordering::Relaxed);
    ups[1].store(false, Ordering::Relaxed);
    let resolved = ["A", "B"].map(|rule| test_alert(rule, AlertStatus::Resolved));
    let notification = Notification::new(resolved);
    let delivered = notifier.ready().await.unwrap().call(notification).await.unwrap();
    assert!(delivered.error().is_some());
    assert_eq!(delivered.left().unwrap().title(), "[RESOLVED] A · orders");
}

#[tokio::test]
async fn if_both_fail_the_error_that_can_be_retried_decides() {
    for (first, fallback, expected) in [
        (DeliveryError::rejected("a"), DeliveryError::temporary("b"), DeliveryErrorKind::Temporary),
        (
            DeliveryError::rejected("a"),
            DeliveryError::misconfigured("b"),
            DeliveryErrorKind::Misconfigured,
        ),
        (
            DeliveryError::misconfigured("a"),
            DeliveryError::rejected("b"),
            DeliveryErrorKind::Misconfigured,
        ),
        (DeliveryError::rejected("a"), DeliveryError::rejected("b"), DeliveryErrorKind::Rejected),
    ] {
        let fails = |error| {
            let mut error = Some(error);
            service_fn(move |_| ready(Err::<(), _>(error.take().unwrap())))
        };
        let delivered = fails(first).or_else(fails(fallback)).oneshot(notification()).await;
        assert_eq!(DeliveryErrorKind::of(&delivered.unwrap_err()), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fallback_that_timed_out_may_have_accepted_the_alert_and_gets_the_resolve() {
    let is_up = Arc::new(AtomicBool::new(false));
    let (_, first) = switched(&is_up);
    let received = Log::default();
    let log = Arc::clone(&received);
    let mut notifier = first.or_else(service_fn(move |notification: Notification| {
        log.lock().unwrap().push(notification.title());
        let is_slow = notification.alerts[0].status == AlertStatus::Firing;
        async move {
            tokio::time::sleep(Duration::from_secs(if is_slow { 60 } else { 0 })).await;
            Ok::<_, DeliveryError>(())
        }
    }));
    let mut is_delivered = async |status| {
        let alerts = vec![test_alert("A", status)];
        let notification = Notification::new(alerts);
        let call = notifier.ready().await.unwrap().call(notification);
        timeout(Duration::from_secs(10), call).await.is_ok_and(|delivered| delivered.is_ok())
    };
    assert!(!is_delivered(AlertStatus::Firing).await);
    is_up.store(true, Ordering::Relaxed);
    assert!(is_delivered(AlertStatus::Firing).await);
    assert!(is_delivered(AlertStatus::Resolved).await);
    assert_eq!(*received.lock().unwrap(), ["[FIRING] A · orders", "[RESOLVED] A · orders"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_the_first_notifier_is_counted_even_if_the_fallback_delivers() {
    let is_up = Arc::new(AtomicBool::new(false));
    let mut notifier = switched(&is_up).1.or_else(switched(&Arc::new(AtomicBool::new(true))).1);
    for first_failed in [true, false] {
        is_up.store(!first_failed, Ordering::Relaxed);
        let delivered = notifier.ready().await.unwrap().call(notification()).await.unwrap();
        assert_eq!(delivered.failed_attempts(), usize::from(first_failed));
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honoured_for_each_notifier_separately() {
    let calls = [(); 2].map(|()| Arc::new(AtomicU32::new(0)));
    let limited = |index: usize, seconds: u64| {
        let calls = Arc::clone(&calls[index]);
        service_fn(move |_: Notification| {
            calls.fetch_add(1, Ordering::Relaxed);
            ready(Err::<(), _>(DeliveryError::retry_after(Duration::from_secs(seconds), "429")))
        })
    };
    let mut notifier = limited(0, 60).or_else(limited(1, 20));
    let start = Instant::now();
    // The second of the delivery, the wait that it returns, and the calls of each notifier so far.
    for (second, wait, counts) in
        [(0, 20, [1, 1]), (5, 15, [1, 1]), (20, 20, [1, 2]), (59, 1, [1, 3]), (60, 19, [2, 3])]
    {
        tokio::time::sleep_until(start + Duration::from_secs(second)).await;
        let error = notifier.ready().await.unwrap().call(notification()).await.unwrap_err();
        let expected = DeliveryErrorKind::RetryAfter(Duration::from_secs(wait));
        assert_eq!(DeliveryErrorKind::of(&error), expected, "after {second} s");
        assert_eq!([0, 1].map(|index| calls[index].load(Ordering::Relaxed)), counts);
    }
}

#[tokio::test(start_paused = true)]
async fn a_test_goes_to_each_notifier_and_returns_a_result_for_each() {
    let accepts = || service_fn(|_: Notification| ready(Ok::<_, DeliveryError>(())));
    let fails = || {
        service_fn(|_: Notification| {
            ready(Err::<(), _>(DeliveryError::misconfigured("404 Not Found")))
        })
    };
    let hangs = || service_fn(|_: Notification| std::future::pending::<Result<(), BoxError>>());
    let broken = "failed after 0s: the notifier is misconfigured: 404 Not Found";
    let late = "failed after 5s: not delivered: request timed out";
    for (mut notifier, is_delivered, lines) in [
        (
            BoxService::new(accepts().or_else(fails())),
            true,
            vec!["chat: delivered in 0s".to_owned(), format!("chat (or else): {broken}")],
        ),
        (
            BoxService::new(fails().or_else(accepts())),
            true,
            vec![format!("chat: {broken}"), "chat (or else): delivered in 0s".to_owned()],
        ),
        (
            BoxService::new(hangs().or_else(fails())),
            false,
            vec![format!("chat: {late}"), format!("chat (or else): {broken}")],
        ),
        (
            BoxService::new(accepts().or_else(fails().or_else(accepts()))),
            true,
            vec![
                "chat: delivered in 0s".to_owned(),
                format!("chat (or else): {broken}"),
                "chat (or else) (or else): delivered in 0s".to_owned(),
            ],
        ),
    ] {
        let (test, results) = Test::new(test_alert("Test", AlertStatus::Firing));
        let delivered = notifier.ready().await.unwrap().call(test.notification()).await;
        assert_eq!(is_complete(&delivered), is_delivered, "{lines:?}");
        test.finish(delivered.map(|_| ()).map_err(|error| DeliveryError::copy_of(&*error)));
        let results = results.await.unwrap().into_iter();
        let found: Vec<_> =
            results.map(|result| result.into_delivery("chat").to_string()).collect();
        assert_eq!(found, lines);
    }
}

#[tokio::test]
async fn both_notifiers_get_the_resolve_of_a_test() {
    let is_up = Arc::new(AtomicBool::new(true));
    let ((first_log, first), (fallback_log, fallback)) = (switched(&is_up), switched(&is_up));
    let mut notifier = first.or_else(fallback);
    let (test, _results) = Test::new(test_alert("Test", AlertStatus::Firing));
    let resolved = Notification::new([test_alert("Test", AlertStatus::Resolved)]);
    for notification in [test.notification(), resolved] {
        notifier.ready().await.unwrap().call(notification).await.unwrap();
    }
    for log in [first_log, fallback_log] {
        assert_eq!(*log.lock().unwrap(), ["[FIRING] Test · orders", "[RESOLVED] Test · orders"]);
    }
}
