//! Runs the example `order_service`, and checks how soon each fault leads to a message.

#![cfg(all(feature = "axum", feature = "prometheus", feature = "slack"))]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may stop, and prints its measurements"
)]

#[path = "support/receiver.rs"]
mod receiver;
mod support;

use std::{
    env,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::time::{Instant, sleep_until};

use receiver::Receiver;
use support::{Process, eventually};

struct OrderService {
    _process: Process,
    address: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// Returns the path where cargo puts the example, next to the tests.
fn executable() -> PathBuf {
    let test = env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples/order_service");
    assert!(path.is_file(), "build it first: cargo build -p order-service --example order_service");
    path
}

impl OrderService {
    fn start(slack: &str) -> Self {
        let mut process = Process::spawn(
            Command::new(executable())
                .arg("--manual")
                .env("PORT", "0")
                .env("SLACK_WEBHOOK_URL", slack)
                .env_remove("LOOKOUT_WINDOW_SECONDS")
                .stdout(Stdio::piped()),
        );
        let mut output = BufReader::new(process.0.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("order service on ").unwrap().to_owned();
        // Drain the output, so that the example never blocks on a full pipe.
        std::thread::spawn(move || for _ in output.lines() {});
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { _process: process, address, client }
    }

    async fn request(&self, method: Method, path: &str, body: &str) -> String {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.address))
            .header("content-type", "application/json")
            .body(Full::from(body.to_owned()))
            .unwrap();
        let response = self.client.request(request).await.unwrap();
        assert!(response.status().is_success(), "{path} {body}: {}", response.status());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }
}

/// Injects a fault. Expects one message of `rule` within the limit, and one resolve after the fault
/// ends.
async fn check_fault(fault: &str, rule: &str, within: Duration) {
    let receiver = Receiver::new([]);
    let service = OrderService::start(&receiver.serve().await);
    // Fill the window with healthy traffic.
    sleep_until(Instant::now() + Duration::from_secs(12)).await;
    assert!(receiver.posts().is_empty(), "no fault is injected yet");

    let injected = Instant::now();
    service.request(Method::POST, "/faults", fault).await;
    let of_rule = |state: &str| {
        let title = format!("[{state}] {rule} · orders");
        let posts = receiver.posts().into_iter();
        posts
            .filter(|post| post.titles().iter().any(|found| found.ends_with(&title)))
            .collect::<Vec<_>>()
    };
    let message = eventually(20, rule, || of_rule("FIRING").pop()).await;
    let took = message.at - injected;
    println!("{fault}: {rule} after {took:?}");
    assert!(took <= within, "{rule} fired after {took:?}, more than {within:?}");

    service.request(Method::DELETE, "/faults", "").await;
    eventually(60, "the resolve", || of_rule("RESOLVED").pop()).await;
    let is_over = |text: &str| support::sum(text, "lookout_alert_state", &[]) == 0.0;
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_over(&service.request(Method::GET, "/metrics", "").await) {
        assert!(Instant::now() < deadline, "an alert still fires");
        sleep_until(Instant::now() + Duration::from_millis(200)).await;
    }
    assert_eq!((of_rule("FIRING").len(), of_rule("RESOLVED").len()), (1, 1), "{rule}: once each");
}

#[tokio::test]
async fn an_error_ratio_of_20_percent_is_reported_within_2500_ms() {
    let within = Duration::from_millis(2_500);
    check_fault(r#"{"error_ratio": 0.2, "latency_ms": 0}"#, "HighErrorRatio", within).await;
}

#[tokio::test]
async fn a_latency_of_5_seconds_is_reported_within_10_seconds() {
    let within = Duration::from_secs(10);
    check_fault(r#"{"latency_ms": 5000}"#, "HighMeanLatency", within).await;
}

#[tokio::test]
async fn stuck_requests_are_reported_within_11500_ms_before_any_ends() {
    let within = Duration::from_millis(11_500);
    check_fault(r#"{"latency_ms": 60000}"#, "StuckRequests", within).await;
}

/// The caller gets a success, since the service accepts the order and loses its event afterwards.
#[tokio::test]
async fn a_lost_event_of_an_accepted_order_is_reported_with_its_cause() {
    let receiver = Receiver::new([]);
    let service = OrderService::start(&receiver.serve().await);
    service.request(Method::POST, "/faults", r#"{"broker_down": true}"#).await;
    service.request(Method::POST, "/orders", "").await;
    let message = eventually(5, "the lost event", || {
        let posts = receiver.posts().into_iter();
        posts
            .map(|post| post.body.to_string())
            .find(|text| text.contains("[FIRING] OrderEventLost"))
    })
    .await;
    assert!(
        message.contains("the event order-created was not sent: no broker answers"),
        "{message}"
    );
    assert!(message.contains("reported at examples/order_service/events.rs:"), "{message}");
    assert!(message.contains("order: "), "{message}");
    println!("{message}");
}

#[tokio::test]
async fn the_scrape_of_the_example_passes_promtool() {
    let service = OrderService::start(&Receiver::new([]).serve().await);
    support::check_with_promtool(&service.request(Method::GET, "/metrics", "").await);
}
