//! `ReportLayer` turns error events into reports. The lookout's own events never become reports.

#![cfg(all(feature = "axum", feature = "prometheus", feature = "tracing-layer"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use std::{
    error::Error,
    fmt, io,
    panic::catch_unwind,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, body::Body, http::Request, http::StatusCode, routing::get};
use tower::{ServiceExt, service_fn};
use tower_http::{catch_panic::CatchPanicLayer, trace::TraceLayer};
use tower_lookout::{
    Alert, Lookout, ReportLayer, Severity, notify::Notification, prometheus::Scrape,
};
use tracing::{
    Level, error, event, info_span, instrument::WithSubscriber, subscriber::with_default, warn,
};
use tracing_subscriber::{Layer, filter::filter_fn, layer::SubscriberExt, registry};

use support::{eventually, start, sum};

type Delivered = Arc<Mutex<Vec<Alert>>>;

fn collecting_lookout() -> (Lookout, Scrape, Delivered) {
    let alerts = Delivered::default();
    let sink = Arc::clone(&alerts);
    let (lookout, scrape) = start(|builder| {
        builder.on_alert(move |alert| {
            sink.lock().unwrap_or_else(PoisonError::into_inner).push(alert.clone());
        })
    });
    (lookout, scrape, alerts)
}

/// Shuts the lookout down and returns each alert that it delivered.
async fn shut_down(lookout: Lookout, alerts: &Delivered) -> Vec<Alert> {
    lookout.shutdown().await;
    std::mem::take(&mut *alerts.lock().unwrap())
}

#[tokio::test]
async fn a_record_from_the_log_crate_keeps_its_own_call_site() {
    let (lookout, _scrape, delivered) = collecting_lookout();
    with_default(registry().with(lookout.reporter().tracing_layer()), || {
        for (file, line) in [("src/client.rs", 12), ("src/client.rs", 12), ("src/pool.rs", 7)] {
            // `tracing-log` converts a record to an event of this form.
            event!(
                target: "log",
                Level::ERROR,
                log.target = "kafka::client",
                log.module_path = "kafka::client",
                log.file = file,
                log.line = line,
                message = "no broker answers"
            );
        }
    });
    let alerts = shut_down(lookout, &delivered).await;
    let call_sites = alerts.iter().map(|alert| alert.failure().unwrap().call_site.as_str());
    let call_sites: std::collections::BTreeSet<_> = call_sites.collect();
    assert_eq!(Vec::from_iter(call_sites), ["src/client.rs:12", "src/pool.rs:7"]);
}

#[tokio::test]
async fn an_error_event_is_delivered_with_its_causes_fields_and_span_fields() {
    let (lookout, _scrape, delivered) = collecting_lookout();
    let line = line!() + 8;
    with_default(registry().with(lookout.reporter().tracing_layer()), || {
        let cause = io::Error::other("no broker at kafka:9092");
        let request = info_span!("request", method = "POST", user = tracing::field::Empty);
        request.record("user", 7);
        let _request = request.entered();
        let _send = info_span!("send", topic = "orders").entered();
        let error: &dyn Error = &cause;
        error!(report = "OrderEventLost", order = 4711, error, "the event was not sent");
    });
    let alerts = shut_down(lookout, &delivered).await;
    assert_eq!(alerts.len(), 1);
    let alert = &alerts[0];
    assert_eq!(alert.title(), "[FIRING] OrderEventLost · test");
    assert_eq!(alert.measured(), "the event was not sent: no broker at kafka:9092");
    assert_eq!(alert.condition(), format!("reported at tests/tracing_layer.rs:{line}"));
    assert_eq!(
        alert.summary.as_deref(),
        Some("order: 4711\ntopic: orders\nmethod: POST\nuser: 7\ntarget: tracing_layer")
    );
    assert_eq!(alert.severity, Severity::Warning);
}

#[tokio::test]
async fn events_from_one_call_site_lead_to_one_alert_with_an_exact_count() {
    let (lookout, scrape, delivered) = collecting_lookout();
    with_default(registry().with(lookout.reporter().tracing_layer()), || {
        for order in 0..1_000 {
            error!("order {order} was lost");
        }
    });
    let alerts = shut_down(lookout, &delivered).await;
    assert!(alerts.len() <= 2, "{} messages", alerts.len());
    assert!(alerts.iter().all(|alert| &*alert.name == "ErrorLogged"));
    assert_eq!(sum(&scrape.render(), "lookout_reports_total", &[]), 1_000.0);
}

#[tokio::test]
async fn a_lower_level_is_reported_if_configured_and_layer_filters_apply() {
    let (lookout, scrape, delivered) = collecting_lookout();
    let layer = lookout.reporter().tracing_layer();
    with_default(registry().with(layer), || warn!("not so bad"));
    let layer = lookout.reporter().tracing_layer().level(Level::WARN).severity(Severity::Info);
    let ours = filter_fn(|metadata| metadata.target() == "orders");
    with_default(registry().with(layer.with_filter(ours)), || {
        warn!(target: "orders", "worse");
        warn!(target: "hyper", "of no interest");
    });
    let alerts = shut_down(lookout, &delivered).await;
    assert_eq!(alerts.len(), 1);
    assert_eq!((alerts[0].measured(), alerts[0].severity), ("worse".to_owned(), Severity::Info));
    assert_eq!(sum(&scrape.render(), "lookout_reports_total", &[]), 1.0);
}

