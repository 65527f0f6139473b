//! What users leave out, by route or by a marker in the response, leaves nothing behind.

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

/// Fails unless so many requests have these labels, in counter and histogram.
fn check(text: &str, labels: &[(&str, &str)], count: f64) {
    for name in [COUNTER, COUNT] {
        assert_eq!(sum(text, name, labels), count, "{name} {labels:?}\n{text}");
    }
}

fn ignoring(builder: LookoutBuilder) -> LookoutBuilder {
    builder.unwatched_responses().ignore_routes(["/healthz", "/files/{*path}", "/never"])
}

fn with_what_is_ignored() -> Router {
    Router::new()
        .route("/orders/{id}", get(|| async { "an order" }))
        .route("/healthz", any(|| async { "ok" }))
        .route("/files/{*path}", get(|| async { "a file" }))
        .route("/probe", get(|| async { (Extension(IgnoreResponse), "ok") }))
}

const WHAT_IS_IGNORED: [&str; 5] = ["/healthz", "/files/a/b", "/probe", "/probe", "/orders/7"];

/// Fails unless the one order is all that was ever seen.
fn check_ignored(text: &str, route: &str) {
    check(text, &[("http_route", route)], 1.0);
    check(text, &[], 1.0);
    for gauge in ["http_server_active_requests", "http_server_oldest_active_request_seconds"] {
        assert_eq!(sum(text, gauge, &[]), 0.0, "{text}");
    }
    assert!(!text.contains("/healthz") && !text.contains("/files"), "{text}");
}

#[tokio::test]
async fn what_is_left_out_by_route_or_marker_leaves_nothing() {
    let (lookout, scrape) = start(ignoring);
    let address = listen(with_what_is_ignored().layer(lookout.layer())).await;
    for path in WHAT_IS_IGNORED {
        send(address, path).await;
    }
    let is_over = |text: &String| sum(text, COUNTER, &[]) == 1.0;
    let text = eventually(5, "the order", || Some(scrape.render()).filter(is_over)).await;
    check_ignored(&text, "/orders/{id}");
    // Nor does it after its age could have been told.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    check_ignored(&scrape.render(), "/orders/{id}");
}

/// Counts what it is told of.
#[derive(Clone, Default)]
struct Told(Arc<AtomicUsize>);

impl Observer for Told {
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
async fn around_a_router_what_is_left_out_leaves_nothing_either() {
    let (lookout, scrape) = start(ignoring);
    let router = || with_what_is_ignored().layer(lookout.route_layer());
    send_all(&lookout.outer_layer().layer(router())).await;
    check_ignored(&scrape.render(), "/orders/{id}");
}

#[tokio::test]
async fn no_observer_hears_of_it_and_its_bodies_are_not_counted() {
    let (lookout, scrape) = start(ignoring);
    let (inside, outside) = (Told::default(), Told::default());
    send_all(&with_what_is_ignored().layer(lookout.layer().bodies().observer(inside.clone())))
        .await;
    check_ignored(&scrape.render(), "/orders/{id}");
    let router = with_what_is_ignored().layer(lookout.route_layer());
    send_all(&lookout.outer_layer().bodies().observer(outside.clone()).layer(router)).await;
    let text = scrape.render();
    check(&text, &[], 2.0);
    assert_eq!([inside, outside].map(|told| told.0.load(Ordering::Relaxed)), [1, 1]);
    for size in ["http_server_request_body_size_bytes", "http_server_response_body_size_bytes"] {
        assert_eq!(sum(&text, &format!("{size}_count"), &[]), 2.0, "{text}");
    }
    assert!(!text.contains("/healthz") && !text.contains("/files"), "{text}");
}

#[tokio::test]
async fn no_counter_falls_when_a_start_is_taken_back() {
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
    assert_eq!(started(), 1.0, "it was told already");
    for calls in [1.0, 2.0] {
        let call = Request::post("/shop.Orders/Create").header("content-type", "application/grpc");
        drop(service.call(call.body(()).unwrap()).await.unwrap());
        assert_eq!(started(), calls);
    }
}

#[tokio::test]
async fn routes_by_templates_and_by_a_closure_are_left_out_as_well() {
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
async fn a_marker_is_looked_for_only_if_that_is_asked_for() {
    let (lookout, scrape) = start(|builder| builder);
    let address = listen(with_what_is_ignored().layer(lookout.layer())).await;
    send(address, "/probe").await;
    eventually(5, "the probe", || {
        (sum(&scrape.render(), COUNTER, &[("http_route", "/probe")]) == 1.0).then_some(())
    })
    .await;
}

#[test]
fn a_grpc_method_that_nobody_knew_is_forgotten_with_its_call() {
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
    // More than can be remembered at once, were they not forgotten.
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
fn what_has_no_route_is_no_route_to_leave_out() {
    let refused = Lookout::builder().ignore_routes(["/healthz", "unmatched"]).start().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "ignore_routes: \"unmatched\" is not a route: exclude such requests with .ignore(..)"
    );
}
