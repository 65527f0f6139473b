//! Measures the overhead of the layer for a request, compared with a bare service and with two raw
//! clock reads, which are the physical limit. Runs on one thread and on two, on a bare tower stack
//! and in an axum router.
//!
//! After criterion's figures, the bench prints a verdict from interleaved rounds. The layer may add
//! at most twice the time of two raw clock reads alone. The bench also prints the time that the
//! reads add around the service. It is close to zero if the processor reads the clock while the
//! service waits for memory. For the same responses, gRPC and client layers may add at most 1.5
//! times as much as the HTTP server's layer. Without optimisation, or with `--test`, the bench only
//! checks that everything runs.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and may panic")]

use std::{
    collections::HashMap,
    convert::Infallible,
    hint::{self, black_box},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use axum::{Router, extract::Path, routing::get};
use criterion::{Criterion, criterion_group};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header::CONTENT_TYPE};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Bytes;
use pin_project_lite::pin_project;
use quanta::{Clock, Instant};
use tower::{Layer, Service, service_fn};
use tower_lookout::{Lookout, Rule};

/// A load, which runs the given number of requests.
type Load = Arc<dyn Fn(u64) + Send + Sync>;

fn poll_now<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("no future of this bench waits"),
    }
}

/// Creates a load of plain futures, such as database calls.
fn call_load<F>(call: impl Fn() -> F + Send + Sync + 'static) -> Load
where
    F: Future<Output = Result<(), Infallible>> + 'static,
{
    Arc::new(move |calls| {
        for _ in 0..calls {
            black_box(poll_now(call())).unwrap();
        }
    })
}

/// Reads a response to its end, like a server.
fn consume<B: Body<Error: std::fmt::Debug>>(response: Response<B>) {
    let mut body = pin!(response.into_body());
    while !body.is_end_stream() {
        let frame = body.as_mut().poll_frame(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Some(frame)) = frame else { break };
        black_box(frame.unwrap());
    }
}

fn bare()
-> impl Service<Request<()>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync {
    service_fn(|request: Request<()>| {
        black_box(request);
        std::future::ready(Ok(Response::new(Full::new(Bytes::from_static(b"ok")))))
    })
}

fn load<S, B>(service: S) -> Load
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    B: Body<Error: std::fmt::Debug>,
{
    Arc::new(move |requests| {
        let mut service = service.clone();
        for _ in 0..requests {
            consume(poll_now(service.call(Request::new(()))).unwrap());
        }
    })
}

/// Creates a service that returns a gRPC response: a message and its trailers.
fn grpc()
-> impl Service<Request<()>, Response = Response<Trailed>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync {
    service_fn(|request: Request<()>| {
        black_box(request);
        let mut response = Response::new(Trailed { frames: 0 });
        let kind = HeaderValue::from_static("application/grpc");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        std::future::ready(Ok(response))
    })
}

struct Trailed {
    frames: u8,
}

impl Body for Trailed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.frames += 1;
        Poll::Ready(match self.frames {
            1 => Some(Ok(Frame::data(Bytes::from_static(b"\0\0\0\0\x02ok")))),
            2 => {
                let mut trailers = HeaderMap::with_capacity(1);
                trailers.insert("grpc-status", HeaderValue::from_static("0"));
                Some(Ok(Frame::trailers(trailers)))
            }
            _ => None,
        })
    }
}

fn grpc_load<S, B>(service: S) -> Load
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    B: Body<Error: std::fmt::Debug>,
{
    Arc::new(move |requests| {
        let mut service = service.clone();
        for _ in 0..requests {
            let mut request = Request::new(());
            *request.method_mut() = Method::POST;
            *request.uri_mut() = Uri::from_static("/shop.Orders/Create");
            let kind = HeaderValue::from_static("application/grpc");
            request.headers_mut().insert(CONTENT_TYPE, kind);
            consume(poll_now(service.call(request)).unwrap());
        }
    })
}

/// A minimal layer that wraps the response's body.
#[derive(Clone)]
struct Wrap<S>(S);

pin_project! {
    struct WrapFuture<F> {
        #[pin]
        inner: F,
    }
}