#[tokio::test]
async fn a_panic_in_a_fields_debug_does_not_suppress_later_errors() {
    struct Broken;
    impl fmt::Debug for Broken {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("this value can't be formatted")
        }
    }
    let (lookout, _scrape, delivered) = collecting_lookout();
    with_default(registry().with(lookout.reporter().tracing_layer()), || {
        catch_unwind(|| error!(order = ?Broken, "the first")).unwrap_err();
        error!("the second");
    });
    let alerts = shut_down(lookout, &delivered).await;
    assert_eq!(alerts.iter().map(Alert::measured).collect::<Vec<_>>(), ["the second"]);
}

#[tokio::test]
async fn a_very_long_text_is_truncated() {
    let (lookout, _scrape, delivered) = collecting_lookout();
    with_default(registry().with(lookout.reporter().tracing_layer()), || {
        error!(long = "é".repeat(1_000_000), "{}", "x".repeat(1_000_000));
    });
    let alerts = shut_down(lookout, &delivered).await;
    assert!(alerts[0].measured().chars().count() < 1_100);
    assert!(alerts[0].summary.as_ref().unwrap().chars().count() < 1_100);
}

async fn panicking() -> StatusCode {
    panic!("a handler panics, intended by the test")
}

/// Requests this path under the layer. `/fail` responds 500 and `/panic` panics.
async fn request(layer: ReportLayer, path: &str) {
    let app = Router::new()
        .route("/fail", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .route("/panic", get(panicking))
        .layer(CatchPanicLayer::new())
        .layer(TraceLayer::new_for_http());
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = app.oneshot(request).with_subscriber(registry().with(layer)).await.unwrap();
    assert_eq!(response.status(), 500);
}

#[tokio::test]
async fn a_failed_response_logged_by_the_trace_layer_of_tower_http_is_not_reported() {
    let (lookout, scrape, delivered) = collecting_lookout();
    request(lookout.reporter().tracing_layer(), "/fail").await;
    assert!(shut_down(lookout, &delivered).await.is_empty());
    assert_eq!(sum(&scrape.render(), "lookout_reports_total", &[]), 0.0);
}

#[tokio::test]
async fn ignored_targets_are_configurable_and_a_dependencys_call_site_is_its_crate_and_file() {
    let (lookout, _scrape, delivered) = collecting_lookout();
    let layer = lookout.reporter().tracing_layer();
    request(layer.clone().ignored_targets([""; 0]), "/fail").await;
    let also = ReportLayer::IGNORED_TARGETS.iter().copied().chain(["orders"]);
    with_default(registry().with(layer.ignored_targets(also)), || {
        error!(target: "orders", "ignored");
        error!(target: "orders::outbox", "ignored");
        error!(target: "orders_too", "reported");
        event!(target: "log", Level::ERROR, log.target = "orders::client", message = "ignored");
    });
    let alerts = shut_down(lookout, &delivered).await;
    let mut texts: Vec<_> = alerts.iter().map(Alert::measured).collect();
    texts.sort();
    assert_eq!(texts, ["reported", "response failed"]);
    let call_site = alerts.iter().find(|alert| alert.measured() == "response failed").unwrap();
    let call_site = call_site.failure().unwrap().call_site.as_str();
    assert!(call_site.starts_with("tower-http-"), "{call_site}");
    assert!(call_site.contains("/src/trace/on_failure.rs:"), "{call_site}");
}

#[tokio::test]
async fn a_panic_caught_by_tower_http_is_reported_once() {
    let (lookout, _scrape, delivered) = collecting_lookout();
    request(lookout.reporter().tracing_layer(), "/panic").await;
    let alerts = shut_down(lookout, &delivered).await;
    assert_eq!(alerts.len(), 1);
    assert!(alerts[0].measured().starts_with("Service panicked: "), "{}", alerts[0].measured());

    let (lookout, _scrape, delivered) = collecting_lookout();
    lookout.reporter().report_panics();
    request(lookout.reporter().tracing_layer(), "/panic").await;
    let alerts = shut_down(lookout, &delivered).await;
    assert_eq!(alerts.iter().map(|alert| &*alert.name).collect::<Vec<_>>(), ["Panic"]);
}

#[tokio::test]
async fn a_notifier_that_logs_errors_while_it_delivers_causes_no_loop() {
    let deliveries = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&deliveries);
    let (lookout, scrape) = start(|builder| {
        builder.notify(service_fn(move |_: Notification| {
            *counted.lock().unwrap() += 1;
            error!(target: "http_client", "a delivery, and nothing is wrong");
            error!(target: "tower_lookout::notify", "nor here");
            std::future::ready(Err::<(), _>("not accepted"))
        }))
    });
    // The global default applies to all threads, so only one test of this binary may set it.
    let subscriber = registry().with(lookout.reporter().tracing_layer());
    tracing::subscriber::set_global_default(subscriber).unwrap();
    error!("the only one");
    eventually(10, "two deliveries", || (*deliveries.lock().unwrap() >= 2).then_some(())).await;
    assert_eq!(sum(&scrape.render(), "lookout_reports_total", &[]), 1.0);
}
