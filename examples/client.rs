//! Watches the outbound requests of a service through hyper-util's and reqwest's clients, with
//! retries, a timeout, a limit and a rule. The upstream, an inventory, sometimes fails.
//!
//! `cargo run -p examples --example client`

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::{
    future,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use axum::{Router, http::StatusCode, routing};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{net::TcpListener, sync::mpsc, time};
use tower::{
    BoxError, Layer, Service, ServiceBuilder, ServiceExt,
    limit::ConcurrencyLimitLayer,
    retry::{Policy, RetryLayer},
    timeout::TimeoutLayer,
};
use tower_lookout::{Lookout, Rule, prometheus};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let scrape = prometheus::install()?;
    let (alerts, mut received) = mpsc::unbounded_channel();
    let lookout = Lookout::builder()
        .service("orders")
        .rule(Rule::error_ratio().above(0.5).dependency("inventory").summary("Stock is unknown."))
        .on_alert(move |alert| {
            println!("{alert}\n");
            // The receiver is gone during the shutdown.
            let _ = alerts.send(());
        })
        .start()?;
    let inventory = inventory().await?;
    let hyper = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();

    // reqwest's client, with the layer around it. A response counts when its body has been read.
    let reqwest = reqwest::Client::builder().no_proxy().build()?;
    let reqwest = lookout.client_layer("inventory").layer(reqwest);
    let stock = reqwest::Request::new(Method::GET, format!("{inventory}/stock").parse()?);
    for _ in 0..10 {
        let request = stock.try_clone().ok_or("there is no body")?;
        reqwest.clone().oneshot(request).await?.bytes().await?;
    }

    // hyper-util's client. The outer layer watches the caller's requests, the inner one each
    // attempt.
    let patient = ServiceBuilder::new()
        .layer(lookout.client_layer("inventory"))
        .layer(RetryLayer::new(RetryServerErrors { left: 2 }))
        .layer(lookout.attempt_layer("inventory"))
        .layer(TimeoutLayer::new(Duration::from_millis(200)))
        .service(hyper.clone());
    for _ in 0..3 {
        get(patient.clone(), &inventory, "flaky").await?;
    }
    assert!(
        get(patient.clone(), &inventory, "never").await.is_err(),
        "the timeout ends the request"
    );

    // Two requests at once with a limit of one: the second waits until the client is ready.
    let limited = ServiceBuilder::new()
        .layer(lookout.client_layer("inventory"))
        .layer(ConcurrencyLimitLayer::new(1))
        .service(hyper.clone());
    let slow = || get(limited.clone(), &inventory, "slow");
    tokio::try_join!(slow(), slow())?;

    // A port without a listener.
    let closed = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let payments = lookout.client_layer("payments").layer(hyper);
    assert!(
        get(payments, &format!("http://{closed}"), "pay").await.is_err(),
        "there is no listener"
    );

    // An outage. The alert fires at the next tick.
    for _ in 0..20 {
        get(patient.clone(), &inventory, "down").await?;
    }
    time::timeout(Duration::from_secs(5), received.recv()).await?;

    print_series(&scrape.render());
    lookout.shutdown().await;
    Ok(())
}

/// The upstream: `flaky` fails every other time, `slow` takes 100 ms, `never` does not respond.
async fn inventory() -> Result<String, BoxError> {
    static REQUESTS: AtomicUsize = AtomicUsize::new(0);
    const DOWN: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;
    let flaky = async || {
        let is_up = REQUESTS.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        if is_up { StatusCode::OK } else { DOWN }
    };
    let app = Router::new()
        .route("/stock", routing::get("7 in stock\n"))
        .route("/flaky", routing::get(flaky))
        .route("/slow", routing::get(|| time::sleep(Duration::from_millis(100))))
        .route("/never", routing::get(future::pending::<()>))
        .route("/down", routing::get(DOWN));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(format!("http://{address}"))
}

/// Sends a request, and reads the response to its end.
async fn get<S, B>(client: S, server: &str, path: &str) -> Result<(), BoxError>
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error: Into<BoxError>>,
    B: Body<Error: Into<BoxError>>,
{
    let request = Request::get(format!("{server}/{path}")).body(Empty::new())?;
    let response = client.oneshot(request).await.map_err(Into::into)?;
    response.into_body().collect().await.map_err(Into::into)?;
    Ok(())
}

/// Retries responses with a status from 500 on.
#[derive(Clone)]
struct RetryServerErrors {
    left: usize,
}

impl<B, R: Clone, E> Policy<Request<R>, Response<B>, E> for RetryServerErrors {
    type Future = future::Ready<()>;

    fn retry(
        &mut self,
        _request: &mut Request<R>,
        result: &mut Result<Response<B>, E>,
    ) -> Option<Self::Future> {
        let is_failure = result.as_ref().is_ok_and(|response| response.status().is_server_error());
        self.left = self.left.checked_sub(usize::from(is_failure))?;
        is_failure.then(|| future::ready(()))
    }

    fn clone_request(&mut self, request: &Request<R>) -> Option<Request<R>> {
        Some(request.clone())
    }
}

/// Prints series of the scrape, each excerpt with a heading.
fn print_series(scrape: &str) {
    let requests = "http_client_requests_total";
    let durations = "http_client_request_duration_seconds_count";
    let wait = "http_client_ready_wait_seconds_count";
    for (heading, metric, label) in [
        (
            "The responses that the caller got, after retries:",
            requests,
            r#"inventory",call="logical""#,
        ),
        ("Each attempt:", requests, r#"call="attempt""#),
        (
            "A request without a response, ended by the timeout inside the layer:",
            durations,
            "timeout",
        ),
        ("A request without a connection:", durations, "payments"),
        ("The wait for the limit, which is not part of the duration:", wait, ""),
        ("The rule fires for this dependency:", "lookout_alert_state", ""),
    ] {
        println!("{heading}");
        let matches = |line: &&str| line.split('{').next() == Some(metric) && line.contains(label);
        scrape.lines().filter(matches).for_each(|line| println!("  {line}"));
    }
}
