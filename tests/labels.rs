//! Labels that users add, with their bounds, and what users leave out: by route, or by a marker in the
//! response.

#![cfg(all(feature = "axum", feature = "prometheus"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod support;

use std::{
    collections::BTreeSet, convert::Infallible, future::ready, net::SocketAddr, time::Duration,
};

use axum::{
    Extension, Router,
    response::IntoResponse,
    routing::{any, get},
};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_lookout::{
    Lookout, LookoutBuilder,
    observe::{Labels, Unwatched},
    prometheus::Scrape,
};

use support::{eventually, series, start, sum};

const COUNTER: &str = "http_server_requests_total";
const COUNT: &str = "http_server_request_duration_seconds_count";

async fn listen(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

fn client() -> Client<HttpConnector, Empty<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

/// A request to the end of its response.
async fn send(address: SocketAddr, path: &str, headers: &[(&str, &str)]) {
    let mut request = Request::get(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = client().request(request.body(Empty::new()).unwrap()).await.unwrap();
    response.into_body().collect().await.unwrap();
}

/// The scrape once so many requests have ended, and none is in flight.
async fn ended(scrape: &Scrape, requests: f64) -> String {
    let is_over = |text: &String| {
        let active = sum(text, "http_server_active_requests", &[]);
        (sum(text, COUNTER, &[]), active) == (requests, 0.0)
    };
    eventually(5, "the ends", || Some(scrape.render()).filter(is_over)).await
}

/// Fails unless so many requests have these labels, in counter and histogram.
fn check(text: &str, labels: &[(&str, &str)], count: f64) {
    for name in [COUNTER, COUNT] {
        assert_eq!(sum(text, name, labels), count, "{name} {labels:?}\n{text}");
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<std::borrow::Cow<'a, str>> {
    headers.get(name)?.to_str().ok().map(Into::into)
}

fn three_kinds(builder: LookoutBuilder) -> LookoutBuilder {
    builder
        .request_label("tenant", 2, |request| header(request.headers, "x-tenant"))
        .response_label("cache", 2, |response| header(response.headers, "x-cache"))
        .handler_label("plan", 2)
}

async fn order(headers: HeaderMap) -> impl IntoResponse {
    let plan = match headers.get("x-plan") {
        Some(plan) => Labels::new().with("plan", plan.to_str().unwrap().to_owned()),
        None => Labels::new().with("unheard_of", "of this nobody asked"),
    };
    ([("x-cache", "miss")], Extension(plan), "an order")
}

#[tokio::test]
async fn each_kind_of_label_is_in_the_counter_and_the_histogram() {
    let (lookout, scrape) = start(three_kinds);
    let app = Router::new()
        .route("/orders", get(order))
        .route("/stock", get(|| async { "none of these" }))
        .layer(lookout.layer());
    let address = listen(app).await;
    for (path, headers) in [
        ("/orders", &[("x-tenant", "a"), ("x-plan", "gold")][..]),
        ("/orders", &[("x-tenant", "a"), ("x-plan", "gold")]),
        ("/orders", &[("x-tenant", "b")]),
        ("/orders", &[("x-plan", "free")]),
        ("/stock", &[("x-tenant", "b")]),
        ("/stock", &[]),
        // Past the bound of two.
        ("/stock", &[("x-tenant", "c")]),
        ("/stock", &[("x-tenant", "d")]),
        ("/stock", &[("x-tenant", "_OTHER")]),
        ("/stock", &[("x-tenant", "a")]),
        // An empty value is none.
        ("/stock", &[("x-tenant", "")]),
    ] {
        send(address, path, headers).await;
    }
    let text = ended(&scrape, 11.0).await;
    for (labels, count) in [
        (&[("tenant", "a"), ("cache", "miss"), ("plan", "gold")][..], 2.0),
        (&[("tenant", "b"), ("cache", "miss")], 1.0),
        (&[("plan", "free"), ("cache", "miss")], 1.0),
        (&[("http_route", "/stock"), ("tenant", "_OTHER")], 3.0),
        (&[("tenant", "a")], 3.0),
        (&[("tenant", "b")], 2.0),
        (&[("cache", "miss")], 4.0),
        (&[("http_route", "/orders")], 4.0),
    ] {
        check(&text, labels, count);
    }
    let bare = series(&text, COUNTER).filter(|(labels, _)| !labels.contains("tenant"));
    assert_eq!(bare.map(|(_, count)| count).sum::<f64>(), 3.0);
    for line in text.lines().filter(|line| line.contains("tenant=")) {
        assert!(line.starts_with("http_server_request"), "only what has ended has labels: {line}");
        assert!(!line.contains("\"\""), "no value is no label: {line}");
    }
    assert!(!text.contains("unheard_of"));
    support::check_with_promtool(&text);
}

#[tokio::test]
async fn what_has_no_response_has_the_labels_of_its_request_alone() {
    let (lookout, scrape) = start(three_kinds);
    let app = Router::new()
        .route("/hang", get(std::future::pending::<&str>))
        .route("/panic", get(|| async { panic!("as the test asks") as &str }))
        .layer(lookout.layer());
    let address = listen(app).await;
    let hangs = send(address, "/hang", &[("x-tenant", "a")]);
    assert!(tokio::time::timeout(Duration::from_millis(200), hangs).await.is_err());
    let panics = Request::get(format!("http://{address}/panic")).header("x-tenant", "b");
    client().request(panics.body(Empty::new()).unwrap()).await.unwrap_err();
    let text = ended(&scrape, 2.0).await;
    for (tenant, outcome) in [("a", "cancelled"), ("b", "panicked")] {
        assert_eq!(sum(&text, COUNTER, &[("tenant", tenant), ("outcome", outcome)]), 1.0);
        check(&text, &[("tenant", tenant)], 1.0);
    }
    assert!(!text.contains("cache=") && !text.contains("plan="));
}

#[tokio::test]
async fn a_closure_that_panics_gives_no_label_and_harms_no_request() {
    let (lookout, scrape) = start(|builder| {
        builder
            .request_label("one", 2, |_| panic!("as the test asks"))
            .response_label("two", 2, |_| panic!("as the test asks"))
            .response_label("three", 2, |response| Some(response.status.as_str().to_owned().into()))
    });
    let app = Router::new().route("/", get(order)).layer(lookout.layer());
    send(listen(app).await, "/", &[]).await;
    let text = ended(&scrape, 1.0).await;
    check(&text, &[("three", "200")], 1.0);
    assert!(!text.contains("one=") && !text.contains("two="));
}

#[test]
fn any_number_of_values_makes_as_many_series_as_the_bounds_allow() {
    const REQUESTS: usize = 100_000;
    let (lookout, scrape) = start(|builder| {
        builder
            .request_label("tenant", 20, |request| header(request.headers, "x-tenant"))
            .response_label("cache", 1, |response| header(response.headers, "x-cache"))
    });
    let mut service = lookout.layer().layer(service_fn(|request: Request<()>| {
        let mut response = Response::new(Full::new(Bytes::new()));
        let cache = request.headers().get("x-cache").unwrap().clone();
        response.headers_mut().insert("x-cache", cache);
        ready(Ok::<_, Infallible>(response))
    }));
    for request in 0..REQUESTS {
        let random = request.wrapping_mul(2_654_435_761) % 1_000_003;
        let request = Request::builder().header("x-tenant", random).header("x-cache", random % 7);
        let response = service.call(request.body(()).unwrap()).now_or_never().unwrap();
        drop(response.unwrap());
    }
    let text = scrape.render();
    assert_eq!(sum(&text, COUNTER, &[]), REQUESTS as f64);
    let sets: Vec<_> = series(&text, COUNTER).collect();
    assert!(sets.len() <= 21 * 2, "{} series", sets.len());
    let tenants: BTreeSet<_> = sets
        .iter()
        .map(|(labels, _)| labels.split_once("tenant=\"").unwrap().1.split('"').next().unwrap())
        .collect();
    assert_eq!(tenants.len(), 21);
    assert_eq!(sum(&text, COUNTER, &[("tenant", "_OTHER")]), (REQUESTS - 20) as f64);
}

#[tokio::test]
async fn what_is_asked_of_others_has_labels_too() {
    let (lookout, scrape) = start(three_kinds);
    let address = listen(Router::new().route("/orders", get(order))).await;
    let client = lookout.client_layer("orders").layer(client());
    let request = Request::get(format!("http://{address}/orders")).header("x-tenant", "a");
    let response = client.oneshot(request.body(Empty::new()).unwrap()).await.unwrap();
    response.into_body().collect().await.unwrap();
    let text = scrape.render();
    let labels = [("dependency", "orders"), ("tenant", "a"), ("cache", "miss")];
    for name in ["http_client_requests_total", "http_client_request_duration_seconds_count"] {
        assert_eq!(sum(&text, name, &labels), 1.0, "{text}");
    }
}

fn ignoring(builder: LookoutBuilder) -> LookoutBuilder {
    builder.unwatched_responses(true).ignore_routes(["/healthz", "/files/{*path}", "/never"])
}

fn with_what_is_ignored() -> Router {
    Router::new()
        .route("/orders/{id}", get(|| async { "an order" }))
        .route("/healthz", any(|| async { "ok" }))
        .route("/files/{*path}", get(|| async { "a file" }))
        .route("/probe", get(|| async { (Extension(Unwatched), "ok") }))
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
        send(address, path, &[]).await;
    }
    let text = ended(&scrape, 1.0).await;
    check_ignored(&text, "/orders/{id}");
    // Nor does it after its age could have been told.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    check_ignored(&scrape.render(), "/orders/{id}");
}

#[tokio::test]
async fn around_a_router_what_is_left_out_leaves_nothing_either() {
    let (lookout, scrape) = start(ignoring);
    let router = with_what_is_ignored().layer(lookout.route_layer());
    let app = lookout.outer_layer().layer(router);
    for path in WHAT_IS_IGNORED {
        let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    check_ignored(&scrape.render(), "/orders/{id}");
}

#[tokio::test]
async fn routes_by_templates_and_by_a_closure_are_left_out_as_well() {
    let by_templates: fn(LookoutBuilder) -> LookoutBuilder =
        |builder| builder.routes(["/orders/{id}", "/files/{*path}", "/healthz"]);
    let by_closure: fn(LookoutBuilder) -> LookoutBuilder = |builder| {
        builder.route(|request| {
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
                response.extensions_mut().insert(Unwatched);
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
    send(address, "/probe", &[]).await;
    check(&ended(&scrape, 1.0).await, &[("http_route", "/probe")], 1.0);
}

#[test]
fn a_grpc_method_that_nobody_knew_is_forgotten_with_its_call() {
    let (lookout, scrape) = start(ignoring);
    let mut service = lookout.grpc_layer().layer(service_fn(|request: Request<()>| {
        let mut response = Response::new(Full::new(Bytes::new()));
        response.headers_mut().insert("grpc-status", "0".parse().unwrap());
        if request.uri().path().starts_with("/probe.") {
            response.extensions_mut().insert(Unwatched);
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
fn what_can_not_be_a_label_is_refused_with_the_field_and_the_mend() {
    let refused = |set: fn(LookoutBuilder) -> LookoutBuilder| {
        set(Lookout::builder()).start().unwrap_err().to_string()
    };
    let no_name = "is no name: use letters, digits and _, no digit first";
    for name in ["", "a-b", "1a", "ä"] {
        let error = Lookout::builder().handler_label(name, 1).start().unwrap_err().to_string();
        assert_eq!(error, format!("handler_label: {name:?} {no_name}"));
    }
    assert_eq!(
        refused(|builder| builder.request_label("le", 1, |_| None)),
        "request_label: \"le\" is a name that Prometheus keeps for itself: use another"
    );
    assert_eq!(
        refused(|builder| builder.response_label("http_route", 1, |_| None)),
        "response_label: \"http_route\" is a label that the metrics have already: use another name"
    );
    assert_eq!(
        refused(|builder| builder.handler_label("a", 1).response_label("a", 1, |_| None)),
        "response_label: \"a\" is given twice: leave one of them out"
    );
    assert_eq!(
        refused(|builder| builder.constant_label("a", "b").handler_label("a", 1)),
        "handler_label: \"a\" is given twice: leave one of them out"
    );
    for bound in [0, 1_001, usize::MAX] {
        let error = Lookout::builder().handler_label("a", bound).start().unwrap_err().to_string();
        assert_eq!(
            error,
            format!("handler_label: \"a\" has a bound of {bound}: give one from 1 to 1,000")
        );
    }
    assert_eq!(
        refused(|builder| builder.handler_label("a", 99).handler_label("b", 98)),
        "handler_label: the labels make 10100 sets of values, more than 10,000: lower their bounds"
    );
    let most = Lookout::builder().handler_label("a", 98).handler_label("b", 98).start();
    drop(most.unwrap());
    assert_eq!(
        refused(|builder| builder.ignore_routes(["/healthz", "unmatched"])),
        "ignore_routes: \"unmatched\" is no route: leave such requests out by .ignore(..)"
    );
}
