//! Errors of any type can be reported, and each alert has a meaningful name.

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

/// Runs `act` with a reporter and returns the alerts that result.
async fn alerts(act: impl AsyncFnOnce(&tower_lookout::Reporter)) -> Vec<Alert> {
    let delivered = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&delivered);
    let (lookout, _scrape) =
        start(|builder| builder.on_alert(move |alert| sink.lock().unwrap().push(alert.clone())));
    act(&lookout.reporter()).await;
    lookout.shutdown().await;
    std::mem::take(&mut delivered.lock().unwrap())
}

fn connection_refused() -> io::Error {
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
    let delivered = alerts(async |reporter| {
        let error: anyhow::Result<()> = Err(connection_refused()).context("the order was not sent");
        reporter.report(&error.unwrap_err());
        let error = eyre::Report::new(connection_refused()).wrap_err("the order was not stored");
        reporter.send(Report::of(&error).named("OrderNotStored"));
    })
    .await;
    assert_eq!(
        lines(&delivered),
        [
            "Error: the order was not sent: no broker at kafka:9092",
            "OrderNotStored: the order was not stored: no broker at kafka:9092",
        ]
    );
    for alert in delivered {
        assert!(alert.condition().starts_with("reported at tests/reported_errors.rs:"));
    }
}

#[tokio::test]
async fn boxed_borrowed_and_shared_errors_are_reported() {
    let delivered = alerts(async |reporter| {
        let boxed: Box<dyn Error + Send + Sync> = "a text".into();
        reporter.report(&boxed);
        let local: Box<dyn Error> = Box::new(connection_refused());
        reporter.report(&local);
        let borrowed: &dyn Error = &connection_refused();
        reporter.report(borrowed);
        reporter.report(&connection_refused());
        let shared: Arc<dyn Error + Send + Sync> = Arc::new(connection_refused());
        reporter.report(&shared);
    })
    .await;
    assert_eq!(delivered.len(), 5, "each has its own call site");
    assert!(delivered.iter().all(|alert| &*alert.name == "Error"), "{:?}", lines(&delivered));
}

#[tokio::test]
async fn supervised_tasks_may_fail_with_anyhow_eyre_or_boxed_errors() {
    async fn anyhow_task() -> anyhow::Result<()> {
        anyhow::bail!("the outbox is gone")
    }
    async fn eyre_task() -> eyre::Result<()> {
        eyre::bail!("the inbox is gone")
    }
    async fn boxed_task() -> Result<(), Box<dyn Error + Send + Sync>> {
        Err("the queue is gone".into())
    }
    let delivered = alerts(async |reporter| {
        tokio::spawn(reporter.supervise("Outbox", anyhow_task())).await.unwrap();
        tokio::spawn(reporter.supervise("Inbox", eyre_task())).await.unwrap();
        tokio::spawn(reporter.supervise("Queue", boxed_task())).await.unwrap();
        let restarted = tokio::spawn(reporter.supervise_restarting("Feed", boxed_task));
        tokio::task::yield_now().await;
        restarted.abort();
    })
    .await;
    let lines = lines(&delivered);
    for line in
        ["Inbox: the inbox is gone", "Outbox: the outbox is gone", "Queue: the queue is gone"]
    {
        assert!(lines.iter().any(|found| found == line), "{lines:?}");
    }
}
