//! Requests that are ignored by their route or by a response extension leave no trace in the
//! metrics.

#![cfg(all(feature = "axum", feature = "prometheus"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use std::{
    convert::Infallible,
    future::ready,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Extension, Router,
    body::Body,
    routing::{any, get},
};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_lookout::{
    Lookout, LookoutBuilder, Preset,
    observe::{IgnoreResponse, Observer, RequestEnd, RequestHead},
};

use support::{eventually, start, sum};

const COUNTER: &str = "http_server_requests_total";
const COUNT: &str = "http_server_request_duration_seconds_count";

async fn listen(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn send(address: SocketAddr, path: &str) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let response = client.get(format!("http://{address}{path}").parse().unwrap()).await.unwrap();
    response.into_body().collect().await.unwrap();
}

/// Asserts the number of requests with these labels, in the counter and in the histogram.
fn check(text: &str, labels: &[(&str, &str)], count: f64) {
    for name in [COUNTER, COUNT] {
        assert_eq!(sum(text, name, labels), count, "{name} {labels:?}\n{text}");
    }
}

fn ignoring(builder: LookoutBuilder) -> LookoutBuilder {
    builder.unwatched_responses().ignore_routes(["/healthz", "/files/{*path}", "/never"])
}

fn with_ignored_routes() -> Router {
    Router::new()
        .route("/orders/{id}", get(|| async { "an order" }))
        .route("/healthz", any(|| async { "ok" }))
        .route("/files/{*path}", get(|| async { "a file" }))
        .route("/probe", get(|| async { (Extension(IgnoreResponse), "ok") }))
}

const WHAT_IS_IGNORED: [&str; 5] = ["/healthz", "/files/a/b", "/probe", "/probe", "/orders/7"];

/// Asserts that only the one order was ever counted.
fn check_ignored(text: &str, route: &str) {
    check(text, &[("http_route", route)], 1.0);
    check(text, &[], 1.0);
    for gauge in ["http_server_active_requests", "http_server_oldest_active_request_seconds"] {
        assert_eq!(sum(text, gauge, &[]), 0.0, "{text}");
    }
    assert!(!text.contains("/healthz") && !text.contains("/files"), "{text}");
}

#[tokio::test]
async fn requests_ignored_by_route_or_extension_leave_no_trace() {
    let (lookout, scrape) = start(ignoring);
    let address = listen(with_ignored_routes().layer(lookout.layer())).await;
    for path in WHAT_IS_IGNORED {
        send(address, path).await;
    }
    let is_over = |text: &String| sum(text, COUNTER, &[]) == 1.0;
    let text = eventually(5, "the order", || Some(scrape.render()).filter(is_over)).await;
    check_ignored(&text, "/orders/{id}");
    // There is no trace after a tick either, which would have exported their age.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    check_ignored(&scrape.render(), "/orders/{id}");
}

/// Counts the ends that it observes.
#[derive(Clone, Default)]
struct Ends(Arc<AtomicUsize>);

impl Observer for Ends {
    type State = ();

