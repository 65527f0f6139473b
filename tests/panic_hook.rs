//! A panic in any thread, task or handler is reported once, with its message and location.

#![cfg(all(feature = "axum", feature = "prometheus"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]
#![allow(clippy::panic, reason = "the tests cause panics")]

mod support;

use std::{
    collections::BTreeSet,
    panic::catch_unwind,
    sync::{Arc, Barrier, Mutex, PoisonError},
    thread,
    time::Duration,
};

use axum::{Router, body::Body, http::Request, routing::get};
use tokio::sync::Mutex as Turn;
use tower::{Layer, ServiceExt};
use tower_http::catch_panic::CatchPanicLayer;
use tower_lookout::{Alert, Lookout, prometheus::Scrape};

use support::{eventually, start, sum};

/// The panic hook is process-wide, so the tests run one at a time.
static TURN: Turn<()> = Turn::const_new(());

type Delivered = Arc<Mutex<Vec<Alert>>>;

/// Starts a lookout that reports panics, and collects each alert that it delivers.
fn collecting_lookout() -> (Lookout, Scrape, Delivered) {
    let alerts = Delivered::default();
    let sink = Arc::clone(&alerts);
    let (lookout, scrape) = start(|builder| {
        builder.on_alert(move |alert| {
            sink.lock().unwrap_or_else(PoisonError::into_inner).push(alert.clone());
        })
    });
    lookout.reporter().report_panics();
    (lookout, scrape, alerts)
}

async fn wait_for_alerts(alerts: &Delivered, count: usize) -> Vec<Alert> {
    eventually(5, "the alerts", || {
        let alerts = alerts.lock().unwrap();
        (alerts.len() >= count).then(|| alerts.clone())
    })
    .await
}

/// Shuts the lookout down and returns each alert that it delivered.
async fn shut_down(lookout: Lookout, delivered: &Delivered) -> Vec<Alert> {
    lookout.shutdown().await;
    wait_for_alerts(delivered, 0).await
}

#[tokio::test]
async fn a_panic_in_a_thread_is_reported_with_its_message_location_and_thread() {
    let _turn = TURN.lock().await;
    let (lookout, _scrape, delivered) = collecting_lookout();
    lookout.reporter().report_panics();
    let line = line!() + 2;
    let named = thread::Builder::new().name("importer".to_owned());
    let ended = named.spawn(|| panic!("no stock of {}", "lamps")).unwrap().join();
    assert!(ended.is_err());
    wait_for_alerts(&delivered, 1).await;
    let alerts = shut_down(lookout, &delivered).await;
    assert_eq!(alerts.len(), 1, "a second call of report_panics has no effect");
    assert_eq!(alerts[0].title(), "[FIRING] Panic · test");
    assert_eq!(alerts[0].measured(), "no stock of lamps");
    assert_eq!(alerts[0].condition(), format!("reported at tests/panic_hook.rs:{line}"));
    assert_eq!(alerts[0].summary.as_deref(), Some("thread: importer"));
}

#[tokio::test]
async fn panics_of_a_detached_task_and_of_a_handler_are_reported() {
    let _turn = TURN.lock().await;
    let (lookout, _scrape, delivered) = collecting_lookout();
    drop(tokio::spawn(async { panic!("in a task") }));
    let handler = || async {
        panic!("in a handler");
        #[expect(unreachable_code, reason = "it sets the type of the response")]
        "never"
    };
    let app = Router::new().route("/orders", get(handler));
    let app = lookout.layer().layer(CatchPanicLayer::new().layer(app));
    let response = app.oneshot(Request::get("/orders").body(Body::empty()).unwrap()).await;
    assert_eq!(response.unwrap().status(), 500);
    wait_for_alerts(&delivered, 2).await;
    let alerts = shut_down(lookout, &delivered).await;
    let texts: BTreeSet<_> = alerts.iter().map(Alert::measured).collect();
    assert_eq!(texts, ["in a handler", "in a task"].map(str::to_owned).into());
}

#[tokio::test]
async fn a_supervised_task_reports_its_panic_once_and_a_panic_that_it_catches_separately() {
    let _turn = TURN.lock().await;
    let (lookout, _scrape, delivered) = collecting_lookout();
    let caught_at = line!() + 2;
    let task = async {
        catch_unwind(|| panic!("caught")).unwrap_err();
        tokio::task::yield_now().await;
        panic!("not caught");
    };
    let supervised = tokio::spawn(lookout.reporter().supervise("OrderEvents", async {
        task.await;
    }));
    assert!(supervised.await.unwrap_err().is_panic());
    wait_for_alerts(&delivered, 2).await;
    let alerts = shut_down(lookout, &delivered).await;
    let texts: BTreeSet<_> =
        alerts.iter().map(|alert| format!("{}: {}", alert.name, alert.measured())).collect();
    let location = format!("tests/panic_hook.rs:{}", caught_at + 2);
    let of_task = format!("OrderEvents: the task panicked at {location}: not caught");
    assert_eq!(texts, [of_task, "Panic: caught".to_owned()].into());
}

#[tokio::test]
async fn forty_thousand_panics_block_no_thread_and_are_all_counted() {
    let _turn = TURN.lock().await;
    let (lookout, scrape, delivered) = collecting_lookout();
    let at_once = Arc::new(Barrier::new(100));
    let threads: Vec<_> = (0..100)
        .map(|_| {
            let at_once = Arc::clone(&at_once);
            thread::spawn(move || {
                at_once.wait();
                (0..400).for_each(|_| drop(catch_unwind(|| panic!("again"))));
            })
        })
        .collect();
    for thread in threads {
        let done = || thread.is_finished().then_some(());
        eventually(60, "the end of all threads", done).await;
    }
    lookout.shutdown().await;
    let alerts = wait_for_alerts(&delivered, 1).await;
    let reports = alerts.iter().map(|alert| alert.failure().unwrap().count);
    assert_eq!(reports.sum::<u64>(), 40_000);
    assert_eq!(sum(&scrape.render(), "lookout_reports_total", &[("report", "Panic")]), 40_000.0);
    for alert in alerts {
        let failure = alert.failure().unwrap();
        let listed = failure.texts.listed.iter().map(|listed| listed.count);
        assert_eq!(listed.sum::<u64>() + failure.texts.others, failure.count);
    }
}

#[tokio::test]
async fn a_notifier_that_panics_on_each_delivery_causes_no_loop() {
    let _turn = TURN.lock().await;
    let (lookout, scrape) = start(|builder| {
        builder.on_alert(|_| panic!("the notifier always panics")).shutdown_timeout(Duration::ZERO)
    });
    lookout.reporter().report_panics();
    thread::spawn(|| panic!("the only one")).join().unwrap_err();
    eventually(5, "an attempt", || {
        (sum(&scrape.render(), "lookout_notifications_failed_total", &[]) >= 1.0).then_some(())
    })
    .await;
    lookout.shutdown().await;
    assert_eq!(sum(&scrape.render(), "lookout_reports_total", &[]), 1.0);
}
