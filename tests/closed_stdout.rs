//! Standard output and standard error are pipes without a reader, so `tracing_subscriber::fmt`
//! panics at each line. The service continues.

#![cfg(all(feature = "axum", feature = "prometheus"))]
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test may stop")]

mod support;

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
    time::Duration,
};

use axum::{Router, routing::get};
use tower_lookout::observe::AccessLog;

use support::{Process, start, sum};

/// Set in the child process, which runs the server.
const SERVES: &str = "LOOKOUT_TEST_SERVES";

#[test]
fn a_service_continues_when_nobody_reads_its_log() {
    if env::var_os(SERVES).is_some() {
        serve();
        return;
    }
    let mut service = Process::spawn(
        Command::new(env::current_exe().unwrap())
            .args(["--exact", "a_service_continues_when_nobody_reads_its_log", "--nocapture"])
            .env(SERVES, "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
    );
    let output = BufReader::new(service.0.stdout.take().unwrap());
    let address = address(output);
    drop(service.0.stderr.take());

    for number in 0..5 {
        let response = request(address, &format!("/orders/{number}"));
        assert!(response.starts_with("HTTP/1.1 200 OK"), "request {number}: {response:?}");
    }
    // The request ends while the panic unwinds: a second panic would end the process.
    assert_eq!(request(address, "/panic"), "");
    let response = request(address, "/orders/5");
    assert!(response.starts_with("HTTP/1.1 200 OK"), "after the panic: {response:?}");

    let scrape = request(address, "/metrics");
    let counted = |outcome| sum(&scrape, "http_server_requests_total", &[("outcome", outcome)]);
    assert_eq!([counted("success"), counted("panicked")], [6.0, 1.0], "{scrape}");
    assert!(service.0.try_wait().unwrap().is_none(), "the service still runs");
}

/// Reads the address, and closes the pipe.
fn address(output: impl BufRead) -> SocketAddr {
    for line in output.lines().map(Result::unwrap) {
        if let Some((_, address)) = line.split_once("listens on ") {
            return address.parse().unwrap();
        }
    }
    panic!("the service does not listen");
}

/// Returns the whole response, or an empty string if the connection is closed without one.
fn request(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

async fn panics() -> &'static str {
    panic!("intended by the test")
}

#[tokio::main]
async fn serve() {
    tracing_subscriber::fmt().init();
    let (lookout, scrape) = start(|builder| builder);
    let app = Router::new()
        .route("/orders/{id}", get(|| async { "an order" }))
        .route("/panic", get(panics))
        .layer(lookout.layer().observer(AccessLog::json()))
        .route("/metrics", get(scrape));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("listens on {}", listener.local_addr().unwrap());
    axum::serve(listener, app).await.unwrap();
}
