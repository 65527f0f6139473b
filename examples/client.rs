//! What a service asks of others, under watch: hyper-util's client and reqwest's, with retries, a
//! timeout, a limit and a rule, against an inventory that fails at times.
//!
//! `cargo run --example client --features hyper,reqwest`

#![expect(clippy::print_stdout, reason = "a person reads along")]

use std::{
    future,
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::get};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{net::TcpListener, sync::mpsc, time};
use tower::{
    BoxError, Layer, ServiceBuilder, ServiceExt,
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

    // reqwest's client, with the layer around it. What is asked for counts once its body is read.
    let reqwest = lookout.client_layer("inventory").layer(reqwest_client()?);
    for _ in 0..10 {
        let request = reqwest::Request::new(reqwest::Method::GET, url(inventory, "stock").parse()?);
        reqwest.clone().oneshot(request).await?.bytes().await?;
    }

    // hyper-util's, with what the caller gets watched outside of the retries, and each attempt inside.
    let patient = ServiceBuilder::new()
        .layer(lookout.client_layer("inventory"))
        .layer(RetryLayer::new(Again { left: 2 }))
        .layer(lookout.attempt_layer("inventory"))
        .layer(TimeoutLayer::new(Duration::from_millis(200)))
        .service(hyper.clone());
    for _ in 0..3 {
        let request = Request::get(url(inventory, "flaky")).body(Empty::new())?;
        patient.clone().oneshot(request).await?.into_body().collect().await?;
    }
    let request = Request::get(url(inventory, "never")).body(Empty::new())?;
    assert!(patient.oneshot(request).await.is_err(), "the timeout ends it");

    // Two at once through a limit of one: the second has to wait until the client is ready for it.
    let limited = ServiceBuilder::new()
        .layer(lookout.client_layer("inventory"))
        .layer(ConcurrencyLimitLayer::new(1))
        .service(hyper.clone());
    let ask = async || {
        let request = Request::get(url(inventory, "slow")).body(Empty::new())?;
        limited.clone().oneshot(request).await?.into_body().collect().await?;
        Ok::<_, BoxError>(())
    };
    tokio::try_join!(ask(), ask())?;

    // A port that was closed a moment ago.
    let nobody = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let payments = lookout.client_layer("payments").layer(hyper);
    let request = Request::get(url(nobody, "pay")).body(Empty::new())?;
    assert!(payments.oneshot(request).await.is_err(), "nobody listens");

    // An outage, of which the lookout speaks with its next tick.
    for _ in 0..40 {
        let request = reqwest::Request::new(reqwest::Method::GET, url(inventory, "down").parse()?);
        reqwest.clone().oneshot(request).await?.bytes().await?;
    }
    time::timeout(Duration::from_secs(5), told.recv()).await?;

    tell_ends(&scrape.render());
    lookout.shutdown().await;
    Ok(())
}

/// The upstream: `flaky` fails every other time, `slow` takes a while, `never` does not answer.
async fn inventory() -> Result<SocketAddr, BoxError> {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let flaky = || async {
        let is_up = ASKED.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        if is_up { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR }
    };
    let app = Router::new()
        .route("/stock", get(|| async { "7 in stock\n" }))
        .route("/flaky", get(flaky))
        .route("/slow", get(|| time::sleep(Duration::from_millis(100))))
        .route("/never", get(future::pending::<()>))
        .route("/down", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}

fn url(address: SocketAddr, path: &str) -> String {
    format!("http://{address}/{path}")
}

fn reqwest_client() -> Result<reqwest::Client, reqwest::Error> {
    // No TLS is spoken here, but a client with rustls is not built without a provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build()
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

fn tell_ends(text: &str) {
    let requests = "http_client_requests_total";
    tell(text, "What the caller got, after retries.", requests, r#"inventory",call="logical""#);
    tell(text, "What that took: each attempt counts.", requests, r#"call="attempt""#);
    tell(text, "What was asked of nobody.", requests, "payments");
    let errors = "http_client_request_duration_seconds_count";
    tell(text, "It never answered, so the timeout inside of the layer fired.", errors, "timeout");
    tell(text, "There was no connection.", errors, r#""connect""#);
    let wait = "http_client_ready_wait_seconds_count";
    tell(text, "The wait for the limit is kept apart from the request.", wait, "");
    tell(text, "The rule on this dependency fires.", "lookout_alert_state", "");
}

/// A sentence, and the series of a metric that it is about.
fn tell(text: &str, sentence: &str, metric: &str, label: &str) {
    println!("{sentence}");
    let is_it = |line: &&str| line.split('{').next() == Some(metric) && line.contains(label);
    for line in text.lines().filter(is_it) {
        println!("  {line}");
    }
    println!();
}
