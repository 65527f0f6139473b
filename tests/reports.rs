//! Reports from application code are delivered at once with their causes. A loop of errors leads to
//! one alert with a count.

#![cfg(all(feature = "axum", feature = "prometheus"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use std::{
    error::Error,
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use axum::{
    Extension, Router,
    body::Body,
    http::{Request, StatusCode, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_lookout::{Alert, Lookout, Report, Severity, alert::AlertStatus, prometheus::Scrape};

use support::{check_with_promtool, eventually, start, sum};

/// The broker did not accept an event.
#[derive(Debug)]
struct NotSent(io::Error);

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the event order-created was not sent")
    }
}

impl Error for NotSent {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

fn not_sent() -> NotSent {
    NotSent(io::Error::new(io::ErrorKind::ConnectionRefused, "no broker at kafka:9092"))
}

type Delivered = Arc<Mutex<Vec<Alert>>>;

/// Starts a lookout and collects each alert that it delivers.
fn collecting_lookout() -> (Lookout, Scrape, Delivered) {
    let alerts = Delivered::default();
    let sink = Arc::clone(&alerts);
    let (lookout, scrape) = start(|builder| {
        builder.service("orders").on_alert(move |alert| {
            let mut alerts = sink.lock().unwrap_or_else(PoisonError::into_inner);
            alerts.push(alert.clone());
        })
    });
    (lookout, scrape, alerts)
}

async fn wait_for_alerts(alerts: &Delivered, count: usize) -> Vec<Alert> {
    eventually(5, "the alerts", || {
        let alerts = alerts.lock().unwrap();
        (alerts.len() >= count).then(|| alerts.clone())
    })
    .await
}

#[tokio::test]
async fn a_report_is_delivered_at_once_with_its_causes_and_fields() {
    let (lookout, scrape, delivered) = collecting_lookout();
    let reporter = lookout.reporter();
    let line = line!() + 1;
    let report = Report::of(&not_sent())
        .named("OrderEventLost")
        .field("order", 4711)
        .severity(Severity::Warning);
    reporter.send(report);
    let alert = wait_for_alerts(&delivered, 1).await.remove(0);
    assert_eq!(alert.status, AlertStatus::Firing);
    assert_eq!(alert.title(), "[FIRING] OrderEventLost · orders");
    assert_eq!(alert.measured(), "the event order-created was not sent: no broker at kafka:9092");
    assert_eq!(alert.condition(), format!("reported at tests/reports.rs:{line}"));
    assert_eq!(alert.summary.as_deref(), Some("order: 4711"));
    assert_eq!(alert.severity, Severity::Warning);
    assert!(alert.failure().unwrap().error_type.ends_with("NotSent"));

    let text = scrape.render();
    let labels = [("report", "OrderEventLost"), ("severity", "warning")];
    assert_eq!(sum(&text, "lookout_reports_total", &labels), 1.0);
    check_with_promtool(&text);
}

#[tokio::test]
async fn a_report_carries_the_context_of_its_request() {
    let (lookout, _scrape, delivered) = collecting_lookout();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let (head, ()) = http::Request::post("/orders")
        .header("x-request-id", "abc")
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .body(())
        .unwrap()
        .into_parts();
    lookout.reporter().send(Report::new("NoStock", "nothing is left").request(&head));
    let alert = wait_for_alerts(&delivered, 1).await.remove(0);
    let summary = alert.summary.unwrap();
    assert_eq!(summary, format!("request: POST\nrequest_id: abc\ntrace_id: {trace}"));
}

#[tokio::test]
async fn a_report_from_a_handler_names_the_matched_route_and_omits_an_invalid_trace_id() {
    let (lookout, _scrape, delivered) = collecting_lookout();
    let reporter = lookout.reporter();
    let handler = move |head: Parts| async move {
        reporter.send(Report::new("NoStock", "nothing is left").request(&head));
    };
    let app = Router::new().route("/orders/{id}", post(handler));
    let request = Request::post("/orders/4711")
        .header("x-request-id", "abc")
        .header("traceparent", "00-abc-def-01")
        .body(Body::empty())
        .unwrap();
    app.oneshot(request).await.unwrap();
    let alert = wait_for_alerts(&delivered, 1).await.remove(0);
    assert_eq!(alert.summary.unwrap(), "request: POST /orders/{id}\nrequest_id: abc");
}

#[tokio::test]
async fn ten_thousand_equal_reports_are_merged_and_counted_exactly() {
    let (lookout, scrape, delivered) = collecting_lookout();
    let reporter = lookout.reporter();
    thread::scope(|scope| {
        for _ in 0..4 {
            let reporter = reporter.clone();
            scope.spawn(move || (0..2_500).for_each(|_| reporter.report(&not_sent())));
        }
    });
    wait_for_alerts(&delivered, 1).await;
    lookout.shutdown().await;
    let alerts = wait_for_alerts(&delivered, 1).await;
    let counted: u64 = alerts.iter().map(|alert| alert.failure().unwrap().count).sum();
    assert_eq!(counted, 10_000, "the shutdown delivers the merged rest");
    assert!(alerts.len() <= 2, "{} messages", alerts.len());
    assert_eq!(sum(&scrape.render(), "lookout_reports_total", &[]), 10_000.0);
}

#[tokio::test]
async fn two_error_types_at_one_call_site_stay_two_alerts_while_both_are_queued() {
    fn lost<E: Error + 'static>(error: &E) -> Report {
        Report::of(error).named("OrderLost")
    }
    let (sender, received) = std::sync::mpsc::channel();
    let (wait, waiting) = std::sync::mpsc::channel::<()>();
    let waiting = std::sync::Mutex::new(waiting);
    let (lookout, _scrape) = start(|builder| {
        builder.on_alert(move |alert| {
            sender.send(alert.clone()).unwrap();
            let _ = waiting.lock().unwrap().recv();
        })
    });
    let reporter = lookout.reporter();
    reporter.send(Report::new("First", "keeps the receiver busy"));
    let next = || received.recv_timeout(Duration::from_secs(5)).unwrap();
    assert_eq!(&*next().name, "First");
    reporter.send(lost(&not_sent()));
    reporter.send(lost(&io::Error::other("the disk is full")));
    drop(wait);
    let mut types = [next(), next()].map(|alert| alert.failure().unwrap().error_type.clone());
    types.sort_unstable();
    assert!(types[0].ends_with("NotSent") && types[1].ends_with("io::error::Error"), "{types:?}");
}

