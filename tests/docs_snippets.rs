//! Serves the code of the README and the guide over real sockets, and checks the counts. The lines
//! between `DOCS:` and `:DOCS` are copies from there.

#![cfg(all(feature = "axum", feature = "prometheus", feature = "tonic"))]
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test may stop")]

#[path = "support/docs.rs"]
mod docs;
mod support;

use std::{future::pending, net::SocketAddr, sync::Mutex, time::Duration};

use axum::{
    Extension, Router,
    extract::ConnectInfo,
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::net::TcpListener;
use tower::Layer;
use tower_http::{cors::CorsLayer, normalize_path::NormalizePathLayer, timeout::TimeoutLayer};
use tower_lookout::{
    observe::{AccessLog, IgnoreResponse, Labels, Observer, RequestEnd, RequestHead},
    prometheus::Scrape,
};

use support::{eventually, start, sum};

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Serves a router as `axum::serve` does.
async fn serve(app: Router) -> SocketAddr {
    let (listener, address) = listen().await;
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Sends a request, and reads the whole response.
async fn send(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> (u16, String) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::builder().method(method).uri(format!("http://{address}{path}"));
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let response =
        client.request(request.body(Full::<Bytes>::from("12345")).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn get_status(address: SocketAddr, path: &str) -> u16 {
    send(address, Method::GET, path, &[]).await.0
}

/// Fails unless exactly one request is counted, with these labels.
async fn counts_once(scrape: &Scrape, labels: &[(&str, &str)]) {
    let counted = |labels: &[_]| sum(&scrape.render(), "http_server_requests_total", labels);
    eventually(5, "a request is counted", || (counted(&[]) > 0.0).then_some(())).await;
    let text = scrape.render();
    assert_eq!([counted(&[]), counted(labels)], [1.0, 1.0], "{labels:?}\n{text}");
}

#[tokio::test]
async fn the_first_example_watches_the_routes_but_not_the_scrape() {
    let (lookout, scrape) = start(|builder| builder);
    // DOCS:
    let app = Router::new()
        .route("/orders/{id}", get(|| async { "an order" }))
        .layer(lookout.layer())
        .route("/metrics", get(scrape)); // added after the layer, so it is not watched
    // :DOCS
    let address = serve(app).await;
    assert_eq!(get_status(address, "/orders/7").await, 200);
    for _ in 0..2 {
        let (status, text) = send(address, Method::GET, "/metrics", &[]).await;
        let route = [("http_route", "/orders/{id}"), ("outcome", "success")];
        let counted = |labels: &[_]| sum(&text, "http_server_requests_total", labels);
        assert_eq!((status, counted(&route), counted(&[])), (200, 1.0, 1.0), "{text}");
    }
}

/// Builds the guide's router: common layers, and the lookout's layer added last.
fn stacked(lookout: &tower_lookout::Lookout) -> Router {
    // DOCS:
    let app = Router::new()
        .route("/orders/{id}", get(|| async { "an order" }))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(10)))
        .layer(CorsLayer::permissive())
        .layer(lookout.layer()); // last
    // :DOCS
    app
}

#[tokio::test]
async fn a_layer_that_is_added_last_counts_every_response_of_the_router() {
    let preflight = [("origin", "https://shop.example"), ("access-control-request-method", "POST")];
    for (method, path, headers, status, labels) in [
        (
            Method::GET,
            "/orders/7",
            &[][..],
            200,
            [("http_route", "/orders/{id}"), ("status_class", "2xx")],
        ),
        (Method::GET, "/nowhere", &[], 404, [("http_route", "unmatched"), ("status_class", "4xx")]),
        (
            Method::PUT,
            "/orders/7",
            &[],
            405,
            [("http_route", "/orders/{id}"), ("status_class", "4xx")],
        ),
        (
            Method::OPTIONS,
            "/orders/7",
            &preflight,
            200,
            [("http_route", "/orders/{id}"), ("status_class", "2xx")],
        ),
    ] {
        let (lookout, scrape) = start(|builder| builder);
        let address = serve(stacked(&lookout)).await;
        let sent = send(address, method.clone(), path, headers).await;
        assert_eq!(sent.0, status, "{method} {path}");
        counts_once(&scrape, &[labels[0], labels[1], ("http_request_method", method.as_str())])
            .await;
    }
}

#[tokio::test]
async fn a_timeout_with_504_is_a_failure_and_one_with_408_is_not() {
    for (status, outcome) in [
        (StatusCode::GATEWAY_TIMEOUT, "failure"),
        (StatusCode::SERVICE_UNAVAILABLE, "failure"),
        (StatusCode::REQUEST_TIMEOUT, "success"),
    ] {
        let (lookout, scrape) = start(|builder| builder);
        let hangs = get(pending::<&'static str>);
        let timeout = TimeoutLayer::with_status_code(status, Duration::from_millis(50));
        let app = Router::new().route("/slow", hangs).layer(timeout).layer(lookout.layer());
        assert_eq!(get_status(serve(app).await, "/slow").await, status);
        counts_once(&scrape, &[("http_route", "/slow"), ("outcome", outcome)]).await;
    }
}

#[tokio::test]
async fn an_outer_layer_is_served_in_one_line_and_counts_by_route() {
    for (path, status, route) in
        [("/orders/7/", 200, "/orders/{id}"), ("/nowhere/", 404, "unmatched")]
    {
        let (lookout, scrape) = start(|builder| builder);
        let (listener, address) = listen().await;
        tokio::spawn(async move {
            // DOCS:
            let router: Router = Router::new()
                .route("/orders/{id}", get(|| async { "an order" }))
                .layer(lookout.route_layer());
            let normalized = NormalizePathLayer::trim_trailing_slash().layer(router);
            // :DOCS
            // DOCS:
            axum::serve(listener, lookout.outer_layer().around(normalized)).await?;
            // :DOCS
            std::io::Result::Ok(())
        });
        assert_eq!(get_status(address, path).await, status);
        counts_once(&scrape, &[("http_route", route)]).await;
    }
}

#[tokio::test]
async fn around_accepts_a_service_with_its_own_body_type_and_bodies_are_counted() {
    let (lookout, scrape) = start(|builder| builder);
    let router = Router::new()
        .route("/echo", post(|order: String| async { order }))
        .layer(lookout.route_layer());
    let timed =
        tower_http::timeout::ResponseBodyTimeoutLayer::new(Duration::from_secs(9)).layer(router);
    let app = lookout.outer_layer().bodies().around(timed).route("/metrics", get(|| async { "" }));
    let address = serve(app).await;
    assert_eq!(send(address, Method::POST, "/echo", &[]).await, (200, "12345".into()));
    assert_eq!(get_status(address, "/metrics").await, 200, "a route outside is not watched");
    counts_once(&scrape, &[("http_route", "/echo")]).await;
    let bytes = "http_server_response_body_size_bytes_sum";
    eventually(5, bytes, || (sum(&scrape.render(), bytes, &[]) == 5.0).then_some(())).await;
}

// DOCS:
async fn order() -> impl IntoResponse {
    (Extension(Labels::new().with("plan", "gold")), "an order")
}

async fn probe() -> impl IntoResponse {
    (Extension(IgnoreResponse), "ok") // this request is not counted
}
// :DOCS

#[tokio::test]
async fn labels_of_the_request_the_response_and_the_handler_are_counted() {
    let (lookout, scrape) = start(|builder| {
        builder
            // DOCS:
            .request_label("tenant", 20, |request| {
                request.headers.get("x-tenant")?.to_str().ok().map(Into::into)
            })
            .response_label("cache", 3, |response| {
                response.headers.get("x-cache")?.to_str().ok().map(Into::into)
            })
            .handler_label("plan", 5)
            .unwatched_responses()
        // :DOCS
    });
    // DOCS:
    let app: Router = Router::new()
        .route("/orders/{id}", get(order))
        .route("/probe", get(probe))
        .layer(lookout.layer());
    // :DOCS
    let address = serve(app).await;
    assert_eq!(get_status(address, "/probe").await, 200);
    assert_eq!(send(address, Method::GET, "/orders/7", &[("x-tenant", "acme")]).await.0, 200);
    counts_once(&scrape, &[("http_route", "/orders/{id}"), ("tenant", "acme"), ("plan", "gold")])
        .await;
}

static FAILED: Mutex<Vec<String>> = Mutex::new(Vec::new());

// DOCS:
struct Failed;

impl Observer for Failed {
    type State = String;

    fn on_request(&self, head: &RequestHead<'_>) -> String {
        head.uri.path().to_owned()
    }
    // :DOCS

    fn on_end(&self, path: String, end: &RequestEnd<'_>) {
        eprintln!("{path}: {}, {:?}", end.outcome, end.duration);
        FAILED.lock().unwrap().push(path);
    }
}

#[tokio::test]
async fn bodies_are_counted_and_an_observer_sees_each_request() {
    let (lookout, scrape) = start(|builder| builder);
    // DOCS:
    let app: Router = Router::new()
        .route("/orders", post(|order: String| async { order }))
        .layer(lookout.layer().bodies().observer(Failed));
    // :DOCS
    let address = serve(app).await;
    assert_eq!(send(address, Method::POST, "/orders", &[]).await, (200, "12345".into()));
    counts_once(&scrape, &[("http_route", "/orders")]).await;
    for bytes in
        ["http_server_request_body_size_bytes_sum", "http_server_response_body_size_bytes_sum"]
    {
        eventually(5, bytes, || (sum(&scrape.render(), bytes, &[]) == 5.0).then_some(())).await;
    }
    assert_eq!(*FAILED.lock().unwrap(), ["/orders"]);
}

#[tokio::test]
async fn the_access_log_is_served_with_the_addresses_of_its_clients() {
    let (lookout, scrape) = start(|builder| builder);
    // DOCS:
    let access_log = AccessLog::combined() // or common(), json()
        .remote_addr(|head| {
            let ConnectInfo(peer) = head.extensions.get::<ConnectInfo<SocketAddr>>()?;
            Some(peer.ip().to_string().into())
        });
    let app = Router::new()
        .route("/orders/{id}", get(|| async { "an order" }))
        .layer(lookout.layer().observer(access_log))
        .into_make_service_with_connect_info::<SocketAddr>();
    // :DOCS
    let (listener, address) = listen().await;
    tokio::spawn(async move { axum::serve(listener, app).await });
    assert_eq!(get_status(address, "/orders/7").await, 200);
    counts_once(&scrape, &[("http_route", "/orders/{id}")]).await;
}

#[tokio::test]
async fn a_tonic_server_counts_its_calls() {
    use tonic::transport::{Endpoint, Server, server::TcpIncoming};
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

    let (lookout, scrape) = start(|builder| {
        builder
            // DOCS:
            .grpc_methods(["grpc.health.v1.Health/Check"]) // counted by name from the first call on
        // :DOCS
    });
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        // DOCS:
        let (_reporter, health) = tonic_health::server::health_reporter();
        Server::builder()
            .layer(lookout.grpc_layer())
            .add_service(health)
            // :DOCS
            .serve_with_incoming(TcpIncoming::from(listener))
            .await
    });
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut client = HealthClient::new(channel.connect().await.unwrap());
    client.check(HealthCheckRequest { service: String::new() }).await.unwrap();
    let labels = [("rpc_method", "grpc.health.v1.Health/Check"), ("outcome", "success")];
    let counted = || sum(&scrape.render(), "rpc_server_calls_total", &labels);
    eventually(5, "the call is counted", || (counted() == 1.0).then_some(())).await;
}

/// Each part of this file between the two marks is in the README or in a page of the guide.
#[test]
fn the_served_lines_are_in_the_docs() {
    let lines =
        |text: &str| text.lines().map(|line| format!("{}\n", line.trim())).collect::<String>();
    // Readers do not see the lines that rustdoc hides.
    let is_shown = |line: &&str| !line.starts_with("# ") && *line != "#";
    let shown = |page: (String, String)| {
        page.1.lines().filter(is_shown).map(|line| format!("{}\n", line.trim())).collect::<String>()
    };
    let docs: Vec<String> = docs::pages().into_iter().map(shown).collect();
    let mark = |name: &str| format!("// {name}\n");
    let (begin, end) = (mark("DOCS:"), mark(":DOCS"));
    let source = lines(include_str!("docs_snippets.rs"));
    let parts: Vec<_> =
        source.split(&begin).skip(1).map(|part| part.split(&end).next().unwrap()).collect();
    assert!(parts.len() > 10, "{} parts", parts.len());
    for part in parts {
        assert!(
            docs.iter().any(|page| page.contains(part)),
            "the docs have changed: serve their new lines here, not these\n{part}"
        );
    }
}
