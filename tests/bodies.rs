//! Body sizes and gRPC messages over real sockets: the layer counts the data that passes it,
//! records one sample per body whatever the outcome, and records nothing by default.

#![cfg(all(feature = "axum", feature = "prometheus", feature = "tonic"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/echo.rs"]
mod echo;
mod support;

use std::{convert::Infallible, net::SocketAddr};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{Request, Response, header},
    routing::{get, post},
};
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::{client::legacy, rt::TokioExecutor};
use tokio::net::TcpListener;
use tonic::transport::{Server, server::TcpIncoming};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_http::compression::CompressionLayer;
use tower_lookout::{Lookout, Preset, observe::RequestBody, prometheus::Scrape};

use echo::{Echo, call, connect};
use support::{check_with_promtool, eventually, start, sum};

const REQUEST: &str = "http_server_request_body_size_bytes";
const RESPONSE: &str = "http_server_response_body_size_bytes";

const LARGE: usize = 100_000;

async fn endless() -> Body {
    let first = stream::iter([Ok::<_, Infallible>(Bytes::from(vec![7; LARGE]))]);
    Body::from_stream(first.chain(stream::pending()))
}

fn app() -> Router {
    Router::new()
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/blind", post(|| async { "not read" }))
        .route("/large", get(|| async { vec![7; LARGE] }))
        .route("/endless", get(endless))
        .route("/panic", post(async |_: Bytes| -> Bytes { panic!("intended by the test") }))
}

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

type Sent = http_body_util::combinators::BoxBody<Bytes, Infallible>;

fn bytes(length: usize) -> Sent {
    Full::new(Bytes::from(vec![7; length])).boxed()
}

/// Creates a body without a size hint.
fn chunks(lengths: &'static [usize]) -> Sent {
    let frames = lengths.iter().map(|length| Ok(Frame::data(Bytes::from(vec![7; *length]))));
    BodyExt::boxed(StreamBody::new(stream::iter(frames)))
}

fn client() -> legacy::Client<legacy::connect::HttpConnector, Sent> {
    legacy::Client::builder(TokioExecutor::new()).build_http()
}

async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: Sent,
) -> Result<Response<hyper::body::Incoming>, legacy::Error> {
    let request = Request::builder().method(method).uri(format!("http://{address}{path}"));
    let request = request.header(header::ACCEPT_ENCODING, "gzip").body(body).unwrap();
    client().request(request).await
}

/// Waits for this many samples in both directions. Returns their sums.
async fn sums(scrape: &Scrape, samples: f64) -> [f64; 2] {
    let text = eventually(5, "a sample of each body", || {
        let text = scrape.render();
        let counts = [REQUEST, RESPONSE].map(|name| sum(&text, &format!("{name}_count"), &[]));
        (counts == [samples; 2]).then_some(text)
    })
    .await;
    check_with_promtool(&text);
    [REQUEST, RESPONSE].map(|name| sum(&text, &format!("{name}_sum"), &[]))
}

#[tokio::test]
async fn sizes_are_those_of_the_data_that_passes_the_layer_and_not_of_the_headers() {
    let cases: [(&str, &str, Sent, [usize; 2]); 6] = [
        ("POST", "/echo", bytes(1_000), [1_000, 1_000]),
        ("POST", "/echo", bytes(0), [0, 0]),
        ("POST", "/echo", chunks(&[10, 20, 30]), [60, 60]),
        // The handler does not read the body, so the body does not pass the layer.
        ("POST", "/blind", bytes(500), [0, 8]),
        ("GET", "/large", bytes(0), [0, LARGE]),
        // `Content-Length` is that of the response to a GET.
        ("HEAD", "/large", bytes(0), [0, 0]),
    ];
    for (method, path, body, expected) in cases {
        let (lookout, scrape) = start(|builder| builder);
        let address = serve(app().layer(lookout.layer().bodies())).await;
        let response = send(address, method, path, body).await.unwrap();
        if method == "HEAD" {
            assert_eq!(response.headers()[header::CONTENT_LENGTH], LARGE.to_string());
        }
        response.into_body().collect().await.unwrap();
        assert_eq!(sums(&scrape, 1.0).await, expected.map(|bytes| bytes as f64), "{method} {path}");
    }
}

#[tokio::test]
async fn an_aborted_body_counts_the_sent_part_and_a_panic_counts_the_read_part() {
    let (lookout, scrape) = start(|builder| builder);
    let address = serve(app().layer(lookout.layer().bodies())).await;

    let mut response = send(address, "GET", "/endless", bytes(0)).await.unwrap();
    response.frame().await.unwrap().unwrap();
    drop(response);
    assert_eq!(sums(&scrape, 1.0).await, [0.0, LARGE as f64]);

    assert!(send(address, "POST", "/panic", bytes(300)).await.is_err());
    assert_eq!(sums(&scrape, 2.0).await, [300.0, LARGE as f64]);
}