#[tokio::test]
async fn four_hundred_kinds_of_reports_are_all_delivered() {
    let (lookout, _scrape, delivered) = collecting_lookout();
    let reporter = lookout.reporter();
    for kind in 0..400 {
        reporter.send(Report::new(format!("Kind{kind}"), "failed"));
    }
    wait_for_alerts(&delivered, 10).await;
    lookout.shutdown().await;
    let alerts = wait_for_alerts(&delivered, 400).await;
    assert_eq!(alerts.len(), 400);
}

#[tokio::test]
async fn a_supervised_task_reports_its_error_its_panic_or_its_end() {
    let (lookout, _scrape, delivered) = collecting_lookout();
    let reporter = lookout.reporter();
    tokio::spawn(reporter.supervise("Failing", async { Err::<(), _>(not_sent()) }));
    tokio::spawn(reporter.supervise("Ending", async {}));
    let panicking = async { panic!("intended by the test") };
    let joined = tokio::spawn(reporter.supervise("Panicking", panicking)).await;
    assert!(joined.unwrap_err().is_panic(), "the panic propagates");
    let mut alerts = wait_for_alerts(&delivered, 3).await;
    alerts.sort_by(|a, b| a.name.cmp(&b.name));
    let measured: Vec<_> =
        alerts.iter().map(|alert| format!("{}: {}", alert.name, alert.measured())).collect();
    assert_eq!(
        measured,
        [
            "Ending: the task ended unexpectedly",
            "Failing: the event order-created was not sent: no broker at kafka:9092",
            "Panicking: the task panicked: intended by the test",
        ]
    );
    for alert in alerts {
        assert!(alert.condition().starts_with("reported at tests/reports.rs:"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_supervised_task_restarts_with_exponential_backoff() {
    let (lookout, scrape) = start(|builder| builder);
    let (starts, mut started) = tokio::sync::mpsc::unbounded_channel();
    let task = move || {
        starts.send(tokio::time::Instant::now()).unwrap();
        async { panic!("intended by the test") }
    };
    tokio::spawn(lookout.reporter().supervise_restarting("Events", task));
    let mut started_at = Vec::new();
    while started_at.len() < 9 {
        started_at.push(started.recv().await.unwrap());
    }
    let pauses: Vec<_> = started_at.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(sum(&scrape.render(), "lookout_reports_total", &[("report", "Events")]), 9.0);
}

impl IntoResponse for NotSent {
    fn into_response(self) -> Response {
        let report = Extension(Report::of(&self).named("OrderNotTaken"));
        (StatusCode::INTERNAL_SERVER_ERROR, report, "try again later").into_response()
    }
}

#[tokio::test]
async fn the_layer_reports_an_error_response_with_its_request() {
    let (lookout, scrape, delivered) = collecting_lookout();
    let app = Router::new()
        .route("/orders/{id}", get(|| async { Err::<(), _>(not_sent()) }))
        .route("/healthy", get(|| async {}))
        .layer(lookout.layer().observer(lookout.reporter()));
    for path in ["/healthy", "/orders/7"] {
        let request = Request::get(path).header("x-request-id", "abc").body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    let alert = wait_for_alerts(&delivered, 1).await.remove(0);
    assert_eq!(alert.title(), "[FIRING] OrderNotTaken · GET /orders/{id}");
    assert_eq!(alert.summary.as_deref(), Some("request: GET /orders/{id}\nrequest_id: abc"));
    assert_eq!(sum(&scrape.render(), "lookout_reports_total", &[]), 1.0);
}

/// An application-wide error type: each failure has the same name, type and call site.
#[derive(Debug)]
struct AppError(&'static str);

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for AppError {}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, Extension(Report::of(&self))).into_response()
    }
}

/// Requests these paths from a service whose routes fail for different reasons.
async fn request_all(lookout: &Lookout, paths: &[&str]) {
    async fn report_failed() -> Response {
        let report = Report::of(&AppError("no stock")).grouped_by("reports");
        (StatusCode::INTERNAL_SERVER_ERROR, Extension(report)).into_response()
    }
    let app = Router::new()
        .route("/orders/{id}", get(|| async { AppError("no broker") }))
        .route("/stock", get(|| async { AppError("no database") }))
        .route("/reports/{year}", get(report_failed))
        .route("/reports", get(report_failed))
        .layer(lookout.layer().observer(lookout.reporter()));
    for path in paths {
        let request = Request::get(*path).body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
}

#[tokio::test]
async fn one_error_type_on_two_routes_leads_to_two_alerts() {
    let (lookout, _scrape, delivered) = collecting_lookout();
    request_all(&lookout, &["/orders/7", "/stock", "/orders/8"]).await;
    lookout.shutdown().await;
    let alerts = wait_for_alerts(&delivered, 2).await;
    let mut lines: Vec<_> =
        alerts.iter().map(|alert| format!("{}: {}", alert.title(), alert.measured())).collect();
    lines.sort();
    lines.dedup();
    assert_eq!(
        lines,
        [
            "[FIRING] AppError · GET /orders/{id}: no broker",
            "[FIRING] AppError · GET /stock: no database",
        ]
    );
}

#[tokio::test]
async fn a_custom_group_key_replaces_the_operation() {
    let (lookout, _scrape, delivered) = collecting_lookout();
    request_all(&lookout, &["/reports", "/reports/2026"]).await;
    lookout.shutdown().await;
    let alerts = wait_for_alerts(&delivered, 1).await;
    assert!(
        alerts.iter().all(|alert| alert.title() == "[FIRING] AppError · reports"),
        "{alerts:?}"
    );
    let failure = alerts.last().unwrap().failure().unwrap();
    assert_eq!((&*failure.group, failure.total), ("reports", 2));
}

#[tokio::test]
async fn merged_reports_list_each_distinct_text_with_its_count() {
    let (lookout, _scrape, delivered) = collecting_lookout();
    let reporter = lookout.reporter();
    let send = |text: &'static str| reporter.send(Report::of(&AppError(text)));
    send("no stock");
    wait_for_alerts(&delivered, 1).await;
    ["no broker", "no stock", "no broker"].into_iter().for_each(send);
    lookout.shutdown().await;
    let merged = wait_for_alerts(&delivered, 2).await.remove(1);
    assert_eq!(merged.text_counts(), ["2× no broker", "1× no stock"]);
    let texts = &merged.failure().unwrap().texts;
    let listed: Vec<_> = texts.listed.iter().map(|one| (&*one.text, one.count)).collect();
    assert_eq!((&listed[..], texts.others), (&[("no broker", 2), ("no stock", 1)][..], 0));
}
