//! What a service asks of others, over real sockets: hyper-util's client and reqwest's, every way in
//! which a request can end, once; what waits, what is tried again, and where it goes.

#![cfg(all(feature = "hyper", feature = "prometheus", feature = "reqwest"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

#[path = "support/script.rs"]
mod script;
mod support;

use std::{
    future::{pending, ready},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::Path, routing::any};
use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy, rt::TokioExecutor};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tower::{
    BoxError, Layer, Service, ServiceBuilder, ServiceExt,
    limit::ConcurrencyLimitLayer,
    retry::{Policy, RetryLayer},
    service_fn,
    timeout::TimeoutLayer,
};
use tower_lookout::{Lookout, prometheus::Scrape};

use script::{Script, Step};
use support::{eventually, series, start, sum};

/// What the upstream does, by the path.
async fn upstream(Path(what): Path<String>) -> Response<Body> {
    let script = |steps: Vec<Step>| Response::new(Body::new(Script::new(steps)));
    match what.as_str() {
        "hang" => pending().await,
        "stream" => script(vec![Step::Data("12345"), Step::Data("67890")]),
        "trailers" => script(vec![Step::Data("12345"), Step::Trailers]),
        "stall" => script(vec![Step::Data("12345"), Step::Hang]),
        status => {
            let response = Response::builder().status(status.parse::<u16>().unwrap());
            response.body(Body::from("1234567890")).unwrap()
        }
    }
}

async fn listen(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Answers with half of what it announces, and closes the connection.
async fn breaks() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let _ = connection.read(&mut [0; 1024]).await;
            let half = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345";
            connection.write_all(half).await.unwrap();
        }
    });
    address
}

/// An address where nobody listens.
async fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[derive(Clone, Copy, Debug)]
enum Client {
    Hyper,
    Reqwest,
}

#[derive(Clone, Copy, PartialEq)]
enum Does {
    ReadsAll,
    LeavesBeforeTheHead,
    LeavesInTheBody,
}

struct Case {
    path: &'static str,
    method: Method,
    does: Does,
    /// Times out inside of the layer.
    times_out: bool,
    /// `http_response_status_code`, `outcome` and `error_type`.
    counted: [&'static str; 3],
}

fn case(path: &'static str, counted: [&'static str; 3]) -> Case {
    Case { path, method: Method::GET, does: Does::ReadsAll, times_out: false, counted }
}

const SUCCESS: [&str; 3] = ["200", "success", ""];

fn cases() -> Vec<Case> {
    vec![
        case("200", SUCCESS),
        case("stream", SUCCESS),
        case("trailers", SUCCESS),
        case("204", ["204", "success", ""]),
        case("304", ["304", "success", ""]),
        Case { method: Method::HEAD, ..case("200", SUCCESS) },
        case("404", ["404", "failure", "404"]),
        case("500", ["500", "failure", "500"]),
        case("break", ["200", "error", "connection_reset"]),
        case("refused", ["", "error", "connect"]),
        Case { times_out: true, ..case("hang", ["", "error", "timeout"]) },
        Case { does: Does::LeavesBeforeTheHead, ..case("hang", ["", "cancelled", "cancelled"]) },
        Case { does: Does::LeavesInTheBody, ..case("stall", ["200", "aborted", "aborted"]) },
    ]
}

/// Sends a request and reads the answer: all of it, or its first piece.
fn send(
    client: Client,
    lookout: &Lookout,
    case: &Case,
    url: String,
) -> BoxFuture<'static, Result<(), BoxError>> {
    let layer = lookout.client_layer("upstream");
    let timeout = TimeoutLayer::new(if case.times_out { Duration::from_millis(100) } else { LONG });
    let reads_all = case.does == Does::ReadsAll;
    match client {
        Client::Hyper => {
            let client = legacy::Client::builder(TokioExecutor::new()).build_http();
            let service = ServiceBuilder::new().layer(layer).layer(timeout).service(client);
            let request = Request::builder().method(case.method.clone()).uri(url);
            let request = request.body(Empty::<Bytes>::new()).unwrap();
            async move {
                let mut response = service.oneshot(request).await?;
                while let Some(frame) = response.frame().await {
                    frame?;
                    if !reads_all {
                        break;
                    }
                }
                Ok(())
            }
            .boxed()
        }
        Client::Reqwest => {
            let service = layer.layer(timed(reqwest_client(), timeout));
            let request = reqwest::Request::new(case.method.clone(), url.parse().unwrap());
            async move {
                let mut response = service.oneshot(request).await?;
                while response.chunk().await?.is_some() && reads_all {}
                Ok(())
            }
            .boxed()
        }
    }
}

