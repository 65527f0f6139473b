//! Custom labels from the request, the response or a handler, each with a bounded number of values.

#![cfg(all(feature = "axum", feature = "prometheus"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod support;

use std::{
    collections::BTreeSet, convert::Infallible, future::ready, net::SocketAddr, time::Duration,
};

use axum::{Extension, Router, response::IntoResponse, routing::get};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_lookout::{Lookout, LookoutBuilder, Preset, observe::Labels, prometheus::Scrape};

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

/// Sends a request and reads its whole response.
async fn send(address: SocketAddr, path: &str, headers: &[(&str, &str)]) {
    let mut request = Request::get(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = client().request(request.body(Empty::new()).unwrap()).await.unwrap();
    response.into_body().collect().await.unwrap();
}

/// Waits until this many requests have ended and none is in flight, and returns the scrape.
async fn ended(scrape: &Scrape, requests: f64) -> String {
    let is_over = |text: &String| {
        let active = sum(text, "http_server_active_requests", &[]);
        (sum(text, COUNTER, &[]), active) == (requests, 0.0)
    };
    eventually(5, "the ends", || Some(scrape.render()).filter(is_over)).await
}

/// Fails unless the counter and the histogram have `count` requests with these labels.
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
        None => Labels::new().with("unheard_of", "not configured"),
    };
    ([("x-cache", "miss")], Extension(plan), "an order")
}

#[tokio::test]
async fn labels_of_each_source_are_on_the_counter_and_the_histogram() {
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
        // Beyond the limit of two values.
        ("/stock", &[("x-tenant", "c")]),
        ("/stock", &[("x-tenant", "d")]),
        ("/stock", &[("x-tenant", "_OTHER")]),
        ("/stock", &[("x-tenant", "a")]),
        // An empty value is the same as no value.
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
        assert!(
            line.starts_with("http_server_request"),
            "only metrics of ended requests have labels: {line}"
        );
        assert!(!line.contains("\"\""), "an absent value must not be an empty label: {line}");
    }
    assert!(!text.contains("unheard_of"));
    support::check_with_promtool(&text);
}

#[tokio::test]
async fn custom_labels_work_with_each_preset() {
    for (preset, names) in [
        (Preset::SpringBoot, &["http_server_requests_seconds_count"][..]),
        (
            Preset::AxumPrometheus,
            &["axum_http_requests_total", "axum_http_requests_duration_seconds_count"],
        ),
    ] {
        let (lookout, scrape) = start(|builder| three_kinds(builder.preset(preset)));
        let app = Router::new().route("/orders", get(order)).layer(lookout.layer());
        let address = listen(app).await;
        for tenant in ["a", "b", "b"] {
            send(address, "/orders", &[("x-tenant", tenant), ("x-plan", "gold")]).await;
        }
        eventually(5, "the ends", || {
            let text = scrape.render();
            let count = |name: &str, tenant| {
                let labels = [("tenant", tenant), ("cache", "miss"), ("plan", "gold")];
                sum(&text, name, &labels)
            };
            let is_right = |name: &&str| (count(name, "a"), count(name, "b")) == (1.0, 2.0);
            names.iter().all(is_right).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_request_without_a_response_has_only_its_request_labels() {
    let (lookout, scrape) = start(three_kinds);
    let app = Router::new()
        .route("/hang", get(std::future::pending::<&str>))
        .route("/panic", get(|| async { panic!("intended by the test") as &str }))
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
async fn a_label_closure_that_panics_omits_its_label_and_the_request_succeeds() {
    let (lookout, scrape) = start(|builder| {
        builder
            .request_label("one", 2, |_| panic!("intended by the test"))
            .response_label("two", 2, |_| panic!("intended by the test"))
            .response_label("three", 2, |response| Some(response.status.as_str().to_owned().into()))
    });
    let app = Router::new().route("/", get(order)).layer(lookout.layer());
    send(listen(app).await, "/", &[]).await;
    let text = ended(&scrape, 1.0).await;
    check(&text, &[("three", "200")], 1.0);
    assert!(!text.contains("one=") && !text.contains("two="));
}

#[test]
fn the_number_of_series_is_bounded_by_the_label_limits() {
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
async fn outgoing_requests_have_custom_labels() {
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

#[test]
fn an_invalid_label_is_rejected_with_the_field_and_a_fix() {
    let rejected = |set: fn(LookoutBuilder) -> LookoutBuilder| {
        set(Lookout::builder()).start().unwrap_err().to_string()
    };
    let no_name = "is not a label name: use letters, digits and _, no digit first";
    for name in ["", "a-b", "1a", "ä"] {
        let error = Lookout::builder().handler_label(name, 1).start().unwrap_err().to_string();
        assert_eq!(error, format!("handler_label: {name:?} {no_name}"));
    }
    assert_eq!(
        rejected(|builder| builder.request_label("le", 1, |_| None)),
        "request_label: Prometheus reserves \"le\": use another name"
    );
    assert_eq!(
        rejected(|builder| builder.response_label("http_route", 1, |_| None)),
        "response_label: the metrics already have the label \"http_route\": use another name"
    );
    assert_eq!(
        rejected(|builder| builder.handler_label("a", 1).response_label("a", 1, |_| None)),
        "response_label: \"a\" is declared twice: remove one"
    );
    assert_eq!(
        rejected(|builder| builder.constant_label("a", "b").handler_label("a", 1)),
        "handler_label: \"a\" is declared twice: remove one"
    );
    for limit in [0, 1_001, usize::MAX] {
        let error = Lookout::builder().handler_label("a", limit).start().unwrap_err().to_string();
        assert_eq!(
            error,
            format!("handler_label: \"a\" has a limit of {limit} values: use one from 1 to 1,000")
        );
    }
    assert_eq!(
        rejected(|builder| builder.handler_label("a", 99).handler_label("b", 98)),
        "handler_label: the labels have 10100 combinations of values, more than 10,000: lower their limits"
    );
    let most = Lookout::builder().handler_label("a", 98).handler_label("b", 98).start();
    drop(most.unwrap());
}
