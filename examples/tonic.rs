//! A tonic server and a tonic client under watch, both in one process: what is counted for each call,
//! on either side, and what a stream shows while it is open.
//!
//! `cargo run -p examples --example tonic`

#![expect(clippy::print_stdout, reason = "a person reads along")]

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

    // Unary calls: three that are served, and one that asks for what is not there.
    reporter.set_service_status("orders", ServingStatus::Serving).await;
    for _ in 0..3 {
        client.check(about("orders")).await?;
    }
    let refused = client.check(about("payments")).await;
    assert_eq!(refused.map_err(|status| status.code()).err(), Some(Code::NotFound));

    // A bidirectional call, and the same of a service that this server does not have.
    let mut listing = v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let asked = stream::iter(["", "grpc.health.v1.Health"].map(list_services));
    let mut lists = listing.server_reflection_info(asked).await?.into_inner();
    while lists.message().await?.is_some() {}
    let mut old = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let unknown = old.server_reflection_info(stream::empty()).await;
    assert_eq!(unknown.map_err(|status| status.code()).err(), Some(Code::Unimplemented));

    // A stream: a message now and at each change, until the client has seen enough.
    let mut changes = client.watch(about("orders")).await?.into_inner();
    changes.message().await?;
    for status in [ServingStatus::NotServing, ServingStatus::Serving] {
        reporter.set_service_status("orders", status).await;
        changes.message().await?;
    }
    tell(&scrape.render(), &WHILE_OPEN);

    drop(changes);
    tell(&time::timeout(Duration::from_secs(5), all_ended(&scrape)).await?, &AT_THE_END);
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

/// The server learns a moment later that its client has left.
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

/// Series of the scrape that have a label, with a sentence for each excerpt.
fn tell(scrape: &str, excerpts: &[[&str; 3]]) {
    for [sentence, metric, label] in excerpts {
        println!("{sentence}");
        let is_it = |line: &&str| line.split('{').next() == Some(metric) && line.contains(label);
        scrape.lines().filter(is_it).for_each(|line| println!("  {line}"));
    }
}

const WHILE_OPEN: [[&str; 3]; 2] = [
    ["A stream is open, seen from the server:", "rpc_server_active_streams", "Watch"],
    ["The same from the client:", "rpc_client_active_streams", "Watch"],
];

const AT_THE_END: [[&str; 3]; 8] = [
    ["Served, to the last message and status:", "rpc_server_calls_total", r#""OK""#],
    ["The caller's mistake, so no failure of the server:", "rpc_server_calls_total", "NOT_FOUND"],
    ["All that the server does not have is one method:", "rpc_server_calls_total", "_OTHER"],
    ["The client left the stream, which is no failure:", "rpc_server_calls_total", "Watch"],
    ["The same calls, as their caller saw them:", "rpc_client_calls_total", r#""OK""#],
    ["To the caller all but OK is a failure:", "rpc_client_calls_total", "failure"],
    ["It cancelled the stream itself:", "rpc_client_calls_total", "Watch"],
    ["A stream's life, which is no latency:", "rpc_server_stream_duration_seconds_count", ""],
];
