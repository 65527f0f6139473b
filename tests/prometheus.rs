//! A real Prometheus scrapes a service during 200,000 requests of each outcome, and misses none.

#![cfg(all(feature = "axum", feature = "prometheus"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

#[path = "support/prometheus_server.rs"]
mod prometheus_server;
mod support;

use std::net::SocketAddr;

use axum::{Router, extract::Path, response::IntoResponse, routing::get};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tower_lookout::prometheus::Scrape;

use prometheus_server::PrometheusServer;
use support::{eventually, series, start, sum};

async fn handle(Path(kind): Path<String>) -> impl IntoResponse {
    match kind.as_str() {
        "fail" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        "panic" => panic!("a handler panics, intended by the test"),
        "abort" => {
            let first = futures_util::stream::iter([Ok::<_, std::io::Error>("first")]);
            let rest = futures_util::stream::pending();
            let body = futures_util::StreamExt::chain(first, rest);
            axum::body::Body::from_stream(body).into_response()
        }
        _ => "an order".into_response(),
    }
}

async fn connect(address: SocketAddr) -> (SendRequest<Empty<Bytes>>, tokio::task::AbortHandle) {
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (send, connection) = http1::handshake(stream).await.unwrap();
    (send, tokio::spawn(connection).abort_handle())
}

fn request(kind: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("/kinds/{kind}")).header("host", "test").body(Empty::new()).unwrap()
}

/// Sends requests on one connection and reads each response.
async fn send_complete(address: SocketAddr, kind: &str, count: u64) {
    let (mut send, _connection) = connect(address).await;
    for _ in 0..count {
        let response = send.send_request(request(kind)).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
}

/// Sends requests that each end with their connection.
async fn send_broken(address: SocketAddr, kind: &str, count: u64, scrape: &Scrape) {
    for _ in 0..count {
        let (mut send, connection) = connect(address).await;
        let response = send.send_request(request(kind));
        match kind {
            "abort" => {
                let mut body = response.await.unwrap().into_body();
                body.frame().await.unwrap().unwrap();
            }
            "cancel" => tokio::select! {
                _ = response => panic!("the handler must not respond"),
                () = in_flight(scrape, 1.0) => {}
            },
            _ => assert!(response.await.is_err(), "a panic closes the connection"),
        }
        connection.abort();
        in_flight(scrape, 0.0).await;
    }
}

/// Waits until this many hanging requests are in flight.
async fn in_flight(scrape: &Scrape, count: f64) {
    let route = [("http_route", "/kinds/cancel")];
    let active = || sum(&scrape.render(), "http_server_active_requests", &route);
    eventually(5, "in flight", || (active() == count).then_some(())).await;
}

const KINDS: [(&str, &str, u64); 5] = [
    ("ok", "success", 150_000),
    ("fail", "failure", 49_700),
    ("panic", "panicked", 100),
    ("cancel", "cancelled", 100),
    ("abort", "aborted", 100),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_prometheus_misses_no_request() {
    let Some(prometheus) = support::program("prometheus") else { return };
    let (lookout, scrape) = start(|builder| builder);
    let app = Router::new()
        .route("/kinds/{kind}", get(handle))
        .route("/kinds/cancel", get(std::future::pending::<()>))
        .layer(lookout.layer())
        .route("/metrics", get(scrape.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let server = PrometheusServer::start(&prometheus, &[("test", address)], "");

    // One request of each kind creates every series before the counts start.
    for (kind, _, _) in KINDS {
        match kind {
            "ok" | "fail" => send_complete(address, kind, 1).await,
            _ => send_broken(address, kind, 1, &scrape).await,
        }
    }
    let before = server.wait_for("sum(http_server_requests_total)", 5.0).await;
    assert_eq!(before, 5.0);

    let many = KINDS.iter().filter(|(kind, _, _)| matches!(*kind, "ok" | "fail"));
    let many = many.flat_map(|(kind, _, count)| [(*kind, count / 2); 2]);
    let mut running: Vec<_> =
        many.map(|(kind, count)| tokio::spawn(send_complete(address, kind, count))).collect();
    running.push(tokio::spawn({
        let scrape = scrape.clone();
        async move {
            for (kind, _, count) in KINDS.into_iter().skip(2) {
                send_broken(address, kind, count, &scrape).await;
            }
        }
    }));
    for running in running {
        running.await.unwrap();
    }
    let total: u64 = KINDS.iter().map(|(_, _, count)| count).sum();
    assert_eq!(total, 200_000);
    let sent =
        server.wait_for("sum(http_server_requests_total)", (total + 5) as f64).await - before;
    assert_eq!(sent, total as f64);
    for (kind, outcome, count) in KINDS {
        let query = format!("sum(http_server_requests_total{{outcome=\"{outcome}\"}}) - 1");
        assert_eq!(server.wait_for(&query, count as f64).await, count as f64, "{kind}");
    }
    // Computes the increase from the first to the last sample, without extrapolation.
    let rate = "sum(last_over_time(http_server_requests_total[10m])) \
                - sum(min_over_time(http_server_requests_total[10m]))";
    assert_eq!(server.query(rate), Some(total as f64));

    let text = scrape.render();
    assert_eq!(sum(&text, "http_server_active_requests", &[]), 0.0);
    for (labels, count) in series(&text, "http_server_request_duration_seconds_count") {
        let bucket = format!("{},le=\"+Inf\"}}", labels.trim_end_matches('}'));
        let infinite = series(&text, "http_server_request_duration_seconds_bucket")
            .find(|(found, _)| *found == bucket);
        assert_eq!(infinite.map(|(_, value)| value), Some(count), "{labels}");
    }
    // A scrape is not atomic: it may contain the counters of a tick, while the histograms follow in
    // the next scrape.
    let durations = "sum(http_server_request_duration_seconds_count)";
    let all = (total + 5) as f64;
    assert_eq!(server.wait_for(durations, all).await, all);
}
