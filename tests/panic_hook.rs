//! Panics of any thread, task or handler reach people once, with their message and their place.

#![cfg(all(feature = "axum", feature = "prometheus"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]
#![allow(clippy::panic, reason = "it is what is tested")]

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

/// The hook is one for the process, and each test adds its own.
static TURN: Turn<()> = Turn::const_new(());

type Told = Arc<Mutex<Vec<Alert>>>;

/// A lookout that reports panics, and what it has told.
fn listening() -> (Lookout, Scrape, Told) {
    let told = Told::default();
    let noted = Arc::clone(&told);
    let (lookout, scrape) = start(|builder| {
        builder.on_alert(move |alert| {
            noted.lock().unwrap_or_else(PoisonError::into_inner).push(alert.clone());
        })
    });
    lookout.reporter().report_panics();
    (lookout, scrape, told)
}

async fn told(told: &Told, count: usize) -> Vec<Alert> {
    eventually(5, "so many alerts", || {
        let told = told.lock().unwrap();
        (told.len() >= count).then(|| told.clone())
    })
    .await
}

/// All that is told until the end.
async fn all(lookout: Lookout, heard: &Told) -> Vec<Alert> {
    lookout.shutdown().await;
    told(heard, 0).await
}

#[tokio::test]
async fn a_panic_in_a_thread_is_told_with_its_message_its_place_and_its_thread() {
    let _turn = TURN.lock().await;
    let (lookout, _scrape, heard) = listening();
    lookout.reporter().report_panics();
    let line = line!() + 2;
    let named = thread::Builder::new().name("importer".to_owned());
    let ended = named.spawn(|| panic!("no stock of {}", "lamps")).unwrap().join();
    assert!(ended.is_err());
    told(&heard, 1).await;
    let told = all(lookout, &heard).await;
    assert_eq!(told.len(), 1, "though it was asked for twice");
    assert_eq!(told[0].title(), "[FIRING] Panic · test");
    assert_eq!(told[0].measured(), "no stock of lamps");
    assert_eq!(told[0].condition(), format!("reported at tests/panic_hook.rs:{line}"));
    assert_eq!(told[0].summary.as_deref(), Some("thread: importer"));
}

#[tokio::test]
async fn panics_of_a_task_that_nobody_joins_and_of_a_handler_are_told() {
    let _turn = TURN.lock().await;
    let (lookout, _scrape, heard) = listening();
    drop(tokio::spawn(async { panic!("in a task") }));
    let handler = || async {
        panic!("in a handler");
        #[expect(unreachable_code, reason = "it says what the handler gives")]
        "never"
    };
    let app = Router::new().route("/orders", get(handler));
    let app = lookout.layer().layer(CatchPanicLayer::new().layer(app));
    let response = app.oneshot(Request::get("/orders").body(Body::empty()).unwrap()).await;
    assert_eq!(response.unwrap().status(), 500);
    told(&heard, 2).await;
    let told = all(lookout, &heard).await;
    let texts: BTreeSet<_> = told.iter().map(Alert::measured).collect();
    assert_eq!(texts, ["in a handler", "in a task"].map(str::to_owned).into());
}

#[tokio::test]
async fn a_supervised_tasks_panic_is_told_once_with_its_place_and_one_that_it_catches_as_any() {
    let _turn = TURN.lock().await;
    let (lookout, _scrape, heard) = listening();
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
    told(&heard, 2).await;
    let told = all(lookout, &heard).await;
    let texts: BTreeSet<_> =
        told.iter().map(|alert| format!("{}: {}", alert.name, alert.measured())).collect();
    let place = format!("tests/panic_hook.rs:{}", caught_at + 2);
    let of_task = format!("OrderEvents: the task panicked at {place}: not caught");
    assert_eq!(texts, [of_task, "Panic: caught".to_owned()].into());
}

#[tokio::test]
async fn threads_that_panic_forty_thousand_times_wait_for_nobody_and_are_all_counted() {
    let _turn = TURN.lock().await;
    let (lookout, scrape, heard) = listening();
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
        eventually(60, "an end of all threads", done).await;
    }
    lookout.shutdown().await;
    let told = told(&heard, 1).await;
    let reports = told.iter().map(|alert| alert.failure().unwrap().count);
    assert_eq!(reports.sum::<u64>(), 40_000);
    assert_eq!(sum(&scrape.render(), "lookout_reports_total", &[("report", "Panic")]), 40_000.0);
    for alert in told {
        let failure = alert.failure().unwrap();
        let listed = failure.texts.listed.iter().map(|listed| listed.count);
        assert_eq!(listed.sum::<u64>() + failure.texts.others, failure.count);
    }
}

#[tokio::test]
async fn a_notifier_that_panics_with_each_delivery_makes_no_loop() {
    let _turn = TURN.lock().await;
    let (lookout, scrape) = start(|builder| {
        builder.on_alert(|_| panic!("as the notifier always does")).shutdown_timeout(Duration::ZERO)
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