#[tokio::test]
async fn a_layer_counts_compressed_bytes_outside_compression_and_plain_bytes_inside() {
    for is_outside in [true, false] {
        let (lookout, scrape) = start(|builder| builder);
        let (watch, compress) = (lookout.layer().bodies(), CompressionLayer::new());
        let app = match is_outside {
            true => app().layer(compress).layer(watch),
            false => app().layer(watch).layer(compress),
        };
        let response = send(serve(app).await, "GET", "/large", bytes(0)).await.unwrap();
        assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
        let arrived = response.into_body().collect().await.unwrap().to_bytes().len() as f64;
        assert!(arrived < LARGE as f64 / 10.0, "{arrived} bytes are not compressed");
        let counted = sums(&scrape, 1.0).await[1];
        assert_eq!(counted, if is_outside { arrived } else { LARGE as f64 });
    }
}

#[tokio::test]
async fn an_outer_layer_counts_bodies_by_the_reported_route() {
    let (lookout, scrape) = start(|builder| builder);
    let inside = app().layer(lookout.route_layer());
    let outside = lookout.outer_layer().bodies().layer(inside);
    let request = Request::post("/echo").body(Body::from("hello")).unwrap();
    let response = outside.oneshot(request).await.unwrap();
    response.into_body().collect().await.unwrap();
    let text = scrape.render();
    let route = [("http_route", "/echo")];
    assert_eq!(sum(&text, &format!("{REQUEST}_sum"), &route), 5.0);
    assert_eq!(sum(&text, &format!("{RESPONSE}_sum"), &route), 5.0);
    assert_eq!(sum(&text, "http_server_requests_total", &route), 1.0);
}

#[tokio::test]
async fn a_client_counts_sent_and_received_bytes() {
    let (lookout, scrape) = start(|builder| builder);
    let address = serve(app()).await;
    let client: legacy::Client<_, RequestBody<Sent>> =
        legacy::Client::builder(TokioExecutor::new()).build_http();
    let mut client = lookout.client_layer("shop").bodies().layer(client);
    let request = Request::post(format!("http://{address}/echo")).body(chunks(&[5, 7])).unwrap();
    let response = client.ready().await.unwrap().call(request).await.unwrap();
    response.into_body().collect().await.unwrap();
    eventually(5, "both bodies", || {
        let text = scrape.render();
        let sums = ["request", "response"].map(|direction| {
            let name = format!("http_client_{direction}_body_size_bytes_sum");
            sum(&text, &name, &[("dependency", "shop")])
        });
        (sums == [12.0; 2]).then_some(())
    })
    .await;
}

/// Makes a unary call and one of each kind of stream, counted on both sides.
async fn call_grpc(lookout: &Lookout) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder().layer(lookout.grpc_layer().bodies()).add_service(Echo);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    let channel = ServiceBuilder::new()
        .layer(lookout.client_layer("echo").bodies())
        .map_request(|request: http::Request<RequestBody<tonic::body::Body>>| {
            request.map(tonic::body::Body::new)
        })
        .service(connect(address).await);
    call(channel.clone(), "test.Echo/Unary", "ok").await.unwrap();
    call(channel.clone(), "test.Echo/ServerStream", "three").await.unwrap();
    call(channel.clone(), "test.Echo/ClientStream", "ok").await.unwrap();
    call(channel, "test.Echo/Bidi", "three").await.unwrap();
}

#[tokio::test]
async fn a_grpc_call_counts_its_messages_in_both_directions_on_both_sides() {
    let (lookout, scrape) = start(|builder| builder);
    call_grpc(&lookout).await;
    let expected = [
        ("Unary", [1.0, 1.0]),
        ("ServerStream", [1.0, 3.0]),
        ("ClientStream", [2.0, 1.0]),
        ("Bidi", [2.0, 3.0]),
    ];
    for (method, messages) in expected {
        let method = format!("test.Echo/{method}");
        for side in ["server", "client"] {
            let text = eventually(5, "a sample of each direction", || {
                let text = scrape.render();
                let found = ["requests", "responses"].map(|direction| {
                    let name = format!("rpc_{side}_{direction}_per_rpc");
                    let labels = [("rpc_method", &*method)];
                    assert!(sum(&text, &format!("{name}_count"), &labels) <= 1.0);
                    sum(&text, &format!("{name}_sum"), &labels)
                });
                (found == messages).then_some(text)
            })
            .await;
            check_with_promtool(&text);
        }
    }
}

#[tokio::test]
async fn the_go_grpc_middleware_preset_has_counters_of_messages() {
    let (lookout, scrape) = start(|builder| builder.preset(Preset::GoGrpcMiddleware));
    call_grpc(&lookout).await;
    let expected = [
        ("grpc_server_msg_received_total", 6.0),
        ("grpc_server_msg_sent_total", 8.0),
        ("grpc_client_msg_sent_total", 6.0),
        ("grpc_client_msg_received_total", 8.0),
    ];
    let text = eventually(5, "all messages", || {
        let text = scrape.render();
        expected.iter().all(|(name, count)| sum(&text, name, &[]) == *count).then_some(text)
    })
    .await;
    check_with_promtool(&text);
}

#[tokio::test]
async fn bodies_are_not_counted_by_default() {
    let (lookout, scrape) = start(|builder| builder);
    let address = serve(app().layer(lookout.layer())).await;
    send(address, "POST", "/echo", bytes(10)).await.unwrap().into_body().collect().await.unwrap();
    let text = scrape.render();
    assert_eq!(sum(&text, "http_server_requests_total", &[]), 1.0);
    assert!(!text.contains("body_size_bytes_count"));
}