pin_project! {
    struct WrapBody<B> {
        #[pin]
        inner: B,
    }
}

impl<S, R, B> Service<Request<R>> for Wrap<S>
where
    S: Service<Request<R>, Response = Response<B>>,
{
    type Response = Response<WrapBody<B>>;
    type Error = S::Error;
    type Future = WrapFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        WrapFuture { inner: self.0.call(request) }
    }
}

impl<F, B, E> Future for WrapFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<WrapBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.project().inner.poll(cx);
        polled.map_ok(|response| response.map(|inner| WrapBody { inner }))
    }
}

impl<B: Body> Body for WrapBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Two reads of the raw clock alone, since the waits of a service could hide their cost.
fn reads_alone() -> Load {
    let clock = Clock::new();
    Arc::new(move |requests| {
        for _ in 0..requests {
            let start = clock.raw();
            black_box(clock.raw().wrapping_sub(start));
        }
    })
}

/// Runs the bare service between two reads of the raw clock.
fn two_reads() -> Load {
    let (service, clock) = (bare(), Clock::new());
    Arc::new(move |requests| {
        let mut service = service.clone();
        for _ in 0..requests {
            let start = clock.raw();
            consume(poll_now(service.call(Request::new(()))).unwrap());
            black_box(clock.raw().wrapping_sub(start));
        }
    })
}

fn router() -> Router {
    Router::new().route("/orders/{id}", get(|Path(id): Path<u64>| async move { id.to_string() }))
}

fn axum_load(router: Router) -> Load {
    Arc::new(move |requests| {
        let mut router = router.clone();
        for _ in 0..requests {
            let request = Request::get("/orders/7").body(axum::body::Body::empty()).unwrap();
            consume(poll_now(router.call(request)).unwrap());
        }
    })
}

/// Adds a layer that does nothing, since axum allocates a few boxes for any layer.
fn no_op(router: Router) -> Router {
    router.layer(tower::layer::layer_fn(|inner| inner))
}

/// Measures the time of this number of requests on each thread.
///
/// New threads may share a core for some milliseconds, until the scheduler moves one of them. So
/// all threads warm up before the measurement starts.
fn run(load: &Load, threads: usize, requests: u64) -> Duration {
    const SETTLED: Duration = Duration::from_millis(12);
    let (begun, arrived) = (Instant::now(), AtomicUsize::new(0));
    thread::scope(|scope| {
        let runs: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    while threads > 1 && begun.elapsed() < SETTLED {
                        load(requests.min(1_000));
                    }
                    arrived.fetch_add(1, Ordering::SeqCst);
                    while arrived.load(Ordering::SeqCst) < threads {
                        hint::spin_loop();
                    }
                    let start = Instant::now();
                    load(requests);
                    start.elapsed()
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).max().unwrap()
    })
}

fn loads(lookout: &Lookout) -> Vec<(&'static str, Load)> {
    vec![
        ("bare", load(bare())),
        ("two raw clock reads, alone", reads_alone()),
        ("two raw clock reads", two_reads()),
        ("wrapped, not watched", load(Wrap(bare()))),
        ("watched", load(lookout.layer().layer(bare()))),
        ("watched, of a client", load(lookout.client_layer("inventory").layer(bare()))),
        ("watched, beside gRPC", load(lookout.grpc_layer().layer(bare()))),
        ("gRPC", grpc_load(grpc())),
        // These two have the same responses, of two frames and unknown length, so that only the
        // layers differ.
        ("gRPC, watched as HTTP", grpc_load(lookout.layer().layer(grpc()))),
        ("gRPC, watched", grpc_load(lookout.grpc_layer().layer(grpc()))),
        ("gRPC, watched, of a client", grpc_load(lookout.client_layer("echo").layer(grpc()))),
        ("future", call_load(|| std::future::ready(Ok::<_, Infallible>(())))),
        ("future, watched", {
            let dependency = lookout.dependency("postgres");
            call_load(move || {
                dependency.call("find_order", std::future::ready(Ok::<_, Infallible>(())))
            })
        }),
        ("axum", axum_load(router())),
        ("axum, no-op layer", axum_load(no_op(router()))),
        ("axum, wrapped", axum_load(router().layer(tower::layer::layer_fn(Wrap)))),
        ("axum, watched", axum_load(router().layer(lookout.layer()))),
    ]
}

