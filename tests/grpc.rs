//! gRPC over real sockets, with a tonic server and a tonic client: the method and the status of a
//! call on both sides, and gRPC and HTTP on one port.

#![cfg(all(feature = "prometheus", feature = "tonic"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/echo.rs"]
mod echo;
mod support;

use std::{net::SocketAddr, time::Duration};

use tokio::net::TcpListener;
use tonic::transport::{Server, server::TcpIncoming};
use tower::{Layer, ServiceExt};
use tower_lookout::{GrpcType, Lookout, LookoutBuilder, prometheus::Scrape};

use echo::{Echo, call, connect};
use support::{eventually, series, start, sum};

const UNARY: &str = "test.Echo/Unary";
const CLIENT: &str = "test.Echo/ClientStream";

const TIMEOUT: Duration = Duration::from_millis(100);

async fn serve(lookout: &Lookout) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder().layer(lookout.grpc_layer()).add_service(Echo);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    address
}

/// Asserts that exactly one call was counted, with the labels `counted`, and that no call is in
/// flight.
async fn check(title: &str, scrape: &Scrape, side: &str, counted: [&str; 4]) {
    let [method, status, outcome, error] = counted;
    let calls = format!("rpc_{side}_calls_total");
    let active = format!("rpc_{side}_active_calls");
    let text = eventually(5, title, || {
        let text = scrape.render();
        let is_over = sum(&text, &calls, &[]) >= 1.0 && sum(&text, &active, &[]) == 0.0;
        is_over.then_some(text)
    })
    .await;
    let all: Vec<_> = series(&text, &calls).filter(|(_, value)| *value > 0.0).collect();
    assert_eq!(sum(&text, &calls, &[]), 1.0, "{title}, {side}: {all:?}");
    let labels = [("rpc_method", method), ("outcome", outcome)];
    assert_eq!(sum(&text, &calls, &labels), 1.0, "{title}, {side}: {all:?}");

    let count = format!("rpc_{side}_call_duration_seconds_count");
    let durations: Vec<_> = series(&text, &count).filter(|(_, value)| *value > 0.0).collect();
    let [(found, 1.0)] = durations[..] else { panic!("{title}, {side}: {durations:?}") };
    for (name, value) in
        [("rpc_method", method), ("rpc_response_status_code", status), ("error_type", error)]
    {
        let expected = format!("{name}=\"{value}\"");
        let holds =
            if value.is_empty() { !found.contains(name) } else { found.contains(&expected) };
        assert!(holds, "{title}, {side}: {expected} in {found}");
    }
}

#[tokio::test]
async fn a_client_counts_any_status_but_ok_as_a_failure_and_a_server_counts_server_errors() {
    for (message, name, is_server_failure) in [
        ("status 1", "CANCELLED", false),
        ("status 2", "UNKNOWN", true),
        ("status 3", "INVALID_ARGUMENT", false),
        ("status 4", "DEADLINE_EXCEEDED", true),
        ("status 5", "NOT_FOUND", false),
        ("status 6", "ALREADY_EXISTS", false),
        ("status 7", "PERMISSION_DENIED", false),
        ("status 8", "RESOURCE_EXHAUSTED", false),
        ("status 9", "FAILED_PRECONDITION", false),
        ("status 10", "ABORTED", false),
        ("status 11", "OUT_OF_RANGE", false),
        ("status 12", "UNIMPLEMENTED", true),
        ("status 13", "INTERNAL", true),
        ("status 14", "UNAVAILABLE", true),
        ("status 15", "DATA_LOSS", true),
        ("status 16", "UNAUTHENTICATED", false),
    ] {
        let (served, server) = start(|builder| builder.grpc_methods([UNARY]));
        let (calling, client) = start(|builder| builder);
        let channel = calling.client_layer("echo").layer(connect(serve(&served).await).await);
        call(channel, UNARY, message).await.unwrap_err();
        let failure = [UNARY, name, "failure", name];
        let counted = if is_server_failure { failure } else { [UNARY, name, "success", ""] };
        check(message, &server, "server", counted).await;
        check(message, &client, "client", failure).await;
    }
}

