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

/// How often the other one was asked, and what came of it.
async fn deliver<F>(first: F, other_takes: bool) -> (u32, Result<Delivered, BoxError>)
where
    F: Service<Notification, Response = (), Error = DeliveryError, Future: Send + 'static>,
{
    let asked = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&asked);
    let other = service_fn(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        let taken = if other_takes { Ok(()) } else { Err(DeliveryError::temporary("down")) };
        std::future::ready(taken)
    });
    let delivered = first.or_else(other).oneshot(notification()).await;
    (asked.load(Ordering::Relaxed), delivered)
}

#[tokio::test]
async fn the_other_one_is_asked_only_where_the_first_one_fails() {
    let (asked, delivered) =
        deliver(service_fn(|_| async { Ok::<_, DeliveryError>(()) }), true).await;
    assert!(asked == 0 && delivered.is_ok());
    let broken = || service_fn(|_| async { Err(DeliveryError::misconfigured("revoked")) });
    let (asked, delivered) = deliver(broken(), true).await;
    assert!(asked == 1 && delivered.is_ok());
    let (asked, delivered) = deliver(broken(), false).await;
    assert_eq!(asked, 1);
    let remedy = DeliveryErrorKind::of(&delivered.unwrap_err());
    assert_eq!(remedy, DeliveryErrorKind::Temporary, "the other one may take it soon");
}

#[tokio::test]
async fn the_other_one_is_not_told_what_has_not_changed() {
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let taken = Arc::clone(&told);
    let broken = service_fn(|_| async { Err::<(), _>(DeliveryError::temporary("down")) });
    let mut notifier = broken.or_else(service_fn(move |notification: Notification| {
        taken.lock().unwrap().push(notification.title());
        std::future::ready(Ok::<_, DeliveryError>(()))
    }));
    let [a, b] = ["A", "B"].map(|rule| test_alert(rule, AlertStatus::Firing));
    // What is told again of `b` is its own: it took it.
    for (alerts, changes, is_delivered) in
        [(vec![a.clone(), b], vec![0, 1], true), (vec![a], vec![0], false)]
    {
        let notification = Notification::with_changes(alerts, changes);
        let delivered = notifier.ready().await.unwrap().call(notification).await;
        assert_eq!(is_complete(&delivered), is_delivered);
    }
    assert_eq!(*told.lock().unwrap(), ["[FIRING] B · orders"]);
}

#[tokio::test]
async fn what_neither_took_is_left() {
    let alerts = ["A", "B", "C"].map(|rule| test_alert(rule, AlertStatus::Firing));
    let notification = Notification::new(alerts);
    let takes = |taken: &'static str| {
        service_fn(move |mut left: Notification| async move {
            left.retain(|alert| &*alert.name != taken);
            let error = DeliveryError::rejected("the others");
            Ok::<_, DeliveryError>(Delivered::partial(left).with_error(error))
        })
    };
    let delivered = takes("A").or_else(takes("C")).oneshot(notification).await.unwrap();
    assert_eq!(delivered.error().unwrap().kind(), DeliveryErrorKind::Rejected);
    assert_eq!(delivered.left().unwrap().title(), "[FIRING] B · orders");
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_leaves_the_other_one_half_of_the_time() {
    let start = Instant::now();
    let hangs = service_fn(|_| std::future::pending::<Result<(), DeliveryError>>());
    let (asked, delivered) = deliver(hangs, true).await;
    assert!(asked == 1 && delivered.is_ok());
    assert_eq!(start.elapsed(), FIRST_TIMEOUT);
}

/// Whether every alert was delivered.
fn is_complete(delivered: &Result<Delivered, BoxError>) -> bool {
    delivered.as_ref().is_ok_and(|delivered| delivered.left().is_none())
}

/// What a notifier was told.
pub(super) type Log = Arc<std::sync::Mutex<Vec<String>>>;

/// A notifier that takes what comes while it is up, and tells what it took.
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
    let (told, is_up) = (Log::default(), Arc::clone(is_up));
    let log = Arc::clone(&told);
    let notifier = service_fn(move |notification: Notification| {
        if !is_up.load(Ordering::Relaxed) {
            return ready(Err(DeliveryError::temporary("down")));
        }
        log.lock().unwrap().push(notification.title());
        ready(Ok(()))
    });
    (told, notifier)
}

