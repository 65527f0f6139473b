//! A recorder with an idle timeout drops series that do not change. They return with their full
//! totals, and gauges that show a current state stay.

#![cfg(feature = "prometheus")]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{Request, Response};
use http_body_util::Empty;
use metrics_exporter_prometheus::PrometheusBuilder;
use metrics_util::MetricKindMask;
use tower::{Layer, ServiceExt, service_fn};
use tower_lookout::{Lookout, Rule, prometheus};

use support::{eventually, series, sum};

const IDLE: Duration = Duration::from_millis(300);

const TOTALS: [&str; 3] = [
    "http_server_requests_total",
    "http_server_request_duration_seconds_count",
    "http_server_response_head_duration_seconds_count",
];

fn with_idle_timeout(exporter: PrometheusBuilder) -> PrometheusBuilder {
    exporter.idle_timeout(MetricKindMask::ALL, Some(IDLE))
}

/// Sends a request. The service never responds to a `POST`, and responds to other requests at once.
async fn request(lookout: &Lookout, method: &str) {
    let service = lookout.layer().layer(service_fn(|request: Request<()>| async move {
        if request.method() == "POST" {
            std::future::pending::<()>().await;
        }
        Ok::<_, Infallible>(Response::new(Empty::<&[u8]>::new()))
    }));
    let request = Request::builder().method(method).body(()).unwrap();
    service.oneshot(request).await.unwrap();
}

fn totals(text: &str) -> [f64; 3] {
    TOTALS.map(|name| sum(text, name, &[("http_request_method", "GET")]))
}

/// Sends requests with pauses, during which the recorder drops their series.
async fn send_with_pauses(lookout: &Lookout, render: impl Fn() -> String) {
    let mut sent = 0.0;
    for more in [3, 1, 1] {
        for _ in 0..more {
            request(lookout, "GET").await;
            sent += 1.0;
        }
        eventually(5, "the full totals", || (totals(&render()) == [sent; 3]).then_some(())).await;
        eventually(5, "the drop", || (totals(&render()) == [0.0; 3]).then_some(())).await;
    }
}

#[tokio::test]
async fn a_series_dropped_by_the_builders_exporter_returns_with_its_full_total() {
    let (recorder, scrape) =
        prometheus::Builder::new().exporter(with_idle_timeout).build().unwrap();
    let builder = Lookout::builder().recorder(recorder).rule(Rule::error_ratio().above(0.5));
    let lookout = builder.start().unwrap();
    let hangs = tokio::spawn({
        let lookout = lookout.clone();
        async move { request(&lookout, "POST").await }
    });
    let active = [("http_request_method", "POST")];
    let is_active = |text: &str| sum(text, "http_server_active_requests", &active) == 1.0;
    eventually(5, "the request", || is_active(&scrape.render()).then_some(())).await;
    send_with_pauses(&lookout, || {
        let text = scrape.render();
        assert!(is_active(&text), "a request in flight is never idle: {text}");
        text
    })
    .await;

    hangs.abort();
    let gauge = || series(&scrape.render(), "http_server_active_requests").count();
    eventually(5, "the drop of an unchanged gauge", || (gauge() == 0).then_some(())).await;
    let hangs = tokio::spawn(async move { request(&lookout, "POST").await });
    eventually(5, "the gauge", || is_active(&scrape.render()).then_some(())).await;
    hangs.abort();
}

#[tokio::test]
async fn a_series_dropped_by_the_applications_exporter_returns_with_its_full_total() {
    let handle = with_idle_timeout(PrometheusBuilder::new()).install_recorder().unwrap();
    let lookout = Lookout::builder().start().unwrap();
    send_with_pauses(&lookout, || handle.render()).await;
}

#[tokio::test]
async fn two_lookouts_that_share_a_series_lose_no_later_count() {
    let (recorder, scrape) =
        prometheus::Builder::new().exporter(with_idle_timeout).build().unwrap();
    let recorder = Arc::new(recorder);
    let lookouts =
        [0, 1].map(|_| Lookout::builder().recorder(Arc::clone(&recorder)).start().unwrap());
    for _ in 0..3 {
        for lookout in &lookouts {
            request(lookout, "GET").await;
        }
        let both = |text: &str| totals(text).iter().all(|total| *total >= 2.0);
        eventually(5, "both", || both(&scrape.render()).then_some(())).await;
        eventually(5, "the drop", || (totals(&scrape.render()) == [0.0; 3]).then_some(())).await;
    }
}