#[tokio::test]
async fn a_method_gets_a_series_only_by_a_response_or_a_declaration() {
    const OK: [&str; 3] = ["OK", "success", ""];
    const UNIMPLEMENTED: [&str; 3] = ["UNIMPLEMENTED", "failure", "UNIMPLEMENTED"];
    for (method, message, unlisted, listed, counted) in [
        (UNARY, "ok", UNARY, UNARY, OK),
        // A method is unknown before its first response.
        (UNARY, "panic", "_OTHER", UNARY, ["", "panicked", "panicked"]),
        // An interceptor rejects the call before the method lookup.
        (UNARY, "status 16", "_OTHER", UNARY, ["UNAUTHENTICATED", "success", ""]),
        ("test.Echo/Nothing", "", "_OTHER", "_OTHER", UNIMPLEMENTED),
        ("no.Service/Unary", "", "_OTHER", "_OTHER", UNIMPLEMENTED),
    ] {
        for (list, expected) in [(None, unlisted), (Some(UNARY), listed)] {
            let (served, scrape) = start(|builder| builder.grpc_methods(list));
            let _ = call(connect(serve(&served).await).await, method, message).await;
            let [status, outcome, error] = counted;
            let title = format!("{method} {message}, listed: {}", list.is_some());
            check(&title, &scrape, "server", [expected, status, outcome, error]).await;
        }
    }
}

#[tokio::test]
async fn a_call_keeps_its_labels_when_its_method_becomes_known() {
    for listed in [true, false] {
        let labels = |builder: LookoutBuilder| {
            builder
                .request_label("package", 2, |request| {
                    Some(request.uri.path().strip_prefix('/')?.split_once('.')?.0.into())
                })
                .response_label("content", 2, |response| {
                    response.headers.get("content-type")?.to_str().ok().map(Into::into)
                })
        };
        let methods = [UNARY].into_iter().filter(|_| listed);
        let (served, server) = start(|builder| labels(builder).grpc_methods(methods));
        let (calling, client) = start(labels);
        let address = serve(&served).await;
        call(calling.client_layer("echo").layer(connect(address).await), UNARY, "ok")
            .await
            .unwrap();
        for (scrape, side) in [(server, "server"), (client, "client")] {
            check("labels", &scrape, side, [UNARY, "OK", "success", ""]).await;
            let all = [("rpc_method", UNARY), ("package", "test"), ("content", "application/grpc")];
            let calls = format!("rpc_{side}_calls_total");
            assert_eq!(sum(&scrape.render(), &calls, &all), 1.0, "{side}, listed: {listed}");
        }
    }
}

#[tokio::test]
async fn an_ignored_method_is_not_counted() {
    let (served, scrape) = start(|builder| builder.ignore_routes([UNARY]));
    let address = serve(&served).await;
    call(connect(address).await, UNARY, "ok").await.unwrap();
    call(connect(address).await, CLIENT, "ok").await.unwrap();
    check("left out", &scrape, "server", [CLIENT, "OK", "success", ""]).await;
}

#[tokio::test]
async fn a_channels_own_timeout_is_a_timeout_error() {
    let (served, _) = start(|builder| builder);
    let (calling, client) = start(|builder| builder);
    let address = serve(&served).await;
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let channel = endpoint.timeout(TIMEOUT).connect().await.unwrap();
    call(calling.client_layer("echo").layer(channel), UNARY, "hang").await.unwrap_err();
    check("timeout", &client, "client", [UNARY, "", "error", "timeout"]).await;
}

#[tokio::test]
async fn an_open_stream_is_visible_and_its_lifetime_is_not_its_latency() {
    let (served, scrape) = start(|builder| builder);
    let address = serve(&served).await;
    let channel = connect(address).await;
    let call = tokio::spawn(async move { call(channel, "test.Echo/ServerStream", "three").await });
    assert_eq!(call.await.unwrap().unwrap(), ["a", "b", "c"]);
    let text = eventually(5, "the end of the stream", || {
        let text = scrape.render();
        (sum(&text, "rpc_server_stream_duration_seconds_count", &[]) == 1.0).then_some(text)
    })
    .await;
    let latency = sum(&text, "rpc_server_call_duration_seconds_sum", &[]);
    let life = sum(&text, "rpc_server_stream_duration_seconds_sum", &[]);
    assert!(latency <= life, "{latency} s to the head, {life} s in all");
}

