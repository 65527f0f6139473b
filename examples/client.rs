//! What a service asks of others, under watch: hyper-util's client and reqwest's, with retries, a
//! timeout, a limit and a rule, against an inventory that fails at times.
//!
//! `cargo run -p examples --example client`

#![expect(clippy::print_stdout, reason = "a person reads along")]

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
    let (alerts, mut told) = mpsc::unbounded_channel();
    let lookout = Lookout::builder()
        .service("orders")
        .rule(Rule::error_ratio().above(0.5).dependency("inventory").summary("Stock is unknown."))
        .on_alert(move |alert| {
            println!("{alert}\n");
            // Nobody listens once this is over.
            let _ = alerts.send(());
        })
        .start()?;
    let inventory = inventory().await?;
    let hyper = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();

    // reqwest's client, with the layer around it. An answer counts once its body is read.
    let reqwest = reqwest::Client::builder().no_proxy().build()?;
    let reqwest = lookout.client_layer("inventory").layer(reqwest);
    let stock = reqwest::Request::new(Method::GET, format!("{inventory}/stock").parse()?);
    for _ in 0..10 {
        let request = stock.try_clone().ok_or("there is no body")?;
        reqwest.clone().oneshot(request).await?.bytes().await?;
    }

    // hyper-util's, with the caller's requests watched outside of the retries, and attempts inside.
    let patient = ServiceBuilder::new()
        .layer(lookout.client_layer("inventory"))
        .layer(RetryLayer::new(Again { left: 2 }))
        .layer(lookout.attempt_layer("inventory"))
        .layer(TimeoutLayer::new(Duration::from_millis(200)))
        .service(hyper.clone());
    for _ in 0..3 {
        get(patient.clone(), &inventory, "flaky").await?;
    }
    assert!(get(patient.clone(), &inventory, "never").await.is_err(), "the timeout ends it");

    // Two at once through a limit of one: the second has to wait until the client is ready for it.
    let limited = ServiceBuilder::new()
        .layer(lookout.client_layer("inventory"))
        .layer(ConcurrencyLimitLayer::new(1))
        .service(hyper.clone());
    let slow = || get(limited.clone(), &inventory, "slow");
    tokio::try_join!(slow(), slow())?;

    // A port that was closed a moment ago.
    let closed = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let payments = lookout.client_layer("payments").layer(hyper);
    assert!(get(payments, &format!("http://{closed}"), "pay").await.is_err(), "nobody listens");

    // An outage, of which the lookout speaks with its next tick.
    for _ in 0..20 {
        get(patient.clone(), &inventory, "down").await?;
    }
    time::timeout(Duration::from_secs(5), told.recv()).await?;

    tell(&scrape.render());
    lookout.shutdown().await;
    Ok(())
}

/// The upstream: `flaky` fails every other time, `slow` takes a while, `never` does not answer.
async fn inventory() -> Result<String, BoxError> {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    const DOWN: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;
    let flaky = async || {
        let is_up = ASKED.fetch_add(1, Ordering::Relaxed) % 2 == 1;
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

/// Asks, and reads the answer to its end.
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

/// Tries again what failed with a status from 500 on.
#[derive(Clone)]
struct Again {
    left: usize,
}

impl<B, R: Clone, E> Policy<Request<R>, Response<B>, E> for Again {
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

/// Series of the scrape, with a sentence for each excerpt.
fn tell(scrape: &str) {
    let requests = "http_client_requests_total";
    let durations = "http_client_request_duration_seconds_count";
    let wait = "http_client_ready_wait_seconds_count";
    for (sentence, metric, label) in [
        ("What the caller got, after retries:", requests, r#"inventory",call="logical""#),
        ("What that took, each attempt:", requests, r#"call="attempt""#),
        ("It never answered, and the timeout inside of the layer fired:", durations, "timeout"),
        ("There was no connection:", durations, "payments"),
        ("The wait for the limit, which is no time of the request:", wait, ""),
        ("The rule fires, on this dependency:", "lookout_alert_state", ""),
    ] {
        println!("{sentence}");
        let is_it = |line: &&str| line.split('{').next() == Some(metric) && line.contains(label);
        scrape.lines().filter(is_it).for_each(|line| println!("  {line}"));
    }
}
