//! Failures that business code reports reach people at once, with their cause, and a loop of errors
//! reaches them as a number.

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
use tower_lookout::{
    Alert, Lookout, Report, alert::AlertStatus, prometheus::Scrape, rule::Severity,
};

use support::{check_with_promtool, eventually, start, sum};

/// An event that the broker did not take.
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

type Told = Arc<Mutex<Vec<Alert>>>;

/// A lookout that notes what it tells.
fn listening() -> (Lookout, Scrape, Told) {
    let told = Told::default();
    let noted = Arc::clone(&told);
    let (lookout, scrape) = start(|builder| {
        builder.service("orders").on_alert(move |alert| {
            let mut told = noted.lock().unwrap_or_else(PoisonError::into_inner);
            told.push(alert.clone());
        })
    });
    (lookout, scrape, told)
}

async fn told(told: &Told, count: usize) -> Vec<Alert> {
    eventually(5, "so many alerts", || {
        let told = told.lock().unwrap();
        (told.len() >= count).then(|| told.clone())
    })
    .await
}

#[tokio::test]
async fn a_report_is_told_at_once_with_its_causes_and_its_context() {
    let (lookout, scrape, heard) = listening();
    let reporter = lookout.reporter();
    let line = line!() + 1;
    let report = Report::of(&not_sent())
        .named("OrderEventLost")
        .field("order", 4711)
        .severity(Severity::Warning);
    reporter.send(report);
    let alert = told(&heard, 1).await.remove(0);
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
async fn the_request_comes_with_it_that_it_happened_in() {
    let (lookout, _scrape, heard) = listening();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let (head, ()) = http::Request::post("/orders")
        .header("x-request-id", "abc")
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .body(())
        .unwrap()
        .into_parts();
    lookout.reporter().send(Report::new("NoStock", "nothing is left").request(&head));
    let alert = told(&heard, 1).await.remove(0);
    let summary = alert.summary.unwrap();
    assert_eq!(summary, format!("request: POST\nrequest_id: abc\ntrace_id: {trace}"));
}

#[tokio::test]
async fn a_handlers_report_says_the_route_that_axum_found_and_no_trace_that_is_none() {
    let (lookout, _scrape, heard) = listening();
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
    let alert = told(&heard, 1).await.remove(0);
    assert_eq!(alert.summary.unwrap(), "request: POST /orders/{id}\nrequest_id: abc");
}

#[tokio::test]
async fn a_storm_of_ten_thousand_of_a_kind_is_one_message_and_counts_exactly() {
    let (lookout, scrape, heard) = listening();
    let reporter = lookout.reporter();
    thread::scope(|scope| {
        for _ in 0..4 {
            let reporter = reporter.clone();
            scope.spawn(move || (0..2_500).for_each(|_| reporter.report(&not_sent())));
        }
    });
    told(&heard, 1).await;
    lookout.shutdown().await;
    let told = told(&heard, 1).await;
    let counted: u64 = told.iter().map(|alert| alert.failure().unwrap().count).sum();
    assert_eq!(counted, 10_000, "what was left is told at the end");
    assert!(told.len() <= 2, "{} messages", told.len());
    assert_eq!(sum(&scrape.render(), "lookout_reports_total", &[]), 10_000.0);
}

#[tokio::test]
async fn two_types_of_error_at_one_place_are_two_alerts_though_they_wait_together() {
    fn lost<E: Error + 'static>(error: &E) -> Report {
        Report::of(error).named("OrderLost")
    }
    let (heard, hook) = std::sync::mpsc::channel();
    let (wait, waiting) = std::sync::mpsc::channel::<()>();
    let waiting = std::sync::Mutex::new(waiting);
    let (lookout, _scrape) = start(|builder| {
        builder.on_alert(move |alert| {
            heard.send(alert.clone()).unwrap();
            let _ = waiting.lock().unwrap().recv();
        })
    });
    let reporter = lookout.reporter();
    reporter.send(Report::new("First", "keeps the receiver busy"));
    let told = || hook.recv_timeout(Duration::from_secs(5)).unwrap();
    assert_eq!(&*told().name, "First");
    reporter.send(lost(&not_sent()));
    reporter.send(lost(&io::Error::other("the disk is full")));
    drop(wait);
    let mut types = [told(), told()].map(|alert| alert.failure().unwrap().error_type.clone());
    types.sort_unstable();
    assert!(types[0].ends_with("NotSent") && types[1].ends_with("io::error::Error"), "{types:?}");
}

#[tokio::test]
async fn a_thousand_kinds_are_all_told_and_few_at_once() {
    let (lookout, _scrape, heard) = listening();
    let reporter = lookout.reporter();
    for kind in 0..400 {
        reporter.send(Report::new(format!("Kind{kind}"), "failed"));
    }
    told(&heard, 10).await;
    lookout.shutdown().await;
    let told = told(&heard, 400).await;
    assert_eq!(told.len(), 400);
}

