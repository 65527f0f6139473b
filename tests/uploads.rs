//! A request is not stuck while its body arrives: its age counts from the last received byte. The
//! tests use real sockets, and bodies that arrive for longer than the rule's threshold.

#![cfg(all(feature = "axum", feature = "prometheus"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use std::{convert::Infallible, future, net::SocketAddr, sync::mpsc, time::Duration};

use axum::{Router, body::Body, routing::post};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    client::legacy,
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time,
};
use tower::{Layer, ServiceExt, service_fn};
use tower_lookout::{Lookout, Rule, observe::RequestBody, prometheus::Scrape};

use support::{eventually, start, sum};

/// The threshold of the rule.
const ALLOWED: Duration = Duration::from_secs(2);
const OLDEST: &str = "http_server_oldest_active_request_seconds";

/// Starts a lookout with a rule for stuck requests, and returns its alerts.
fn watch() -> (Lookout, Scrape, mpsc::Receiver<String>) {
    let (alerts, raised) = mpsc::channel();
    let (lookout, scrape) = start(|builder| {
        builder
            .rule(Rule::oldest_in_flight().above(ALLOWED))
            .on_alert(move |alert| alerts.send(alert.title()).unwrap())
    });
    (lookout, scrape, raised)
}

fn router() -> Router {
    Router::new()
        .route("/upload", post(async |body: String| body.len().to_string()))
        .route("/hang", post(async |_: String| future::pending::<()>().await))
}

async fn listen(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Sends the head of a request. The test sends the body.
async fn post_to(address: SocketAddr, path: &str, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Sends a byte at a time, for longer than the threshold.
async fn trickle(stream: &mut TcpStream, bytes: usize) {
    for _ in 0..bytes {
        stream.write_all(b"x").await.unwrap();
        time::sleep(ALLOWED * 3 / bytes as u32).await;
    }
}

async fn expect_response(stream: &mut TcpStream) {
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
}

/// Checks that a slow upload fires no alert and gets its response, and that one that stops is stuck
/// and fires an alert.
async fn a_slow_upload_is_healthy_and_one_that_stops_is_stuck(
    address: SocketAddr,
    scrape: &Scrape,
    raised: &mpsc::Receiver<String>,
) {
    let mut stream = post_to(address, "/upload", 20).await;
    let begun = time::Instant::now();
    trickle(&mut stream, 20).await;
    expect_response(&mut stream).await;
    assert!(begun.elapsed() > ALLOWED * 2);
    assert_eq!(raised.try_recv(), Err(mpsc::TryRecvError::Empty));
    eventually(3, "the age of nothing", || {
        (sum(&scrape.render(), OLDEST, &[]) == 0.0).then_some(())
    })
    .await;

    let mut stream = post_to(address, "/upload", 20).await;
    stream.write_all(b"x").await.unwrap();
    let title = eventually(8, "an alert", || raised.try_recv().ok()).await;
    assert_eq!(title, "[FIRING] StuckRequests · test");
    // The rest of the body arrives.
    stream.write_all(&[b'x'; 19]).await.unwrap();
    expect_response(&mut stream).await;
    let title = eventually(8, "its end", || raised.try_recv().ok()).await;
    assert_eq!(title, "[RESOLVED] StuckRequests · test");
    assert_eq!(sum(&scrape.render(), OLDEST, &[]), 0.0);
    assert_eq!(sum(&scrape.render(), "http_server_active_requests", &[]), 0.0);
}

#[tokio::test]
async fn the_age_of_an_upload_to_a_router_counts_from_its_last_byte() {
    let (lookout, scrape, raised) = watch();
    let address = listen(router().layer(lookout.layer())).await;
    a_slow_upload_is_healthy_and_one_that_stops_is_stuck(address, &scrape, &raised).await;
}

#[tokio::test]
async fn the_age_of_an_upload_through_an_outer_layer_counts_from_its_last_byte() {
    let (lookout, scrape, raised) = watch();
    let inside = router().layer(lookout.route_layer());
    let outside = lookout.outer_layer().layer(inside);
    let address = listen(Router::new().fallback_service(outside)).await;
    a_slow_upload_is_healthy_and_one_that_stops_is_stuck(address, &scrape, &raised).await;
    assert_eq!(
        sum(&scrape.render(), "http_server_requests_total", &[("http_route", "/upload")]),
        2.0
    );
}

#[tokio::test]
async fn a_layer_that_counts_bodies_sees_hypers_own_body() {
    let (lookout, scrape, raised) = watch();
    let service = service_fn(async |request: Request<RequestBody<Incoming>>| {
        let body = request.into_body().collect().await.unwrap();
        Ok::<_, Infallible>(Response::new(Full::new(body.to_bytes())))
    });
    let service = lookout.layer().bodies().layer(service);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(service.clone());
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    a_slow_upload_is_healthy_and_one_that_stops_is_stuck(address, &scrape, &raised).await;
}

#[tokio::test]
async fn a_handler_that_hangs_after_the_last_byte_is_stuck_since_that_byte() {
    let (lookout, scrape, raised) = watch();
    let address = listen(router().layer(lookout.layer())).await;
    let mut stream = post_to(address, "/hang", 20).await;
    trickle(&mut stream, 20).await;
    assert_eq!(
        raised.try_recv(),
        Err(mpsc::TryRecvError::Empty),
        "the handler has just begun to hang"
    );
    let title = eventually(8, "an alert", || raised.try_recv().ok()).await;
    assert_eq!(title, "[FIRING] StuckRequests · test");
    drop(stream);
    eventually(3, "the end", || {
        let text = scrape.render();
        let ended = [("outcome", "cancelled"), ("http_route", "/hang")];
        (sum(&text, "http_server_requests_total", &ended) == 1.0).then_some(())
    })
    .await;
    eventually(3, "no age", || (sum(&scrape.render(), OLDEST, &[]) == 0.0).then_some(())).await;
}

#[tokio::test]
async fn the_age_of_a_request_without_a_body_counts_from_its_start() {
    let (lookout, _scrape, raised) = watch();
    let app = Router::new().route("/hang", post(future::pending::<()>));
    let address = listen(app.layer(lookout.layer())).await;
    let client = legacy::Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let request = Request::post(format!("http://{address}/hang")).body(Empty::new()).unwrap();
    tokio::spawn(client.request(request));
    eventually(6, "an alert", || raised.try_recv().ok()).await;
}

#[tokio::test]
async fn the_age_of_a_clients_request_counts_from_the_last_sent_part() {
    let (lookout, scrape, raised) = watch();
    let (sender, mut parts) = tokio::sync::mpsc::channel::<()>(1);
    let body = futures_util::stream::poll_fn(move |cx| {
        parts.poll_recv(cx).map(|part| part.map(|()| Ok::<_, Infallible>("x")))
    });
    let server = service_fn(async |request: Request<Body>| {
        request.into_body().collect().await.unwrap();
        Ok::<_, Infallible>(Response::new(Body::empty()))
    });
    let client = lookout.client_layer("storage").layer(server);
    let request = Request::put("http://storage/").body(Body::from_stream(body)).unwrap();
    let put = tokio::spawn(client.oneshot(request));
    let oldest = "http_client_oldest_active_request_seconds";
    for _ in 0..10 {
        sender.send(()).await.unwrap();
        time::sleep(ALLOWED / 4).await;
        assert!(sum(&scrape.render(), oldest, &[]) < 2.0);
    }
    drop(sender);
    put.await.unwrap().unwrap().into_body().collect().await.unwrap();
    assert_eq!(raised.try_recv(), Err(mpsc::TryRecvError::Empty));
}
