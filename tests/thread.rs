//! The lookout's own thread works while the application's runtime is blocked, delivers alerts
//! during the shutdown, and ends after the last handle is dropped.

#![cfg(feature = "prometheus")]
mod support;

use std::{
    convert::Infallible,
    future::pending,
    sync::{Arc, Weak, mpsc},
    time::Duration,
};

use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use tokio::runtime;
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_lookout::{Lookout, Rule, notify::Notification};

use support::{start, sum};

/// Starts a request that never ends, on the current runtime.
fn hang(lookout: &Lookout) {
    let service = lookout.layer().layer(service_fn(|_: Request<()>| async {
        pending::<Result<Response<Empty<&[u8]>>, Infallible>>().await
    }));
    tokio::spawn(service.oneshot(Request::new(())));
}

#[test]
fn an_alert_fires_while_every_worker_of_the_runtime_is_blocked() {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let (alerts, raised) = mpsc::channel();
    let (lookout, _scrape) = start(|builder| {
        builder
            .rule(Rule::oldest_in_flight().above(Duration::from_secs(1)))
            .on_alert(move |alert| alerts.send(alert.title()).unwrap())
    });
    runtime.block_on(async {
        hang(&lookout);
        tokio::task::yield_now().await;
    });
    let (release, blocked) = mpsc::channel::<()>();
    let blocked = Arc::new(std::sync::Mutex::new(blocked));
    let (entered, is_blocked) = mpsc::channel();
    for _ in 0..2 {
        let (blocked, entered) = (Arc::clone(&blocked), entered.clone());
        runtime.spawn(async move {
            entered.send(()).unwrap();
            // One task waits for the release and the other for the lock. Both block their worker.
            let _ = blocked.lock().unwrap().recv();
        });
    }
    for _ in 0..2 {
        is_blocked.recv_timeout(Duration::from_secs(5)).unwrap();
    }
    let title = raised.recv_timeout(Duration::from_secs(5)).unwrap();
    assert_eq!(title, "[FIRING] StuckRequests · test");
    drop(release);
}

#[tokio::test]
async fn queued_alerts_are_delivered_during_the_shutdown() {
    let (sent, received) = mpsc::channel();
    let slow = service_fn(move |notification: Notification| {
        let sent = sent.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(700)).await;
            sent.send(notification.title()).unwrap();
            Ok::<_, BoxError>(())
        }
    });
    let (lookout, scrape) =
        start(|builder| builder.rule(Rule::in_flight().above(0)).notify_as("slow", slow));
    hang(&lookout);
    let is_firing = |text: String| sum(&text, "lookout_alert_state", &[]) == 2.0;
    support::eventually(3, "firing", || is_firing(scrape.render()).then_some(())).await;
    assert!(received.try_recv().is_err(), "the notifier is slow");
    lookout.shutdown().await;
    assert_eq!(received.try_recv().unwrap(), "[FIRING] HighInFlight · test");
    lookout.shutdown().await;
}

#[tokio::test]
async fn a_shutdown_keeps_its_timeout_and_counts_the_dropped_alerts() {
    let stuck = service_fn(|_: Notification| pending::<Result<(), BoxError>>());
    let (lookout, scrape) = start(|builder| {
        builder
            .rule(Rule::in_flight().above(0))
            .notify_as("stuck", stuck)
            .shutdown_timeout(Duration::from_millis(200))
    });
    hang(&lookout);
    let is_firing = |text: String| sum(&text, "lookout_alert_state", &[]) == 2.0;
    support::eventually(3, "firing", || is_firing(scrape.render()).then_some(())).await;
    tokio::time::timeout(Duration::from_secs(3), lookout.shutdown()).await.unwrap();
    let dropped =
        sum(&scrape.render(), "lookout_notifications_dropped_total", &[("notifier", "stuck")]);
    assert_eq!(dropped, 1.0);
}

#[tokio::test]
async fn the_thread_ends_after_the_last_handle_is_dropped() {
    let held = Arc::new(());
    let weak: Weak<()> = Arc::downgrade(&held);
    let (lookout, scrape) = start(|builder| {
        builder.on_alert(move |_| {
            let _ = &held;
        })
    });
    let other = lookout.clone();
    drop(lookout);
    let ticks = |text: String| sum(&text, "http_server_throughput_requests_per_second_count", &[]);
    support::eventually(3, "a tick", || (ticks(scrape.render()) > 0.0).then_some(())).await;
    assert!(weak.upgrade().is_some(), "one handle is left");
    drop(other);
    support::eventually(5, "the end", || weak.upgrade().is_none().then_some(())).await;
}