#[tokio::test]
async fn a_task_that_ends_reports_its_error_its_panic_or_that_it_ended() {
    let (lookout, _scrape, heard) = listening();
    let reporter = lookout.reporter();
    tokio::spawn(reporter.supervise("Failing", async { Err::<(), _>(not_sent()) }));
    tokio::spawn(reporter.supervise("Ending", async {}));
    let panicking = async { panic!("as the test asks") };
    let joined = tokio::spawn(reporter.supervise("Panicking", panicking)).await;
    assert!(joined.unwrap_err().is_panic(), "a panic goes on");
    let mut told = told(&heard, 3).await;
    told.sort_by(|a, b| a.name.cmp(&b.name));
    let measured: Vec<_> =
        told.iter().map(|alert| format!("{}: {}", alert.name, alert.measured())).collect();
    assert_eq!(
        measured,
        [
            "Ending: the task ended, which it should not",
            "Failing: the event order-created was not sent: no broker at kafka:9092",
            "Panicking: the task panicked: as the test asks",
        ]
    );
    for alert in told {
        assert!(alert.condition().starts_with("reported at tests/reports.rs:"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_restarted_begins_again_after_longer_and_longer_pauses() {
    let (lookout, scrape) = start(|builder| builder);
    let (starts, mut started) = tokio::sync::mpsc::unbounded_channel();
    let task = move || {
        starts.send(tokio::time::Instant::now()).unwrap();
        async { panic!("as the test asks") }
    };
    tokio::spawn(lookout.reporter().supervise_restarting("Events", task));
    let mut moments = Vec::new();
    while moments.len() < 9 {
        moments.push(started.recv().await.unwrap());
    }
    let pauses: Vec<_> = moments.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
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
async fn an_error_that_becomes_a_response_is_reported_with_its_request_by_the_layer_alone() {
    let (lookout, scrape, heard) = listening();
    let app = Router::new()
        .route("/orders/{id}", get(|| async { Err::<(), _>(not_sent()) }))
        .route("/healthy", get(|| async {}))
        .layer(lookout.layer().observer(lookout.reporter()));
    for path in ["/healthy", "/orders/7"] {
        let request = Request::get(path).header("x-request-id", "abc").body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    let alert = told(&heard, 1).await.remove(0);
    assert_eq!(alert.title(), "[FIRING] OrderNotTaken · GET /orders/{id}");
    assert_eq!(alert.summary.as_deref(), Some("request: GET /orders/{id}\nrequest_id: abc"));
    assert_eq!(sum(&scrape.render(), "lookout_reports_total", &[]), 1.0);
}

/// The one error type of an application, whose every failure has the same name, type and call site.
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

/// A service whose three routes fail for different reasons.
async fn ask(lookout: &Lookout, paths: &[&str]) {
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
async fn two_routes_that_fail_with_one_error_type_are_two_alerts() {
    let (lookout, _scrape, heard) = listening();
    ask(&lookout, &["/orders/7", "/stock", "/orders/8"]).await;
    lookout.shutdown().await;
    let told = told(&heard, 2).await;
    let mut lines: Vec<_> =
        told.iter().map(|alert| format!("{}: {}", alert.title(), alert.measured())).collect();
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
async fn a_key_of_the_users_takes_the_place_of_the_operation() {
    let (lookout, _scrape, heard) = listening();
    ask(&lookout, &["/reports", "/reports/2026"]).await;
    lookout.shutdown().await;
    let told = told(&heard, 1).await;
    assert!(told.iter().all(|alert| alert.title() == "[FIRING] AppError · reports"), "{told:?}");
    let failure = told.last().unwrap().failure().unwrap();
    assert_eq!((&*failure.group, failure.total), ("reports", 2));
}

#[tokio::test]
async fn a_message_that_merges_reports_names_each_distinct_text_with_its_count() {
    let (lookout, _scrape, heard) = listening();
    let reporter = lookout.reporter();
    let send = |text: &'static str| reporter.send(Report::of(&AppError(text)));
    send("no stock");
    told(&heard, 1).await;
    ["no broker", "no stock", "no broker"].into_iter().for_each(send);
    lookout.shutdown().await;
    let merged = told(&heard, 2).await.remove(1);
    assert_eq!(merged.text_counts(), ["×2 no broker", "×1 no stock"]);
    let texts = &merged.failure().unwrap().texts;
    let listed: Vec<_> = texts.listed.iter().map(|one| (&*one.text, one.count)).collect();
    assert_eq!((&listed[..], texts.others), (&[("no broker", 2), ("no stock", 1)][..], 0));
}
