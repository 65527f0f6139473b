//! What is logged as an error reaches people as a report, and what the lookout logs itself never does.

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
    Alert, Lookout, ReportLayer, notify::Notification, prometheus::Scrape, rule::Severity,
};
use tracing::{
    Level, error, event, info_span, instrument::WithSubscriber, subscriber::with_default, warn,
};
use tracing_subscriber::{Layer, filter::filter_fn, layer::SubscriberExt, registry};

use support::{eventually, start, sum};

type Told = Arc<Mutex<Vec<Alert>>>;

fn listening() -> (Lookout, Scrape, Told) {
    let told = Told::default();
    let noted = Arc::clone(&told);
    let (lookout, scrape) = start(|builder| {
        builder.on_alert(move |alert| {
            noted.lock().unwrap_or_else(PoisonError::into_inner).push(alert.clone());
        })
    });
    (lookout, scrape, told)
}

/// All that is told until the end.
async fn all(lookout: Lookout, told: &Told) -> Vec<Alert> {
    lookout.shutdown().await;
    std::mem::take(&mut *told.lock().unwrap())
}

#[tokio::test]
async fn what_comes_by_way_of_the_crate_log_is_told_by_its_own_place() {
    let (lookout, _scrape, heard) = listening();
    with_default(registry().with(lookout.reporter().tracing_layer()), || {
        for (file, line) in [("src/client.rs", 12), ("src/client.rs", 12), ("src/pool.rs", 7)] {
            // As `tracing-log` makes an event of a record.
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
    let told = all(lookout, &heard).await;
    let places = told.iter().map(|alert| alert.failure().unwrap().call_site.as_str());
    let places: std::collections::BTreeSet<_> = places.collect();
    assert_eq!(Vec::from_iter(places), ["src/client.rs:12", "src/pool.rs:7"]);
}

#[tokio::test]
async fn an_error_is_told_with_its_causes_its_fields_and_those_of_its_spans() {
    let (lookout, _scrape, heard) = listening();
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
    let told = all(lookout, &heard).await;
    assert_eq!(told.len(), 1);
    let alert = &told[0];
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
async fn one_place_is_one_alert_whatever_its_text_says_and_counts_exactly() {
    let (lookout, scrape, heard) = listening();
    with_default(registry().with(lookout.reporter().tracing_layer()), || {
        for order in 0..1_000 {
            error!("order {order} was lost");
        }
    });
    let told = all(lookout, &heard).await;
    assert!(told.len() <= 2, "{} messages", told.len());
    assert!(told.iter().all(|alert| &*alert.name == "ErrorLogged"));
    assert_eq!(sum(&scrape.render(), "lookout_reports_total", &[]), 1_000.0);
}

#[tokio::test]
async fn less_than_an_error_is_reported_if_it_is_asked_for_and_filters_say_of_what() {
    let (lookout, scrape, heard) = listening();
    let layer = lookout.reporter().tracing_layer();
    with_default(registry().with(layer), || warn!("not so bad"));
    let layer = lookout.reporter().tracing_layer().level(Level::WARN).severity(Severity::Info);
    let ours = filter_fn(|metadata| metadata.target() == "orders");
    with_default(registry().with(layer.with_filter(ours)), || {
        warn!(target: "orders", "worse");
        warn!(target: "hyper", "of no interest");
    });
    let told = all(lookout, &heard).await;
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].measured(), told[0].severity), ("worse".to_owned(), Severity::Info));
    assert_eq!(sum(&scrape.render(), "lookout_reports_total", &[]), 1.0);
}

#[tokio::test]
async fn a_value_that_panics_as_it_is_told_silences_no_error_after_it() {
    struct Broken;
    impl fmt::Debug for Broken {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("this can't be told")
        }
    }
    let (lookout, _scrape, heard) = listening();
    with_default(registry().with(lookout.reporter().tracing_layer()), || {
        catch_unwind(|| error!(order = ?Broken, "the first")).unwrap_err();
        error!("the second");
    });
    let told = all(lookout, &heard).await;
    assert_eq!(told.iter().map(Alert::measured).collect::<Vec<_>>(), ["the second"]);
}

