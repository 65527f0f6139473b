//! `max_memory` bounds a lookout for any traffic on any number of threads: every request is
//! counted, with less detail above the limit.

#![cfg(feature = "prometheus")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod support;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    io,
    pin::pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll, Waker},
    thread,
};

use http::{Request, Response};
use http_body_util::Empty;
use tower::{Layer, Service, service_fn};
use tower_lookout::{Lookout, LookoutBuilder};

use support::{start, sum};

const OPERATIONS: u16 = 1_000;
const STATUSES: u16 = 64;
const ALL: f64 = OPERATIONS as f64 * STATUSES as f64;

/// Returns one of 64 statuses: 440 to 463, and 500 to 539, which are failures.
fn status(of: u16) -> u16 {
    if of < 24 { 440 + of } else { 500 + of - 24 }
}

const FAILURES: f64 = OPERATIONS as f64 * 40.0;

fn poll_now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("no future of this test waits"),
    }
}

type ResponseFuture = Ready<Result<Response<Empty<&'static [u8]>>, Infallible>>;

fn respond(request: Request<()>) -> ResponseFuture {
    let status: u16 = request.headers()["x-status"].to_str().unwrap().parse().unwrap();
    ready(Ok(Response::builder().status(status).body(Empty::new()).unwrap()))
}

/// Sends a request for each operation and status.
fn send_all(lookout: &Lookout) {
    let mut service = lookout.layer().layer(service_fn(respond));
    for nth in 0..STATUSES {
        for operation in 0..OPERATIONS {
            let request = Request::get(format!("/{operation}")).header("x-status", status(nth));
            poll_now(service.call(request.body(()).unwrap())).unwrap();
        }
    }
}

/// The log of all lookouts in this process.
static LOG: Mutex<String> = Mutex::new(String::new());

struct Log;

impl io::Write for Log {
    fn write(&mut self, written: &[u8]) -> io::Result<usize> {
        let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_str(&String::from_utf8_lossy(written));
        Ok(written.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn by_path(builder: LookoutBuilder) -> LookoutBuilder {
    builder.route_fn(|request| Some(request.uri.path().into()))
}

fn used(text: &str) -> f64 {
    sum(text, "lookout_memory_bytes", &[])
}

/// Asserts that every request is counted with its outcome, and that none is in flight.
fn check_totals(text: &str, times: f64) {
    let count = |labels: &[(&str, &str)]| sum(text, "http_server_requests_total", labels);
    assert_eq!(count(&[]), times * ALL);
    assert_eq!(count(&[("outcome", "failure")]), times * FAILURES);
    assert_eq!(count(&[("status_class", "5xx")]), times * FAILURES);
    for histogram in
        ["http_server_request_duration_seconds", "http_server_response_head_duration_seconds"]
    {
        assert_eq!(sum(text, &format!("{histogram}_count"), &[]), times * ALL, "{histogram}");
    }
    assert_eq!(sum(text, "http_server_active_requests", &[]), 0.0);
}

#[test]
fn a_thousand_operations_with_64_statuses_on_many_threads_stay_below_the_limit() {
    const THREADS: usize = 3;
    const MAX: usize = 24 << 20;
    tracing_subscriber::fmt().with_ansi(false).with_writer(|| Log).init();
    let (lookout, scrape) = start(|builder| by_path(builder).max_memory(MAX));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| send_all(&lookout));
        }
    });
    let text = scrape.render();
    check_totals(&text, THREADS as f64);
    // Each thread may exceed the limit by a few shared series.
    let used = used(&text);
    assert!(used > MAX as f64 / 2.0 && used < MAX as f64 * 1.05, "{used} of {MAX} bytes");
    assert!(
        sum(&text, "lookout_overflowed_requests_total", &[]) > 0.0,
        "a counter shows the limit"
    );
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    let of_this = format!("max_memory={MAX}");
    let warnings: Vec<_> = log.lines().filter(|line| line.contains(&of_this)).collect();
    assert!(matches!(warnings[..], [one] if one.contains("WARN")), "{warnings:?}");
}

#[test]
fn label_values_above_the_limit_share_a_series() {
    const MAX: usize = 4 << 20;
    let (lookout, scrape) = start(|builder| {
        builder.max_memory(MAX).request_label("tenant", 1_000, |request| {
            request.headers.get("x-tenant")?.to_str().ok().map(Into::into)
        })
    });
    let mut service = lookout.layer().layer(service_fn(respond));
    for tenant in 0..1_000 {
        for status in [200, 500, 503] {
            let request = Request::get("/").header("x-status", status).header("x-tenant", tenant);
            poll_now(service.call(request.body(()).unwrap())).unwrap();
        }
    }
    let text = scrape.render();
    let count = |labels: &[(&str, &str)]| sum(&text, "http_server_requests_total", labels);
    assert_eq!((count(&[]), count(&[("outcome", "failure")])), (3_000.0, 2_000.0));
    assert!(used(&text) < MAX as f64 * 1.05, "{} bytes", used(&text));
    let shared = [("http_route", "unmatched"), ("http_response_status_code", "_OTHER")];
    assert!(sum(&text, "http_server_request_duration_seconds_count", &shared) > 0.0);
}
