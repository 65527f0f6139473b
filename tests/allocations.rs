//! In the steady state, a request allocates nothing on a bare tower stack. In axum, it allocates as
//! much as with any layer that wraps the body.

#![cfg(all(feature = "axum", feature = "prometheus"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod support;

use std::{
    convert::Infallible,
    pin::pin,
    task::{Context, Poll, Waker},
};

use axum::{
    Router,
    routing::{get, post},
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri};
use http_body::Body;
use http_body_util::Full;
use tower::{Layer, Service, service_fn};
use tower_http::metrics::InFlightRequestsLayer;

use tower_lookout::observe::RequestBody;

use support::{start, sum};

fn poll_now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("no future of this test waits"),
    }
}

/// Runs one request to its end.
fn exchange<S, ReqB, ResB>(service: &mut S, request: Request<ReqB>)
where
    S: Service<Request<ReqB>, Response = Response<ResB>, Error = Infallible>,
    ResB: Body<Error: std::fmt::Debug>,
{
    let mut body = pin!(poll_now(service.call(request)).unwrap().into_body());
    while !body.is_end_stream() {
        match body.as_mut().poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(frame)) => drop(frame.unwrap()),
            Poll::Ready(None) => break,
            Poll::Pending => panic!("no future of this test waits"),
        }
    }
}

const REQUESTS: u64 = 1_000;

fn allocations(mut requests: impl FnMut()) -> u64 {
    // The first request allocates its series.
    requests();
    allocation_counter::measure(|| (0..REQUESTS).for_each(|_| requests())).count_total
}

#[test]
fn a_request_on_a_bare_stack_allocates_nothing() {
    let (lookout, _scrape) = start(|builder| builder.route_fn(|_| Some("/orders/{id}".into())));
    let inner = service_fn(|_: Request<()>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"ok")))))
    });
    let mut watched = lookout.layer().layer(inner);
    assert_eq!(allocations(|| exchange(&mut watched, Request::new(()))), 0);
}

#[test]
fn labels_with_known_values_allocate_nothing() {
    let (lookout, scrape) = start(|builder| {
        builder
            .unwatched_responses()
            .ignore_routes(["/healthz"])
            .handler_label("plan", 10)
            .request_label("tenant", 20, |request| {
                request.headers.get("x-tenant")?.to_str().ok().map(Into::into)
            })
            .response_label("cache", 5, |response| {
                response.headers.get("x-cache")?.to_str().ok().map(Into::into)
            })
    });
    let inner = || {
        service_fn(|_: Request<()>| {
            let mut response = Response::new(Full::new(Bytes::from_static(b"ok")));
            response.headers_mut().insert("x-cache", HeaderValue::from_static("hit"));
            std::future::ready(Ok::<_, Infallible>(response))
        })
    };
    let labelled = || {
        let mut request = Request::new(());
        request.headers_mut().insert("x-tenant", HeaderValue::from_static("a"));
        request
    };
    let (mut bare, mut watched) = (inner(), lookout.layer().layer(inner()));
    let without = allocations(|| exchange(&mut bare, labelled()));
    assert_eq!(allocations(|| exchange(&mut watched, labelled())), without);
    let counted =
        sum(&scrape.render(), "http_server_requests_total", &[("tenant", "a"), ("cache", "hit")]);
    assert_eq!(counted, (REQUESTS + 1) as f64);
}

#[test]
fn a_grpc_call_allocates_as_much_as_without_a_layer() {
    let (lookout, _scrape) = start(|builder| builder);
    let inner = || {
        service_fn(|_: Request<()>| {
            let mut response = Response::new(Full::new(Bytes::new()));
            response.headers_mut().insert("grpc-status", HeaderValue::from_static("0"));
            std::future::ready(Ok::<_, Infallible>(response))
        })
    };
    let call = || {
        let mut request = Request::new(());
        *request.uri_mut() = Uri::from_static("/shop.Orders/Create");
        let kind = HeaderValue::from_static("application/grpc");
        request.headers_mut().insert("content-type", kind);
        request
    };
    let mut bare = inner();
    let without = allocations(|| exchange(&mut bare, call()));
    for layer in [lookout.grpc_layer(), lookout.client_layer("orders")] {
        let mut watched = layer.layer(inner());
        assert_eq!(allocations(|| exchange(&mut watched, call())), without);
    }
}

#[test]
fn a_call_to_a_dependency_allocates_nothing() {
    let (lookout, _scrape) = start(|builder| builder);
    let postgres = lookout.dependency("postgres").database("postgresql");
    let call = || {
        let result =
            poll_now(postgres.call("find_order", std::future::ready(Ok::<_, Infallible>(7))));
        assert_eq!(result.unwrap(), 7);
    };
    assert_eq!(allocations(call), 0);
}

#[test]
fn an_outer_layer_allocates_as_documented() {
    let (lookout, _scrape) = start(|builder| builder);
    let inner = || {
        service_fn(|request: Request<()>| {
            drop(request);
            std::future::ready(Ok::<_, Infallible>(Response::new(Full::new(Bytes::new()))))
        })
    };
    let with_an_extension = || {
        let mut request = Request::new(());
        request.extensions_mut().insert(7);
        request
    };
    let mut bare = inner();
    let mut outer = lookout.outer_layer().layer(inner());
    let without = allocations(|| exchange(&mut bare, with_an_extension()));
    let with = allocations(|| exchange(&mut outer, with_an_extension()));
    assert_eq!(with - without, 2 * REQUESTS, "the slot, and its entry in the extensions");
}

#[test]
fn counting_bodies_costs_one_allocation_per_request() {
    let (lookout, _scrape) = start(|builder| builder);
    let inner = service_fn(|_: Request<RequestBody<()>>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"ok")))))
    });
    let mut counted = lookout.layer().bodies().layer(inner);
    assert_eq!(allocations(|| exchange(&mut counted, Request::new(()))), REQUESTS);
}

#[test]
fn in_axum_only_a_request_with_a_body_costs_an_allocation() {
    let router = || Router::new().route("/orders", post(|body: Bytes| async { body }));
    let count = |router: Router, body: fn() -> axum::body::Body| {
        allocations(move || {
            let request = Request::post("/orders").body(body()).unwrap();
            exchange(&mut router.clone(), request);
        })
    };
    let (lookout, _scrape) = start(|builder| builder);
    let (in_flight, _) = InFlightRequestsLayer::pair();
    for (body, cost) in [
        (axum::body::Body::empty as fn() -> _, 0),
        (|| axum::body::Body::from(""), 0),
        (|| axum::body::Body::from("an order"), REQUESTS),
    ] {
        let other = count(router().layer(in_flight.clone()), body);
        let watched = count(router().layer(lookout.layer()), body);
        assert_eq!(watched, other + cost);
    }
}

#[test]
fn in_axum_a_request_allocates_as_much_as_with_any_layer_that_wraps_the_body() {
    let router = || Router::new().route("/orders/{id}", get(|| async { "an order" }));
    let count = |router: Router| {
        allocations(move || {
            let request = Request::get("/orders/7").body(axum::body::Body::empty()).unwrap();
            exchange(&mut router.clone(), request);
        })
    };
    let (lookout, _scrape) = start(|builder| builder);
    let (in_flight, _) = InFlightRequestsLayer::pair();
    let other = count(router().layer(in_flight));
    assert_eq!(count(router().layer(lookout.layer())), other);
}