fn lookout() -> Lookout {
    Lookout::builder().rules(Rule::defaults()).start().unwrap()
}

fn overhead(criterion: &mut Criterion) {
    let lookout = lookout();
    for threads in [1, 2] {
        let mut group = criterion.benchmark_group(format!("{threads} thread(s)"));
        for (name, load) in loads(&lookout) {
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|requests| run(&load, threads, requests));
            });
        }
    }
}

/// Measures the median time of a request for each load, by name, in nanoseconds. The rounds are
/// interleaved, so that a disturbance affects all loads.
fn medians(lookout: &Lookout, threads: usize) -> impl Fn(&str) -> f64 + use<> {
    const ROUNDS: usize = 61;
    const REQUESTS: u64 = 100_000;
    let loads = loads(lookout);
    let mut times = vec![Vec::new(); loads.len()];
    for _ in 0..ROUNDS {
        for ((_, load), times) in loads.iter().zip(&mut times) {
            times.push(run(load, threads, REQUESTS).as_secs_f64() * 1e9 / REQUESTS as f64);
        }
    }
    times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
    let names = loads.into_iter().map(|(name, _)| name);
    let medians: HashMap<_, _> =
        names.zip(times.iter().map(|times| times[times.len() / 2])).collect();
    move |name| medians[name]
}

/// Prints the overhead of each load, on one thread and on two.
fn verdict() {
    let lookout = lookout();
    for threads in [1, 2] {
        let time = medians(&lookout, threads);
        print_server(threads, &time);
        print_others(threads, &time);
    }
}

fn print_server(threads: usize, time: impl Fn(&str) -> f64) {
    let (bare, axum) = (time("bare"), time("axum"));
    let alone = time("two raw clock reads, alone");
    let reads = time("two raw clock reads") - bare;
    let added = time("watched") - bare;
    println!(
        "{threads} thread(s): bare {bare:.1} ns; two raw clock reads take {alone:.1} ns alone, and add \
         {reads:.1} ns; a layer that only wraps the response adds {:.1} ns; watching adds {added:.1} ns, \
         {:.2} times the reads alone (at most 2), {:.2} times the time that they add; in axum ({axum:.0} ns) \
         a no-op layer adds {:.1} ns, one that only wraps the response {:.1} ns, watching {:.1} ns",
        time("wrapped, not watched") - bare,
        added / alone,
        added / reads,
        time("axum, no-op layer") - axum,
        time("axum, wrapped") - axum,
        time("axum, watched") - axum,
    );
}

fn print_others(threads: usize, time: impl Fn(&str) -> f64) {
    let (bare, grpc) = (time("bare"), time("gRPC"));
    let added = time("watched") - bare;
    let client_call = time("watched, of a client");
    let client = client_call - bare;
    let beside = time("watched, beside gRPC") - bare;
    let future = time("future, watched");
    let as_http = time("gRPC, watched as HTTP") - grpc;
    let grpc_server = time("gRPC, watched") - grpc;
    let grpc_client = time("gRPC, watched, of a client") - grpc;
    println!(
        "{threads} thread(s): a client's layer adds {client:.1} ns, {:.2} times as much as a server's; beside \
         gRPC a server's adds {beside:.1} ns, {:.2} times as much; to gRPC's responses ({grpc:.0} ns) the HTTP \
         server's layer adds {as_http:.1} ns, gRPC's {grpc_server:.1} ns, {:.2} times as much, a client's \
         {grpc_client:.1} ns, {:.2} times as much (each at most 1.5); a watched future takes {future:.1} ns, \
         {:.2} times as much as a watched client's call of {client_call:.1} ns (at most 1)",
        client / added,
        beside / added,
        grpc_server / as_http,
        grpc_client / as_http,
        future / client_call,
    );
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = overhead
}

fn main() {
    let is_smoke = std::env::args().any(|argument| argument == "--test");
    benches();
    Criterion::default().configure_from_args().final_summary();
    if !is_smoke && !cfg!(debug_assertions) {
        verdict();
    }
}