#[tokio::test]
async fn who_was_told_that_it_fires_is_told_the_resolve_whoever_takes_it_first() {
    let ups = [false, true].map(|is_up| Arc::new(AtomicBool::new(is_up)));
    let set = |up: [bool; 2]| {
        ups.iter().zip(up).for_each(|(is_up, up)| is_up.store(up, Ordering::Relaxed));
    };
    let (first_told, first) = switched(&ups[0]);
    let (other_told, other) = switched(&ups[1]);
    let mut notifier = first.or_else(other);
    // Who is up, what is to be told, whether it is delivered, and what either hears.
    let [firing, resolved] =
        [AlertStatus::Firing, AlertStatus::Resolved].map(|status| test_alert("A", status));
    let fires = || vec!["[FIRING] A · orders".to_owned()];
    let is_over = || vec!["[RESOLVED] A · orders".to_owned()];
    for (place, (up, alert, is_delivered, by_first, by_other)) in [
        ([true, true], &firing, true, fires(), vec![]),
        ([true, true], &resolved, true, is_over(), vec![]),
        ([false, true], &firing, true, vec![], fires()),
        ([true, true], &resolved, true, is_over(), is_over()),
        ([true, true], &resolved, true, is_over(), vec![]),
        ([false, true], &firing, true, vec![], fires()),
        ([true, false], &resolved, false, is_over(), vec![]),
        // What the first one took is not told it again.
        ([true, false], &resolved, false, vec![], vec![]),
        ([true, true], &resolved, true, vec![], is_over()),
        ([false, true], &firing, true, vec![], fires()),
        ([true, false], &resolved, false, is_over(), vec![]),
        // It fires anew before the other one could be told: there it never ceased.
        ([true, false], &firing, true, fires(), vec![]),
        ([true, true], &resolved, true, is_over(), is_over()),
        ([false, true], &firing, true, vec![], fires()),
        ([false, true], &resolved, true, vec![], is_over()),
        ([true, true], &resolved, true, is_over(), vec![]),
    ]
    .into_iter()
    .enumerate()
    {
        set(up);
        let notification = Notification::new([alert.clone()]);
        let delivered = notifier.ready().await.unwrap().call(notification).await;
        assert_eq!(is_complete(&delivered), is_delivered, "step {place}");
        let told =
            [&first_told, &other_told].map(|told| std::mem::take(&mut *told.lock().unwrap()));
        assert_eq!(told, [by_first, by_other], "step {place}");
    }
}

#[tokio::test]
async fn the_first_one_hears_the_end_of_what_it_was_told_though_the_other_one_took_it() {
    let ups = [true, true].map(|is_up| Arc::new(AtomicBool::new(is_up)));
    let set = |up: [bool; 2]| {
        ups.iter().zip(up).for_each(|(is_up, up)| is_up.store(up, Ordering::Relaxed));
    };
    let (first_told, first) = switched(&ups[0]);
    let (other_told, other) = switched(&ups[1]);
    let mut notifier = first.or_else(other);
    let [a, b] = ["A", "B"].map(|rule| test_alert(rule, AlertStatus::Firing));
    let over = test_alert("A", AlertStatus::Resolved);
    let titles = |told: &Log| std::mem::take(&mut *told.lock().unwrap());
    for (place, (up, alerts, left, by_first, by_other)) in [
        ([true, true], vec![&a], None, vec!["[FIRING] A · orders"], vec![]),
        (
            [false, true],
            vec![&over],
            Some("[RESOLVED] A · orders"),
            vec![],
            vec!["[RESOLVED] A · orders"],
        ),
        // The other one has heard it, and hears of what is new alone.
        ([false, true], vec![&over], Some("[RESOLVED] A · orders"), vec![], vec![]),
        (
            [false, true],
            vec![&over, &b],
            Some("[RESOLVED] A · orders"),
            vec![],
            vec!["[FIRING] B · orders"],
        ),
        ([true, true], vec![&over], None, vec!["[RESOLVED] A · orders"], vec![]),
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
        assert_eq!(delivered.error().map(DeliveryError::kind), kind, "step {place}");
        let found = delivered.left().map(Notification::title);
        assert_eq!(found.as_deref(), left, "step {place}");
        assert_eq!(titles(&first_told), by_first, "step {place}");
        assert_eq!(titles(&other_told), by_other, "step {place}");
    }
}