fn reqwest_client() -> reqwest::Client {
    // No TLS is spoken here, but a client with rustls does not come to be without a provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

fn timed(
    client: reqwest::Client,
    timeout: TimeoutLayer,
) -> impl Service<reqwest::Request, Response = reqwest::Response, Error = BoxError, Future: Send> + Send
{
    timeout.layer(client)
}

const LONG: Duration = Duration::from_secs(60);

async fn check(title: &str, scrape: &Scrape, [status, outcome, error]: [&str; 3]) {
    let text = eventually(5, title, || {
        let text = scrape.render();
        let is_over = sum(&text, "http_client_requests_total", &[]) >= 1.0
            && sum(&text, "http_client_active_requests", &[]) == 0.0;
        is_over.then_some(text)
    })
    .await;
    let ended = |labels: &[_]| sum(&text, "http_client_requests_total", labels);
    let labels = [("dependency", "upstream"), ("call", "logical"), ("outcome", outcome)];
    assert_eq!((ended(&[]), ended(&labels)), (1.0, 1.0), "{title}: {text}");
    let durations: Vec<_> = series(&text, "http_client_request_duration_seconds_count")
        .filter(|(_, count)| *count > 0.0)
        .collect();
    let [(found, 1.0)] = durations[..] else { panic!("{title}: {durations:?}") };
    for (name, value) in [("http_response_status_code", status), ("error_type", error)] {
        let expected = format!("{name}=\"{value}\"");
        let holds =
            if value.is_empty() { !found.contains(name) } else { found.contains(&expected) };
        assert!(holds, "{title}: {expected} in {found}");
    }
    assert_eq!(sum(&text, "http_server_requests_total", &[]), 0.0, "{title}");
}

#[tokio::test]
async fn every_end_of_a_request_to_another_service_is_counted_once() {
    let address = listen(Router::new().route("/{what}", any(upstream))).await;
    let (refused, breaks) = (closed().await, breaks().await);
    for client in [Client::Hyper, Client::Reqwest] {
        for case in cases() {
            let (lookout, scrape) = start(|builder| builder);
            let host = match case.path {
                "refused" => refused,
                "break" => breaks,
                _ => address,
            };
            let title = format!("{client:?}: {} {}", case.method, case.path);
            let sent = send(client, &lookout, &case, format!("http://{host}/{}", case.path));
            if case.does == Does::LeavesBeforeTheHead {
                assert!(tokio::time::timeout(Duration::from_millis(200), sent).await.is_err());
            } else {
                let _ = sent.await;
            }
            check(&title, &scrape, case.counted).await;
        }
    }
}

/// Tries again what failed with 503, without end.
#[derive(Clone)]
struct Again;

impl Policy<Request<Empty<Bytes>>, Response<Body>, BoxError> for Again {
    type Future = std::future::Ready<()>;

    fn retry(
        &mut self,
        _request: &mut Request<Empty<Bytes>>,
        result: &mut Result<Response<Body>, BoxError>,
    ) -> Option<Self::Future> {
        let status = result.as_ref().ok()?.status();
        (status == StatusCode::SERVICE_UNAVAILABLE).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<Empty<Bytes>>) -> Option<Request<Empty<Bytes>>> {
        Some(request.clone())
    }
}

#[tokio::test]
async fn a_call_and_its_attempts_are_told_apart() {
    let asked = Arc::new(AtomicUsize::new(0));
    let app = Router::new().route(
        "/",
        any(move || {
            let is_up = asked.fetch_add(1, Ordering::Relaxed) >= 2;
            async move { if is_up { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE } }
        }),
    );
    let address = listen(app).await;
    let (lookout, scrape) = start(|builder| builder);
    let client = legacy::Client::builder(TokioExecutor::new()).build_http();
    let service = ServiceBuilder::new()
        .layer(lookout.client_layer("inventory"))
        .map_response(|response: Response<Body>| response)
        .layer(RetryLayer::new(Again))
        .map_response(|response: Response<_>| response.map(Body::new))
        .layer(lookout.attempt_layer("inventory"))
        .map_err(BoxError::from)
        .service(client);
    let request = Request::get(format!("http://{address}/")).body(Empty::<Bytes>::new()).unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    response.into_body().collect().await.unwrap();

    let text = scrape.render();
    let counted = |call, outcome| {
        let labels = [("dependency", "inventory"), ("call", call), ("outcome", outcome)];
        sum(&text, "http_client_requests_total", &labels)
    };
    assert_eq!([counted("logical", "success"), counted("logical", "failure")], [1.0, 0.0]);
    assert_eq!(counted("attempt", "success"), 1.0);
    assert_eq!(counted("attempt", "failure") + counted("attempt", "aborted"), 2.0, "{text}");
}

#[tokio::test]
async fn the_wait_for_a_client_that_is_not_ready_is_kept_apart_from_the_call() {
    let (lookout, scrape) = start(|builder| builder);
    let (release, mut released) = tokio::sync::mpsc::channel::<()>(2);
    let (began, mut begun) = tokio::sync::mpsc::channel::<()>(2);
    let slow = service_fn(move |_: Request<()>| {
        let began = began.clone();
        async move {
            began.send(()).await.unwrap();
            Ok::<_, BoxError>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let service = ServiceBuilder::new()
        .layer(lookout.client_layer("slow"))
        .layer(ConcurrencyLimitLayer::new(1))
        .service(slow);
    // The first one is ready and holds the only place, so that the second one has to wait.
    let mut holder = service.clone();
    holder.ready().await.unwrap();
    let waiting = tokio::spawn(service.clone().oneshot(Request::new(())));
    let holding = tokio::spawn(async move {
        released.recv().await.unwrap();
        drop(holder);
    });
    tokio::task::yield_now().await;
    assert!(begun.try_recv().is_err(), "nothing was called yet");
    release.send(()).await.unwrap();
    holding.await.unwrap();
    waiting.await.unwrap().unwrap();

    let text = scrape.render();
    let labels = [("dependency", "slow")];
    assert_eq!(sum(&text, "http_client_ready_wait_seconds_count", &labels), 1.0, "{text}");
    let waited = sum(&text, "http_client_ready_wait_seconds_sum", &labels);
    assert!(waited > 0.0, "{waited} s");
}

#[tokio::test]
async fn the_servers_address_is_told_where_that_is_asked_for() {
    let address = listen(Router::new().route("/{what}", any(upstream))).await;
    let (lookout, scrape) = start(|builder| builder.server_address(true));
    let client = lookout.client_layer("upstream").layer(reqwest_client());
    let request =
        reqwest::Request::new(Method::GET, format!("http://{address}/200").parse().unwrap());
    let response = client.oneshot(request).await.unwrap();
    assert_eq!(response.url().as_str(), format!("http://{address}/200"));
    assert_eq!(response.content_length(), Some(10));
    assert_eq!(response.text().await.unwrap(), "1234567890");
    let text = scrape.render();
    let labels = [("server_address", "127.0.0.1"), ("outcome", "success")];
    assert_eq!(sum(&text, "http_client_requests_total", &labels), 1.0, "{text}");
}

#[tokio::test]
async fn reqwests_requests_have_the_users_labels_too() {
    let address = listen(Router::new().route("/{what}", any(upstream))).await;
    let (lookout, scrape) = start(|builder| {
        builder
            .request_label("shelf", 2, |request| Some(request.uri.query()?.into()))
            .response_label("length", 2, |response| {
                response.headers.get("content-length")?.to_str().ok().map(Into::into)
            })
    });
    let client = lookout.client_layer("upstream").layer(reqwest_client());
    let url = format!("http://{address}/200?books").parse().unwrap();
    let response = client.oneshot(reqwest::Request::new(Method::GET, url)).await.unwrap();
    assert_eq!(response.text().await.unwrap(), "1234567890");
    let text = scrape.render();
    let labels = [("shelf", "books"), ("length", "10"), ("outcome", "success")];
    assert_eq!(sum(&text, "http_client_requests_total", &labels), 1.0, "{text}");
}

#[tokio::test]
async fn reqwests_requests_are_left_out_as_the_user_says() {
    let address = listen(Router::new().route("/{what}", any(upstream))).await;
    let (lookout, scrape) = start(|builder| builder.ignore(|request| request.uri.path() == "/204"));
    let client = lookout.client_layer("upstream").layer(reqwest_client());
    for path in ["200", "204"] {
        let url = format!("http://{address}/{path}").parse().unwrap();
        let request = reqwest::Request::new(Method::GET, url);
        client.clone().oneshot(request).await.unwrap().bytes().await.unwrap();
    }
    assert_eq!(sum(&scrape.render(), "http_client_requests_total", &[]), 1.0);
}
