//! Every way in which an event stream and a WebSocket can end, over a real socket: one count, its
//! outcome, one life in the histogram of streams, and nothing that stays open.
//!
//! What can't occur: a stream has no exact length, no empty body and no trailers-only answer, and is not
//! asked for by HEAD; axum's services give no error. Once its head is out, a timeout around the service
//! ends nothing.

#![cfg(all(feature = "axum", feature = "prometheus"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use std::{io, net::SocketAddr, time::Duration};

use axum::{
    Extension, Router,
    extract::{Path, ws::WebSocketUpgrade},
    http::StatusCode,
    response::{IntoResponse, Response, Sse, sse::Event},
    routing::get,
};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, stream};
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy, rt::TokioExecutor};
use tokio::net::TcpListener;
use tower::{ServiceBuilder, timeout::TimeoutLayer};
use tower_lookout::{Lookout, observe::UpgradeWatch};

use support::{eventually, start, sum};

const TIMEOUT: Duration = Duration::from_millis(100);

/// An event stream that goes as its path says.
async fn events(Path(script): Path<String>) -> Response {
    let one = || stream::iter([Ok(Event::default().data("one"))]);
    match script.as_str() {
        "complete" => Sse::new(one()).into_response(),
        "error" => {
            Sse::new(one().chain(stream::iter([Err(io::Error::other("as asked"))]))).into_response()
        }
        "panic" => {
            let panic = stream::once(async { panic!("as the test asks") });
            Sse::new(one().chain(panic)).into_response()
        }
        "hang" => std::future::pending().await,
        "refused" => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        _ => Sse::new(one().chain(stream::pending())).into_response(),
    }
}

async fn live(
    Path(script): Path<String>,
    upgrade: WebSocketUpgrade,
    Extension(watch): Extension<UpgradeWatch>,
) -> Response {
    if script == "refused" {
        return StatusCode::FORBIDDEN.into_response();
    }
    upgrade.on_upgrade(move |mut socket| async move {
        let _open = watch.open();
        assert!(script != "panic", "as the test asks");
        if script != "complete" {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    })
}

async fn serve(lookout: &Lookout, is_timed: bool) -> SocketAddr {
    let app = Router::new()
        .route("/events/{script}", get(events))
        .route("/live/{script}", get(live))
        .layer(lookout.layer());
    let app = match is_timed {
        // Outside of the layer: what it cuts off was left by somebody.
        true => app.layer(
            ServiceBuilder::new()
                .layer(axum::error_handling::HandleErrorLayer::new(|_: tower::BoxError| async {
                    StatusCode::GATEWAY_TIMEOUT
                }))
                .layer(TimeoutLayer::new(TIMEOUT)),
        ),
        false => app,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// How the client goes about it.
#[derive(Clone, Copy, PartialEq)]
enum Client {
    ReadsAll,
    LeavesAfterTheFirst,
    LeavesBeforeTheHead,
    TimedOutside,
}

/// Waits until all is over: as many ends as expected, with this outcome and class.
async fn ends(
    what: &str,
    scrape: &tower_lookout::prometheus::Scrape,
    [class, outcome]: [&str; 2],
    streams: f64,
) {
    eventually(5, what, || {
        let text = scrape.render();
        let labels = [("status_class", class), ("outcome", outcome)];
        let is_over = sum(&text, "http_server_requests_total", &labels) == 1.0
            && sum(&text, "http_server_requests_total", &[]) == 1.0
            && sum(&text, "http_server_request_duration_seconds_count", &[]) == 1.0
            && sum(&text, "http_server_stream_duration_seconds_count", &[]) == streams
            && sum(&text, "http_server_active_requests", &[]) == 0.0
            && sum(&text, "http_server_active_streams", &[]) == 0.0;
        is_over.then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_end_of_an_event_stream_counts_once() {
    use Client::{LeavesAfterTheFirst, LeavesBeforeTheHead, ReadsAll, TimedOutside};
    for (script, client, counted, streams) in [
        ("complete", ReadsAll, ["2xx", "success"], 1.0),
        ("error", ReadsAll, ["2xx", "error"], 1.0),
        ("panic", ReadsAll, ["2xx", "panicked"], 1.0),
        ("endless", LeavesAfterTheFirst, ["2xx", "aborted"], 1.0),
        ("endless", TimedOutside, ["2xx", "aborted"], 1.0),
        ("refused", ReadsAll, ["5xx", "failure"], 0.0),
        ("hang", LeavesBeforeTheHead, ["none", "cancelled"], 0.0),
        ("hang", TimedOutside, ["none", "cancelled"], 0.0),
    ] {
        let (lookout, scrape) = start(|builder| builder);
        let address = serve(&lookout, client == TimedOutside).await;
        let http: legacy::Client<_, Empty<Bytes>> =
            legacy::Client::builder(TokioExecutor::new()).build_http();
        let asked = http.get(format!("http://{address}/events/{script}").parse().unwrap());
        if client == LeavesBeforeTheHead {
            assert!(tokio::time::timeout(TIMEOUT, asked).await.is_err());
        } else if let Ok(mut response) = asked.await {
            match client {
                ReadsAll => drop(response.into_body().collect().await),
                _ => drop(response.frame().await),
            }
        } else {
            // A body that breaks off at once takes the head with it.
            assert!(matches!(script, "error" | "panic"), "{script}");
        }
        drop(http);
        ends(&format!("/events/{script}"), &scrape, counted, streams).await;
    }
}

#[tokio::test]
async fn every_end_of_a_websocket_counts_once() {
    for (script, client_closes, counted, streams) in [
        ("complete", false, ["1xx", "success"], 1.0),
        ("panic", false, ["1xx", "success"], 1.0),
        ("talk", true, ["1xx", "success"], 1.0),
        // Without a goodbye.
        ("talk", false, ["1xx", "success"], 1.0),
        ("refused", false, ["4xx", "success"], 0.0),
    ] {
        let (lookout, scrape) = start(|builder| builder.upgrades(true));
        let address = serve(&lookout, false).await;
        let url = format!("ws://{address}/live/{script}");
        if let Ok((mut socket, _)) = tokio_tungstenite::connect_async(url).await {
            assert_ne!(script, "refused");
            match (script, client_closes) {
                (_, true) => socket.close(None).await.unwrap(),
                ("talk", false) => socket.send("hello".into()).await.unwrap(),
                // Until the server ends it.
                _ => while let Some(Ok(_)) = socket.next().await {},
            }
        }
        ends(&format!("/live/{script}"), &scrape, counted, streams).await;
    }
}