#[tokio::test]
async fn what_the_other_one_took_is_told_again_to_it_alone() {
    let ups = [false, true].map(|is_up| Arc::new(AtomicBool::new(is_up)));
    let (first_told, first) = switched(&ups[0]);
    let (other_told, other) = switched(&ups[1]);
    let mut notifier = first.or_else(other);
    let [firing, resolved] =
        [AlertStatus::Firing, AlertStatus::Resolved].map(|status| test_alert("A", status));
    for (alert, changes, is_up) in
        [(&firing, 1, false), (&firing, 0, true), (&resolved, 1, false), (&resolved, 0, true)]
    {
        ups[0].store(is_up, Ordering::Relaxed);
        let notification = Notification::with_changes(vec![alert.clone()], vec![changes]);
        notifier.ready().await.unwrap().call(notification).await.unwrap();
    }
    assert!(first_told.lock().unwrap().is_empty());
    assert_eq!(
        *other_told.lock().unwrap(),
        [
            "[FIRING] A · orders",
            "[STILL FIRING] A · orders",
            "[RESOLVED] A · orders",
            "[RESOLVED] A · orders"
        ]
    );
}

#[tokio::test]
async fn of_a_resolve_that_the_other_one_misses_only_that_is_left() {
    let ups = [false, true].map(|is_up| Arc::new(AtomicBool::new(is_up)));
    let mut notifier = switched(&ups[0]).1.or_else(switched(&ups[1]).1);
    let a = test_alert("A", AlertStatus::Firing);
    let told = Notification::new([a]);
    notifier.ready().await.unwrap().call(told).await.unwrap();
    ups[0].store(true, Ordering::Relaxed);
    ups[1].store(false, Ordering::Relaxed);
    let resolved = ["A", "B"].map(|rule| test_alert(rule, AlertStatus::Resolved));
    let notification = Notification::new(resolved);
    let delivered = notifier.ready().await.unwrap().call(notification).await.unwrap();
    assert!(delivered.error().is_some());
    assert_eq!(delivered.left().unwrap().title(), "[RESOLVED] A · orders");
}