#[tokio::test]
async fn a_text_without_end_is_cut() {
    let (lookout, _scrape, heard) = listening();
    with_default(registry().with(lookout.reporter().tracing_layer()), || {
        error!(long = "é".repeat(1_000_000), "{}", "x".repeat(1_000_000));
    });
    let told = all(lookout, &heard).await;
    assert!(told[0].measured().chars().count() < 1_100);
    assert!(told[0].summary.as_ref().unwrap().chars().count() < 1_100);
}

async fn panicking() -> StatusCode {
    panic!("a handler panics, as the test asks")
}

/// A service whose route `/fail` answers 500 and whose route `/panic` panics, asked under the layer.
async fn ask(layer: ReportLayer, path: &str) {
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
async fn a_status_that_the_trace_layer_of_tower_http_logs_is_no_report() {
    let (lookout, scrape, heard) = listening();
    ask(lookout.reporter().tracing_layer(), "/fail").await;
    assert!(all(lookout, &heard).await.is_empty());
    assert_eq!(sum(&scrape.render(), "lookout_reports_total", &[]), 0.0);
}

#[tokio::test]
async fn the_ignored_targets_are_the_users_and_a_dependencys_path_is_its_crate_and_file() {
    let (lookout, _scrape, heard) = listening();
    let layer = lookout.reporter().tracing_layer();
    ask(layer.clone().ignored_targets([""; 0]), "/fail").await;
    let also = ReportLayer::IGNORED_TARGETS.into_iter().chain(["orders"]);
    with_default(registry().with(layer.ignored_targets(also)), || {
        error!(target: "orders", "ignored");
        error!(target: "orders::outbox", "ignored");
        error!(target: "orders_too", "reported");
        event!(target: "log", Level::ERROR, log.target = "orders::client", message = "ignored");
    });
    let told = all(lookout, &heard).await;
    let mut texts: Vec<_> = told.iter().map(Alert::measured).collect();
    texts.sort();
    assert_eq!(texts, ["reported", "response failed"]);
    let place = told.iter().find(|alert| alert.measured() == "response failed").unwrap();
    let place = place.failure().unwrap().call_site.as_str();
    assert!(place.starts_with("tower-http-"), "{place}");
    assert!(place.contains("/src/trace/on_failure.rs:"), "{place}");
}

#[tokio::test]
async fn a_panic_that_tower_http_catches_is_reported_once() {
    let (lookout, _scrape, heard) = listening();
    ask(lookout.reporter().tracing_layer(), "/panic").await;
    let told = all(lookout, &heard).await;
    assert_eq!(told.len(), 1);
    assert!(told[0].measured().starts_with("Service panicked: "), "{}", told[0].measured());

    let (lookout, _scrape, heard) = listening();
    lookout.reporter().report_panics();
    ask(lookout.reporter().tracing_layer(), "/panic").await;
    let told = all(lookout, &heard).await;
    assert_eq!(told.iter().map(|alert| &*alert.name).collect::<Vec<_>>(), ["Panic"]);
}

#[tokio::test]
async fn a_notifier_that_logs_an_error_with_each_delivery_makes_no_loop() {
    let deliveries = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&deliveries);
    let (lookout, scrape) = start(|builder| {
        builder.notify(service_fn(move |_: Notification| {
            *counted.lock().unwrap() += 1;
            error!(target: "http_client", "a delivery, and nothing is wrong");
            error!(target: "tower_lookout::notify", "nor here");
            std::future::ready(Err::<(), _>("not taken"))
        }))
    });
    // For all threads, and so the only test of this binary that asks for it.
    let subscriber = registry().with(lookout.reporter().tracing_layer());
    tracing::subscriber::set_global_default(subscriber).unwrap();
    error!("the only one");
    eventually(10, "two deliveries", || (*deliveries.lock().unwrap() >= 2).then_some(())).await;
    assert_eq!(sum(&scrape.render(), "lookout_reports_total", &[]), 1.0);
}