#[tokio::test]
async fn a_delivery_that_panics_is_retried() {
    let (sent, received) = mpsc::channel();
    let mut is_first = true;
    let flaky = service_fn(move |notification: Notification| {
        assert!(!std::mem::take(&mut is_first), "a notifier panics, intended by the test");
        sent.send(notification.title()).unwrap();
        std::future::ready(Ok::<_, BoxError>(()))
    });
    let (lookout, _scrape) =
        start(|builder| builder.rule(Rule::in_flight().above(0)).notify_as("flaky", flaky));
    hang(&lookout);
    support::eventually(6, "the second attempt", || received.try_recv().ok()).await;
}

/// A recorder that panics in each of its methods.
struct BrokenRecorder;

impl Recorder for BrokenRecorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        panic!("a recorder panics, intended by the test");
    }

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        panic!("a recorder panics, intended by the test");
    }

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        panic!("a recorder panics, intended by the test");
    }

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        panic!("a recorder panics, intended by the test");
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        panic!("a recorder panics, intended by the test");
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        panic!("a recorder panics, intended by the test");
    }
}

#[tokio::test]
async fn an_alert_is_delivered_with_a_recorder_that_panics() {
    let (sent, received) = mpsc::channel();
    let lookout = Lookout::builder()
        .recorder(BrokenRecorder)
        .rule(Rule::in_flight().above(0))
        .on_alert(move |alert| sent.send(alert.name.to_string()).unwrap())
        .start()
        .unwrap();
    hang(&lookout);
    let rule = support::eventually(4, "the alert", || received.try_recv().ok()).await;
    assert_eq!(rule, "HighInFlight");
}

#[tokio::test]
async fn a_failure_closure_that_panics_falls_back_to_the_default_classification() {
    let (lookout, scrape) = start(|builder| {
        builder
            .failure(|_, status| panic!("panic for {status:?}, intended by the test"))
            .rule(Rule::error_ratio().above(0.5).min_requests(1))
    });
    let service = lookout.layer().layer(service_fn(|request: Request<StatusCode>| async move {
        let response = Response::builder().status(request.into_body());
        Ok::<_, Infallible>(response.body(Empty::<&[u8]>::new()).unwrap())
    }));
    for status in [StatusCode::NOT_FOUND, StatusCode::INTERNAL_SERVER_ERROR] {
        for _ in 0..2 {
            drop(service.clone().oneshot(Request::new(status)).await.unwrap());
        }
    }
    drop(service.oneshot(Request::new(StatusCode::BAD_GATEWAY)).await.unwrap());
    let count = |labels: &[_]| sum(&scrape.render(), "http_server_requests_total", labels);
    assert_eq!(count(&[("outcome", "failure")]), 3.0);
    assert_eq!(count(&[("outcome", "success")]), 2.0);
    let firing = [("rule", "HighErrorRatio"), ("severity", "warning")];
    support::eventually(4, "the alert", || {
        (sum(&scrape.render(), "lookout_alert_state", &firing) == 2.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_closure_that_panics_for_one_alert_receives_the_other_alerts_once() {
    let (sent, received) = mpsc::channel();
    let (lookout, scrape) = start(|builder| {
        ["A", "B", "C"]
            .map(|name| Rule::in_flight().above(0).named(name))
            .into_iter()
            .fold(builder, tower_lookout::LookoutBuilder::rule)
            .on_alert(move |alert| {
                assert_ne!(&*alert.name, "B", "a closure panics, intended by the test");
                sent.send(alert.name.to_string()).unwrap();
            })
    });
    hang(&lookout);
    let dropped = || sum(&scrape.render(), "lookout_notifications_dropped_total", &[]);
    support::eventually(4, "the drop", || (dropped() == 1.0).then_some(())).await;
    lookout.shutdown().await;
    assert_eq!(received.try_iter().collect::<Vec<_>>(), ["A", "C"]);
}