#[tokio::test]
async fn what_the_other_one_may_still_take_is_not_given_up_on() {
    for (first, other, expected) in [
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
        let delivered = fails(first).or_else(fails(other)).oneshot(notification()).await;
        assert_eq!(DeliveryErrorKind::of(&delivered.unwrap_err()), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_too_slow_to_answer_may_have_been_told_and_hears_the_end() {
    let is_up = Arc::new(AtomicBool::new(false));
    let (_, first) = switched(&is_up);
    let told = Log::default();
    let log = Arc::clone(&told);
    let mut notifier = first.or_else(service_fn(move |notification: Notification| {
        log.lock().unwrap().push(notification.title());
        let is_slow = notification.alerts[0].status == AlertStatus::Firing;
        async move {
            tokio::time::sleep(Duration::from_secs(if is_slow { 60 } else { 0 })).await;
            Ok::<_, DeliveryError>(())
        }
    }));
    let mut tell = async |status| {
        let alerts = vec![test_alert("A", status)];
        let notification = Notification::new(alerts);
        let call = notifier.ready().await.unwrap().call(notification);
        timeout(Duration::from_secs(10), call).await.is_ok_and(|delivered| delivered.is_ok())
    };
    assert!(!tell(AlertStatus::Firing).await);
    is_up.store(true, Ordering::Relaxed);
    assert!(tell(AlertStatus::Firing).await && tell(AlertStatus::Resolved).await);
    assert_eq!(*told.lock().unwrap(), ["[FIRING] A · orders", "[RESOLVED] A · orders"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_the_first_one_is_known_though_the_other_one_delivers() {
    let is_up = Arc::new(AtomicBool::new(false));
    let mut notifier = switched(&is_up).1.or_else(switched(&Arc::new(AtomicBool::new(true))).1);
    for first_failed in [true, false] {
        is_up.store(!first_failed, Ordering::Relaxed);
        let delivered = notifier.ready().await.unwrap().call(notification()).await.unwrap();
        assert_eq!(delivered.failed_attempts(), usize::from(first_failed));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_a_rest_has_it_while_the_other_one_is_asked() {
    let asked = [(); 2].map(|()| Arc::new(AtomicU32::new(0)));
    let limited = |place: usize, seconds: u64| {
        let asked = Arc::clone(&asked[place]);
        service_fn(move |_: Notification| {
            asked.fetch_add(1, Ordering::Relaxed);
            ready(Err::<(), _>(DeliveryError::retry_after(Duration::from_secs(seconds), "429")))
        })
    };
    let mut notifier = limited(0, 60).or_else(limited(1, 20));
    let start = Instant::now();
    // The second at which it is asked, how long it is to be left alone after that, and how often
    // either has been asked by then.
    for (second, wait, counts) in
        [(0, 20, [1, 1]), (5, 15, [1, 1]), (20, 20, [1, 2]), (59, 1, [1, 3]), (60, 19, [2, 3])]
    {
        tokio::time::sleep_until(start + Duration::from_secs(second)).await;
        let error = notifier.ready().await.unwrap().call(notification()).await.unwrap_err();
        let expected = DeliveryErrorKind::RetryAfter(Duration::from_secs(wait));
        assert_eq!(DeliveryErrorKind::of(&error), expected, "after {second} s");
        assert_eq!([0, 1].map(|place| asked[place].load(Ordering::Relaxed)), counts);
    }
}

#[tokio::test(start_paused = true)]
async fn a_test_goes_to_all_of_them_and_each_says_what_became_of_it() {
    let takes = || service_fn(|_: Notification| ready(Ok::<_, DeliveryError>(())));
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
            BoxService::new(takes().or_else(fails())),
            true,
            vec!["chat: delivered in 0s".to_owned(), format!("chat (or else): {broken}")],
        ),
        (
            BoxService::new(fails().or_else(takes())),
            true,
            vec![format!("chat: {broken}"), "chat (or else): delivered in 0s".to_owned()],
        ),
        (
            BoxService::new(hangs().or_else(fails())),
            false,
            vec![format!("chat: {late}"), format!("chat (or else): {broken}")],
        ),
        (
            BoxService::new(takes().or_else(fails().or_else(takes()))),
            true,
            vec![
                "chat: delivered in 0s".to_owned(),
                format!("chat (or else): {broken}"),
                "chat (or else) (or else): delivered in 0s".to_owned(),
            ],
        ),
    ] {
        let (test, answered) = Test::new(test_alert("Test", AlertStatus::Firing));
        let delivered = notifier.ready().await.unwrap().call(test.notification()).await;
        assert_eq!(is_complete(&delivered), is_delivered, "{lines:?}");
        test.finish(delivered.map(|_| ()).map_err(|error| DeliveryError::copy_of(&*error)));
        let answers = answered.await.unwrap().into_iter();
        let told: Vec<_> = answers.map(|answer| answer.into_delivery("chat").to_string()).collect();
        assert_eq!(told, lines);
    }
}

#[tokio::test]
async fn both_hear_the_end_of_a_test() {
    let is_up = Arc::new(AtomicBool::new(true));
    let ((first_told, first), (other_told, other)) = (switched(&is_up), switched(&is_up));
    let mut notifier = first.or_else(other);
    let (test, _answered) = Test::new(test_alert("Test", AlertStatus::Firing));
    let resolved = Notification::new([test_alert("Test", AlertStatus::Resolved)]);
    for notification in [test.notification(), resolved] {
        notifier.ready().await.unwrap().call(notification).await.unwrap();
    }
    for told in [first_told, other_told] {
        assert_eq!(*told.lock().unwrap(), ["[FIRING] Test · orders", "[RESOLVED] Test · orders"]);
    }
}
