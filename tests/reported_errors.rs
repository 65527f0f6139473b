//! Whatever a service has for an error can be reported, and the alert has a name that says something.

#![cfg(feature = "prometheus")]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use std::{
    error::Error,
    io,
    sync::{Arc, Mutex},
};

use anyhow::Context;
use tower_lookout::{Alert, Report};

use support::start;

/// The alerts of what is done with a reporter.
async fn alerts(act: impl AsyncFnOnce(&tower_lookout::Reporter)) -> Vec<Alert> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&told);
    let (lookout, _scrape) =
        start(|builder| builder.on_alert(move |alert| noted.lock().unwrap().push(alert.clone())));
    act(&lookout.reporter()).await;
    lookout.shutdown().await;
    std::mem::take(&mut told.lock().unwrap())
}

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionRefused, "no broker at kafka:9092")
}

fn lines(alerts: &[Alert]) -> Vec<String> {
    let line = |alert: &Alert| format!("{}: {}", alert.name, alert.measured());
    let mut lines: Vec<_> = alerts.iter().map(line).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn errors_of_anyhow_and_eyre_are_reported_with_their_causes() {
    let told = alerts(async |reporter| {
        let error: anyhow::Result<()> = Err(refused()).context("the order was not sent");
        reporter.report(&error.unwrap_err());
        let error = eyre::Report::new(refused()).wrap_err("the order was not stored");
        reporter.send(Report::of(&error).named("OrderNotStored"));
    })
    .await;
    assert_eq!(
        lines(&told),
        [
            "Error: the order was not sent: no broker at kafka:9092",
            "OrderNotStored: the order was not stored: no broker at kafka:9092",
        ]
    );
    for alert in told {
        assert!(alert.condition().starts_with("reported at tests/reported_errors.rs:"));
    }
}

#[tokio::test]
async fn boxed_and_borrowed_errors_of_any_type_are_reported() {
    let told = alerts(async |reporter| {
        let boxed: Box<dyn Error + Send + Sync> = "a text".into();
        reporter.report(&boxed);
        let local: Box<dyn Error> = Box::new(refused());
        reporter.report(&local);
        let borrowed: &dyn Error = &refused();
        reporter.report(borrowed);
        reporter.report(&refused());
        let shared: Arc<dyn Error + Send + Sync> = Arc::new(refused());
        reporter.report(&shared);
    })
    .await;
    assert_eq!(told.len(), 5, "each is of a place of its own");
    assert!(told.iter().all(|alert| &*alert.name == "Error"), "{:?}", lines(&told));
}

#[tokio::test]
async fn tasks_may_end_with_any_of_these_errors() {
    async fn anyhow_task() -> anyhow::Result<()> {
        anyhow::bail!("the outbox is gone")
    }
    async fn eyre_task() -> eyre::Result<()> {
        eyre::bail!("the inbox is gone")
    }
    async fn boxed_task() -> Result<(), Box<dyn Error + Send + Sync>> {
        Err("the queue is gone".into())
    }
    let told = alerts(async |reporter| {
        tokio::spawn(reporter.supervise("Outbox", anyhow_task())).await.unwrap();
        tokio::spawn(reporter.supervise("Inbox", eyre_task())).await.unwrap();
        tokio::spawn(reporter.supervise("Queue", boxed_task())).await.unwrap();
        let restarted = tokio::spawn(reporter.supervise_restarting("Feed", boxed_task));
        tokio::task::yield_now().await;
        restarted.abort();
    })
    .await;
    let lines = lines(&told);
    for line in
        ["Inbox: the inbox is gone", "Outbox: the outbox is gone", "Queue: the queue is gone"]
    {
        assert!(lines.iter().any(|found| found == line), "{lines:?}");
    }
}
