//! Watches a tonic server and a tonic client in one process. Prints the counts of each call on both
//! sides, and the metrics of a stream while it is open.
//!
//! `cargo run -p examples --example tonic`

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::{error::Error, time::Duration};

use futures_util::stream;
use tokio::{net::TcpListener, time};
use tonic::{
    Code,
    transport::{Endpoint, Server, server::TcpIncoming},
};
use tonic_health::{
    ServingStatus,
    pb::{FILE_DESCRIPTOR_SET, HealthCheckRequest, health_client::HealthClient},
};
use tonic_reflection::pb::{v1, v1alpha};
use tower::ServiceBuilder;
use tower_lookout::{
    Lookout,
    prometheus::{self, Scrape},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let scrape = prometheus::install()?;
    let lookout = Lookout::builder().service("health").start()?;

    // The server: one layer for all of its services.
    let (reporter, health) = tonic_health::server::health_reporter();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = Server::builder()
        .layer(lookout.grpc_layer())
        .add_service(health)
        .add_service(reflection)
        .serve_with_incoming(TcpIncoming::from(listener));
    let server = tokio::spawn(server);

    // The client: the layer goes around the channel, and the generated client around both.
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
    let channel = ServiceBuilder::new().layer(lookout.client_layer("health")).service(channel);
    let mut client = HealthClient::new(channel.clone());

    // Unary calls: three succeed, and one requests an unknown service.
    reporter.set_service_status("orders", ServingStatus::Serving).await;
    for _ in 0..3 {
        client.check(about("orders")).await?;
    }
    let not_found = client.check(about("payments")).await;
    assert_eq!(not_found.map_err(|status| status.code()).err(), Some(Code::NotFound));

    // A bidirectional call, and one to a service that this server does not have.
    let mut listing = v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let requests = stream::iter(["", "grpc.health.v1.Health"].map(list_services));
    let mut lists = listing.server_reflection_info(requests).await?.into_inner();
    while lists.message().await?.is_some() {}
    let mut old = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let unknown = old.server_reflection_info(stream::empty()).await;
    assert_eq!(unknown.map_err(|status| status.code()).err(), Some(Code::Unimplemented));

    // A stream with a message at the start and at each change, until the client drops it.
    let mut changes = client.watch(about("orders")).await?.into_inner();
    changes.message().await?;
    for status in [ServingStatus::NotServing, ServingStatus::Serving] {
        reporter.set_service_status("orders", status).await;
        changes.message().await?;
    }
    print_series(&scrape.render(), &WHILE_OPEN);

    drop(changes);
    print_series(&time::timeout(Duration::from_secs(5), all_ended(&scrape)).await?, &AT_THE_END);
    server.abort();
    lookout.shutdown().await;
    Ok(())
}

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

fn list_services(of: &str) -> v1::ServerReflectionRequest {
    let list = v1::server_reflection_request::MessageRequest::ListServices(of.to_owned());
    v1::ServerReflectionRequest { host: String::new(), message_request: Some(list) }
}

/// Waits until the server has noticed that its client has disconnected, and returns the scrape.
async fn all_ended(scrape: &Scrape) -> String {
    let mut pace = time::interval(Duration::from_millis(10));
    loop {
        pace.tick().await;
        let text = scrape.render();
        let is_active = |line: &str| line.starts_with("rpc_server_active_calls{");
        if text.lines().filter(|line| is_active(line)).all(|line| line.ends_with(" 0")) {
            return text;
        }
    }
}

/// Prints series of the scrape with a label, each excerpt with a heading.
fn print_series(scrape: &str, excerpts: &[[&str; 3]]) {
    for [heading, metric, label] in excerpts {
        println!("{heading}");
        let matches = |line: &&str| line.split('{').next() == Some(metric) && line.contains(label);
        scrape.lines().filter(matches).for_each(|line| println!("  {line}"));
    }
}

const WHILE_OPEN: [[&str; 3]; 2] = [
    ["An open stream, at the server:", "rpc_server_active_streams", "Watch"],
    ["The same stream, at the client:", "rpc_client_active_streams", "Watch"],
];

const AT_THE_END: [[&str; 3]; 8] = [
    ["Complete calls, with their status:", "rpc_server_calls_total", r#""OK""#],
    [
        "An error of the caller, which is not a failure of the server:",
        "rpc_server_calls_total",
        "NOT_FOUND",
    ],
    ["Unknown methods, which share one series:", "rpc_server_calls_total", "_OTHER"],
    ["The client dropped the stream, which is not a failure:", "rpc_server_calls_total", "Watch"],
    ["The same calls, at the client:", "rpc_client_calls_total", r#""OK""#],
    ["For a client, any status but OK is a failure:", "rpc_client_calls_total", "failure"],
    ["The client cancelled the stream:", "rpc_client_calls_total", "Watch"],
    [
        "The lifetime of the stream, which is not a latency:",
        "rpc_server_stream_duration_seconds_count",
        "",
    ],
];
