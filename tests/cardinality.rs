//! Whatever clients send, the number of series and the memory stay within their limits. Requests
//! beyond a limit are visible, and promtool accepts all metrics.

#![cfg(feature = "prometheus")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod support;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{Empty, Full};
use tower::{Layer, Service, service_fn};
use tower_lookout::{
    Preset,
    observe::{HttpAndGrpc, LookoutLayer},
};

use support::{check_with_promtool, series, start, sum};

fn poll_now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("no future of this test waits"),
    }
}

/// Pseudo-random numbers with a fixed seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

type ResponseFuture = Ready<Result<Response<Full<&'static [u8]>>, Infallible>>;

/// Responds to HTTP with the requested status, and to gRPC like a server with few methods or none.
fn respond(request: Request<Empty<&'static [u8]>>) -> ResponseFuture {
    let mut response = Response::new(Full::new(&b""[..]));
    if request.headers().contains_key("content-type") {
        let is_known = request.uri().path().starts_with("/shop.");
        let status = if is_known { "0" } else { "12" };
        response.headers_mut().insert("grpc-status", status.parse().unwrap());
    } else {
        let status: u16 = request.headers()["x-status"].to_str().unwrap().parse().unwrap();
        *response.status_mut() = status.try_into().unwrap();
    }
    ready(Ok(response))
}

fn random_request(random: &mut Random) -> Request<Empty<&'static [u8]>> {
    let (host, path) = (random.below(1_000_000), random.below(1_000_000));
    let request = Request::builder();
    let request = match random.below(4) {
        0 => request.method(Method::from_bytes(format!("M{path}").as_bytes()).unwrap()),
        1 => request.method(Method::POST),
        _ => request,
    };
    let request = match random.below(3) {
        0 => {
            let service = if random.below(2) == 0 { format!("s{path}") } else { "shop".to_owned() };
            request
                .uri(format!("http://h{host}/{service}.Orders/M{}", path % 20))
                .header("content-type", "application/grpc")
        }
        _ => request
            .uri(format!("http://h{host}/{path}?q={host}"))
            .header("x-status", 100 + random.below(900)),
    };
    request.header("user-agent", format!("agent {path}")).body(Empty::new()).unwrap()
}

fn send(layer: LookoutLayer<HttpAndGrpc>, random: &mut Random, requests: u64) {
    let mut service = layer.layer(service_fn(respond));
    for _ in 0..requests {
        let response = poll_now(service.call(random_request(random))).unwrap();
        let mut body = pin!(response.into_body());
        while let Poll::Ready(Some(_)) =
            body.as_mut().poll_frame(&mut Context::from_waker(Waker::noop()))
        {}
    }
}

#[test]
fn a_million_requests_with_random_names_keep_series_and_memory_within_the_limits() {
    let (lookout, scrape) = start(|builder| builder.max_operations(100).server_address());
    let layers = [lookout.grpc_layer(), lookout.client_layer("anybody")];
    let mut random = Random(1);
    let lines = || scrape.render().lines().filter(|line| !line.starts_with('#')).count();
    let mut round = |requests| {
        let used = allocation_counter::measure(|| {
            for layer in layers {
                send(layer, &mut random, requests);
            }
        });
        (used.bytes_current, lines())
    };
    let (_, first) = round(100_000);
    let (kept, last) = round(400_000);
    assert!(
        last <= first + first / 20,
        "{first} series lines after 200,000 requests, {last} after a million"
    );
    assert!(kept < 1 << 20, "{kept} bytes more are held after 800,000 requests");

    let text = scrape.render();
    let all: f64 = [
        "http_server_requests_total",
        "http_client_requests_total",
        "rpc_server_calls_total",
        "rpc_client_calls_total",
    ]
    .map(|name| sum(&text, name, &[]))
    .iter()
    .sum();
    assert_eq!(all, 1_000_000.0, "each request is counted");
    assert!(sum(&text, "lookout_overflowed_requests_total", &[]) > 0.0, "the overflow is visible");
    assert!(text.contains(r#"http_request_method="_OTHER",http_route="unmatched""#));
    let unknown = [("rpc_method", "_OTHER"), ("rpc_response_status_code", "UNIMPLEMENTED")];
    assert!(sum(&text, "rpc_server_calls_total", &unknown) > 0.0);
    assert!(!text.contains("agent"), "data of a client is not a label");
    check_with_promtool(&text);
}

#[test]
fn with_each_preset_the_series_stay_within_the_limit() {
    const OPERATIONS: usize = 20;
    // One series per status up to the limit, one per class for the rest, and one without a status.
    const ENDS: usize = 64 + 9 + 1;

    let http = ["http_server_requests_total", "http_client_requests_total"];
    let rpc = ["rpc_server_calls_total", "rpc_client_calls_total"];
    let active = ["http_server_active_requests", "rpc_server_active_calls"];
    let spring = ["http_server_requests_seconds_count", "http_client_requests_seconds_count"];
    let axum = ["axum_http_requests_total", "http_client_requests_total"];
    let pending = ["axum_http_requests_pending", "rpc_server_active_calls"];
    let go = ["grpc_server_handled_total", "grpc_client_handled_total"];
    for (preset, http, rpc, active) in [
        (Preset::OpenTelemetry, http, rpc, active),
        (Preset::SpringBoot, spring, rpc, active),
        (Preset::AxumPrometheus, axum, rpc, pending),
        (Preset::GoGrpcMiddleware, http, go, active),
    ] {
        let (lookout, scrape) =
            start(|builder| builder.preset(preset).max_operations(OPERATIONS).server_address());
        let mut random = Random(2);
        for layer in [lookout.grpc_layer(), lookout.client_layer("anybody")] {
            send(layer, &mut random, 10_000);
        }
        let text = scrape.render();
        let all = || http.iter().chain(&rpc);
        let counted: f64 = all().map(|name| sum(&text, name, &[])).sum();
        assert_eq!(counted, 20_000.0, "{preset:?}: each request is counted");
        for name in all() {
            // One further operation counts the overflow.
            let found = series(&text, name).count();
            assert!(found <= (OPERATIONS + 1) * ENDS, "{preset:?}: {found} series of {name}");
        }
        let operations: usize = active.iter().map(|name| series(&text, name).count()).sum();
        assert!((1..=OPERATIONS + 2).contains(&operations), "{preset:?}: {operations} gauges");
        assert!(sum(&text, "lookout_overflowed_requests_total", &[]) > 0.0, "{preset:?}");
        check_with_promtool(&text);
    }
}