    fn on_request(&self, _: &RequestHead<'_>) {}

    fn on_end(&self, (): (), _: &RequestEnd<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

async fn send_all<S, B>(app: &S)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
    B: http_body::Body,
{
    for path in WHAT_IS_IGNORED {
        let response = app.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await;
        assert!(response.unwrap().into_body().collect().await.is_ok());
    }
}

#[tokio::test]
async fn with_an_outer_layer_ignored_requests_leave_no_trace() {
    let (lookout, scrape) = start(ignoring);
    let router = || with_ignored_routes().layer(lookout.route_layer());
    send_all(&lookout.outer_layer().layer(router())).await;
    check_ignored(&scrape.render(), "/orders/{id}");
}

#[tokio::test]
async fn ignored_requests_reach_no_observer_and_their_bodies_are_not_counted() {
    let (lookout, scrape) = start(ignoring);
    let (inside, outside) = (Ends::default(), Ends::default());
    send_all(&with_ignored_routes().layer(lookout.layer().bodies().observer(inside.clone()))).await;
    check_ignored(&scrape.render(), "/orders/{id}");
    let router = with_ignored_routes().layer(lookout.route_layer());
    send_all(&lookout.outer_layer().bodies().observer(outside.clone()).layer(router)).await;
    let text = scrape.render();
    check(&text, &[], 2.0);
    assert_eq!([inside, outside].map(|ends| ends.0.load(Ordering::Relaxed)), [1, 1]);
    for size in ["http_server_request_body_size_bytes", "http_server_response_body_size_bytes"] {
        assert_eq!(sum(&text, &format!("{size}_count"), &[]), 2.0, "{text}");
    }
    assert!(!text.contains("/healthz") && !text.contains("/files"), "{text}");
}

#[tokio::test]
async fn no_counter_decreases_when_a_start_is_undone() {
    let (lookout, scrape) = start(|builder| {
        builder
            .unwatched_responses()
            .preset(Preset::GoGrpcMiddleware)
            .grpc_methods(["shop.Orders/Create"])
    });
    let mut service = lookout.grpc_layer().layer(service_fn(|request: Request<()>| async move {
        let mut response = Response::new(Full::new(Bytes::new()));
        response.headers_mut().insert("grpc-status", "0".parse().unwrap());
        if request.headers().contains_key("x-probe") {
            tokio::task::yield_now().await;
            response.extensions_mut().insert(IgnoreResponse);
        }
        Ok::<_, Infallible>(response)
    }));
    let call = Request::post("/shop.Orders/Create").header("content-type", "application/grpc");
    let mut probe = Box::pin(service.call(call.header("x-probe", "1").body(()).unwrap()));
    assert!(probe.as_mut().now_or_never().is_none(), "it waits");
    let started = || sum(&scrape.render(), "grpc_server_started_total", &[]);
    assert_eq!(started(), 1.0);
    drop(probe.await.unwrap());
    assert_eq!(started(), 1.0, "the start is already exported");
    for calls in [1.0, 2.0] {
        let call = Request::post("/shop.Orders/Create").header("content-type", "application/grpc");
        drop(service.call(call.body(()).unwrap()).await.unwrap());
        assert_eq!(started(), calls);
    }
}

#[tokio::test]
async fn routes_named_by_templates_or_a_closure_can_be_ignored() {
    let by_templates: fn(LookoutBuilder) -> LookoutBuilder =
        |builder| builder.route_templates(["/orders/{id}", "/files/{*path}", "/healthz"]);
    let by_closure: fn(LookoutBuilder) -> LookoutBuilder = |builder| {
        builder.route_fn(|request| {
            Some(match request.uri.path() {
                "/healthz" => "/healthz".into(),
                "/files/a/b" => "/files/{*path}".into(),
                _ => "/orders/{id}".into(),
            })
        })
    };
    for names in [by_templates, by_closure] {
        let (lookout, scrape) = start(|builder| names(ignoring(builder)));
        let mut service = lookout.layer().layer(service_fn(|request: Request<()>| {
            let mut response = Response::new(Full::new(Bytes::new()));
            if request.uri().path() == "/probe" {
                response.extensions_mut().insert(IgnoreResponse);
            }
            ready(Ok::<_, Infallible>(response))
        }));
        for path in WHAT_IS_IGNORED {
            let request = Request::builder().method(Method::GET).uri(path).body(()).unwrap();
            drop(service.call(request).await.unwrap());
        }
        check_ignored(&scrape.render(), "/orders/{id}");
    }
}

#[tokio::test]
async fn the_extension_has_no_effect_unless_configured() {
    let (lookout, scrape) = start(|builder| builder);
    let address = listen(with_ignored_routes().layer(lookout.layer())).await;
    send(address, "/probe").await;
    eventually(5, "the probe", || {
        (sum(&scrape.render(), COUNTER, &[("http_route", "/probe")]) == 1.0).then_some(())
    })
    .await;
}

#[test]
fn the_name_of_an_unknown_grpc_method_is_dropped_with_its_call() {
    let (lookout, scrape) = start(ignoring);
    let mut service = lookout.grpc_layer().layer(service_fn(|request: Request<()>| {
        let mut response = Response::new(Full::new(Bytes::new()));
        response.headers_mut().insert("grpc-status", "0".parse().unwrap());
        response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        if request.uri().path().starts_with("/probe.") {
            response.extensions_mut().insert(IgnoreResponse);
        }
        ready(Ok::<_, Infallible>(response))
    }));
    // There are more calls than names fit at the same time.
    let probes = (0..70_000).map(|probe| format!("/probe.Probes/{probe}"));
    for path in probes.chain(["/shop.Orders/Create".to_owned()]) {
        let request = Request::post(path).header("content-type", "application/grpc");
        let response = service.call(request.body(()).unwrap()).now_or_never().unwrap();
        let body = response.unwrap().into_body();
        body.collect().now_or_never().unwrap().unwrap();
    }
    let text = scrape.render();
    let known = [("rpc_method", "shop.Orders/Create"), ("outcome", "success")];
    assert_eq!(sum(&text, "rpc_server_calls_total", &known), 1.0, "{text}");
    assert_eq!(sum(&text, "rpc_server_calls_total", &[]), 1.0);
    assert_eq!(sum(&text, "rpc_server_active_calls", &[]), 0.0);
}

#[test]
fn unmatched_cannot_be_ignored_as_a_route() {
    let error = Lookout::builder().ignore_routes(["/healthz", "unmatched"]).start().unwrap_err();
    assert_eq!(
        error.to_string(),
        "ignore_routes: \"unmatched\" is not a route: exclude such requests with .ignore(..)"
    );
}

#[test]
fn an_ignored_route_with_a_method_is_rejected() {
    let error = Lookout::builder().ignore_routes(["GET /healthz"]).start().unwrap_err();
    assert_eq!(
        error.to_string(),
        "ignore_routes: \"GET /healthz\" is not a route: leave out the method, as in \"/orders/{id}\""
    );
}