#[tokio::test]
async fn a_declared_client_stream_is_a_stream_from_its_start() {
    let (served, scrape) =
        start(|builder| builder.grpc_methods([CLIENT]).grpc_type(CLIENT, GrpcType::ClientStream));
    let upload = tokio::spawn(call(connect(serve(&served).await).await, CLIENT, "hang"));
    let streams = [("rpc_method", CLIENT), ("kind", "grpc")];
    eventually(5, "the open stream", || {
        (sum(&scrape.render(), "rpc_server_active_streams", &streams) == 1.0).then_some(())
    })
    .await;
    assert_eq!(sum(&scrape.render(), "rpc_server_oldest_active_call_seconds", &[]), 0.0);
    upload.abort();
    check("upload", &scrape, "server", [CLIENT, "", "cancelled", "cancelled"]).await;
    let text = scrape.render();
    assert_eq!(sum(&text, "rpc_server_active_streams", &[]), 0.0);
    assert_eq!(sum(&text, "rpc_server_stream_duration_seconds_count", &streams[..1]), 1.0);
}

#[tokio::test]
async fn declared_methods_are_known_before_their_first_response() {
    let (served, scrape) = start(|builder| builder.grpc_methods([UNARY]));
    let address = serve(&served).await;
    let call = call(connect(address).await, UNARY, "hang");
    assert!(tokio::time::timeout(Duration::from_millis(200), call).await.is_err());
    check("listed", &scrape, "server", [UNARY, "", "cancelled", "cancelled"]).await;
}

#[tokio::test]
async fn http_and_grpc_on_one_port_are_counted_separately() {
    let (lookout, scrape) = start(|builder| builder);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let echo = Echo.map_request(|request: http::Request<axum::body::Body>| {
        request.map(tonic::body::Body::new)
    });
    let app = axum::Router::new()
        .route("/orders/{id}", axum::routing::get(|| async { "an order" }))
        .route_service("/test.Echo/{method}", echo)
        .layer(lookout.grpc_layer());
    tokio::spawn(async move { axum::serve(listener, app).await });

    call(connect(address).await, UNARY, "ok").await.unwrap();
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http::<http_body_util::Empty<bytes::Bytes>>();
    client.get(format!("http://{address}/orders/7").parse().unwrap()).await.unwrap();

    eventually(5, "both", || {
        let text = scrape.render();
        let http = sum(&text, "http_server_requests_total", &[("http_route", "/orders/{id}")]);
        let rpc = sum(&text, "rpc_server_calls_total", &[("rpc_method", UNARY)]);
        ((http, rpc) == (1.0, 1.0)).then_some(())
    })
    .await;
    let text = scrape.render();
    assert_eq!(sum(&text, "http_server_requests_total", &[]), 1.0);
    assert_eq!(sum(&text, "rpc_server_calls_total", &[]), 1.0);
}

#[tokio::test]
async fn a_generated_client_with_an_interceptor_accepts_a_watched_channel() {
    let (lookout, scrape) = start(|builder| builder);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_reporter, health) = tonic_health::server::health_reporter();
    let server = Server::builder().add_service(health);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

    let channel = lookout.client_layer("health").layer(connect(address).await);
    let mut client = tonic_health::pb::health_client::HealthClient::with_interceptor(
        channel,
        |request: tonic::Request<()>| match request.metadata().get("reject") {
            Some(_) => Err(tonic::Status::unauthenticated("rejected before it was sent")),
            None => Ok(request),
        },
    );
    let health_request = tonic_health::pb::HealthCheckRequest::default;
    client.check(health_request()).await.unwrap();
    let mut rejected = tonic::Request::new(health_request());
    rejected.metadata_mut().insert("reject", "1".parse().unwrap());
    client.check(rejected).await.unwrap_err();

    // A call that the interceptor rejects never reaches the dependency.
    let check = ["grpc.health.v1.Health/Check", "OK", "success", ""];
    self::check("interceptor", &scrape, "client", check).await;
}
