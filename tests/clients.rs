//! Outbound HTTP requests over real sockets, with the clients of hyper-util and reqwest: waits,
//! retries, server addresses, and the user's labels and filters.

#![cfg(all(feature = "hyper", feature = "prometheus", feature = "reqwest"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use std::{
    future::ready,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, body::Body, extract::Path, routing::any};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy, rt::TokioExecutor};
use tokio::net::TcpListener;
use tower::{
    BoxError, Layer, ServiceBuilder, ServiceExt,
    limit::ConcurrencyLimitLayer,
    retry::{Policy, RetryLayer},
    service_fn,
};

use support::{eventually, start, sum};

/// Responds with the status in the path.
async fn upstream(Path(status): Path<u16>) -> Response<Body> {
    Response::builder().status(status).body(Body::from("1234567890")).unwrap()
}

async fn listen(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

#[tokio::test]
async fn a_watched_reqwest_client_has_reqwests_request_builder() {
    let (lookout, scrape) = start(|builder| builder);
    let echo = any(async |request: Request<Body>| {
        assert_eq!(request.headers()["authorization"], "Bearer t");
        assert_eq!(request.headers()["x-order"], "7");
        request.into_body()
    });
    let address = listen(Router::new().route("/echo", echo)).await;
    let client = lookout.client("inventory", reqwest_client());
    let url = format!("http://{address}/echo");
    let request = client.post(&url).bearer_auth("t").header("x-order", "7").body("an order");
    assert_eq!(request.send().await.unwrap().text().await.unwrap(), "an order");
    assert!(client.get("no url").send().await.unwrap_err().is_builder());
    let ended = [("dependency", "inventory"), ("call", "logical"), ("http_request_method", "POST")];
    assert_eq!(sum(&scrape.render(), "http_client_requests_total", &ended), 1.0);
    assert_eq!(sum(&scrape.render(), "http_client_requests_total", &[]), 1.0);
}

fn reqwest_client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Retries a 503 without limit.
#[derive(Clone)]
struct RetryForever;

impl Policy<Request<Empty<Bytes>>, Response<Body>, BoxError> for RetryForever {
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
async fn a_call_and_its_attempts_have_different_labels() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let app = Router::new().route(
        "/",
        any(move || {
            let is_up = attempts.fetch_add(1, Ordering::Relaxed) >= 2;
            async move {
                let status = if is_up { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                (status, "which the retry does not read")
            }
        }),
    );
    let address = listen(app).await;
    let (lookout, scrape) = start(|builder| builder);
    let client = legacy::Client::builder(TokioExecutor::new()).build_http();
    let service = ServiceBuilder::new()
        .layer(lookout.client_layer("inventory"))
        .map_response(|response: Response<Body>| response)
        .layer(RetryLayer::new(RetryForever))
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
    assert_eq!(counted("attempt", "failure"), 2.0, "{text}");
}

#[tokio::test]
async fn the_wait_for_a_client_is_not_part_of_the_calls_duration() {
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
    // The first client is ready and holds the only permit, so the second one has to wait.
    let mut holder = service.clone();
    holder.ready().await.unwrap();
    let waiting = tokio::spawn(service.clone().oneshot(Request::new(())));
    let holding = tokio::spawn(async move {
        released.recv().await.unwrap();
        drop(holder);
    });
    tokio::task::yield_now().await;
    assert!(begun.try_recv().is_err(), "called before it was ready");
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
async fn the_server_address_is_a_label_if_configured() {
    let address = listen(Router::new().route("/{status}", any(upstream))).await;
    let (lookout, scrape) = start(|builder| builder.server_address());
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
async fn the_server_address_is_case_insensitive() {
    let (lookout, scrape) = start(|builder| builder.server_address());
    let client = lookout.client_layer("upstream").layer(service_fn(|_: Request<()>| {
        ready(Ok::<_, BoxError>(Response::new(Empty::<Bytes>::new())))
    }));
    for host in ["Upstream.Example", "upstream.example", "UPSTREAM.EXAMPLE:80"] {
        let request = Request::get(format!("http://{host}/")).body(()).unwrap();
        client.clone().oneshot(request).await.unwrap();
    }
    let text = scrape.render();
    let labels = [("server_address", "upstream.example")];
    assert_eq!(sum(&text, "http_client_requests_total", &labels), 3.0, "{text}");
}

/// A buffer sends one request at a time, so the caller waits for its turn and gives up.
#[tokio::test]
async fn an_abandoned_wait_under_a_buffer_is_not_recorded_for_the_next_request() {
    let (lookout, scrape) = start(|builder| builder);
    let (respond, responds) = tokio::sync::watch::channel(false);
    let slow = service_fn(move |_: Request<()>| {
        let mut responds = responds.clone();
        async move {
            responds.wait_for(|responds| *responds).await.unwrap();
            Ok::<_, BoxError>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let service = ServiceBuilder::new()
        .buffer(4)
        .layer(lookout.client_layer("slow"))
        .layer(ConcurrencyLimitLayer::new(1))
        .service(slow);
    let first = tokio::spawn(service.clone().oneshot(Request::new(())));
    eventually(5, "in flight", || {
        let text = scrape.render();
        (sum(&text, "http_client_active_requests", &[]) == 1.0).then_some(())
    })
    .await;

    let gives_up = tokio::spawn(service.clone().oneshot(Request::new(())));
    while !gives_up.is_finished() {
        tokio::task::yield_now().await;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        gives_up.abort();
    }
    respond.send(true).unwrap();
    first.await.unwrap().unwrap();
    // The client is now ready and idle.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    service.oneshot(Request::new(())).await.unwrap();

    let text = scrape.render();
    assert_eq!(sum(&text, "http_client_requests_total", &[]), 2.0, "{text}");
    assert_eq!(sum(&text, "http_client_ready_wait_seconds_count", &[]), 0.0, "{text}");
}

#[tokio::test]
async fn reqwests_requests_have_the_users_labels() {
    let address = listen(Router::new().route("/{status}", any(upstream))).await;
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
async fn reqwests_requests_can_be_ignored() {
    let address = listen(Router::new().route("/{status}", any(upstream))).await;
    let (lookout, scrape) = start(|builder| builder.ignore(|request| request.uri.path() == "/204"));
    let client = lookout.client_layer("upstream").layer(reqwest_client());
    for path in ["200", "204"] {
        let url = format!("http://{address}/{path}").parse().unwrap();
        let request = reqwest::Request::new(Method::GET, url);
        client.clone().oneshot(request).await.unwrap().bytes().await.unwrap();
    }
    assert_eq!(sum(&scrape.render(), "http_client_requests_total", &[]), 1.0);
}
