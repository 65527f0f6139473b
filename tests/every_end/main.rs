//! Every end of a request with every kind of traffic, over real sockets. Checks the outcome, the
//! status, the error type, one count in each metric, the lifetime of streams, and that nothing
//! stays in flight. `table.rs` holds the expectations, and the reasons for ends that can't occur.

#![cfg(all(
    feature = "axum",
    feature = "hyper",
    feature = "prometheus",
    feature = "reqwest",
    feature = "tonic",
    feature = "tower-http"
))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod client;
#[path = "../support/echo.rs"]
mod echo;
mod grpc;
mod grpc_client;
#[path = "../support/script.rs"]
mod script;
mod server;
#[path = "../support/mod.rs"]
mod support;
mod table;

use std::{sync::Arc, time::Duration};

use tower_lookout::{Lookout, LookoutBuilder, prometheus::Scrape};

use support::{eventually, series, start, sum};
use table::{Cell, Counted, End, Traffic, cell};

/// The timeout of all timeout layers; any real response takes far less.
const TIMEOUT: Duration = Duration::from_millis(300);

/// One end of one kind of traffic.
#[derive(Clone)]
struct Play {
    end: End,
    traffic: Traffic,
    lookout: Lookout,
    scrape: Arc<Scrape>,
}

impl Play {
    /// Waits until the request is in flight, for a client that then disconnects.
    async fn in_flight(&self) {
        let active = self.traffic.names().active;
        eventually(5, "in flight", || {
            (sum(&self.scrape.render(), active, &[]) == 1.0).then_some(())
        })
        .await;
    }

    async fn play(&self) {
        match self.traffic {
            Traffic::AxumHttp1
            | Traffic::AxumHttp2
            | Traffic::HyperHttp1
            | Traffic::HyperHttp2
            | Traffic::Sse
            | Traffic::WebSocket => server::play(self).await,
            Traffic::Unary | Traffic::ServerStream | Traffic::ClientStream | Traffic::Bidi => {
                grpc::play(self).await;
            }
            Traffic::Reqwest | Traffic::HyperClient => client::play(self).await,
            Traffic::TonicClient | Traffic::TonicStreamClient => grpc_client::play(self).await,
        }
    }

    /// Asserts that each metric has counted exactly one end, with the `expected` labels.
    async fn check(&self, expected: Counted) {
        let title = format!("{:?} of {:?}", self.end, self.traffic);
        let names = self.traffic.names();
        let count = |text: &str, name: &str| sum(text, &format!("{name}_count"), &[]);
        let streams = f64::from(u8::from(expected.is_stream));
        let text = eventually(5, &title, || {
            let text = self.scrape.render();
            let is_over = sum(&text, names.ended, &[]) >= 1.0
                && sum(&text, names.active, &[]) == 0.0
                && count(&text, names.stream) >= streams;
            is_over.then_some(text)
        })
        .await;

        let ended: Vec<_> = series(&text, names.ended).filter(|(_, value)| *value > 0.0).collect();
        let [(labels, 1.0)] = ended[..] else { panic!("{title}: one end, but {ended:?}") };
        assert!(labels.contains(&format!("outcome=\"{}\"", expected.outcome)), "{title}: {labels}");
        assert!(labels.contains(names.operation), "{title}: {labels}");

        let durations = format!("{}_count", names.duration);
        let durations: Vec<_> =
            series(&text, &durations).filter(|(_, count)| *count > 0.0).collect();
        let [(labels, 1.0)] = durations[..] else {
            panic!("{title}: one duration, but {durations:?}")
        };
        for (name, value) in [(names.status, expected.status), ("error_type", expected.error)] {
            let label = format!("{name}=\"{value}\"");
            let is_right =
                if value.is_empty() { !labels.contains(name) } else { labels.contains(&label) };
            assert!(is_right, "{title}: {label:?} is not in {labels}");
        }

        let heads = f64::from(u8::from(expected.has_head));
        assert_eq!(count(&text, names.head), heads, "{title}: heads");
        assert_eq!(count(&text, names.stream), streams, "{title}: streams");
        assert_eq!(sum(&text, names.open, &[]), 0.0, "{title}: open streams");
    }
}

async fn every_end_of(traffic: Traffic) {
    for end in End::ALL {
        let Cell::Counted(expected) = cell(end, traffic) else { continue };
        let set = |builder: LookoutBuilder| {
            builder.route_fn(|_| Some("/case".into())).grpc_methods(echo::METHODS).upgrades()
        };
        let (lookout, scrape) = start(set);
        let play = Play { end, traffic, lookout, scrape: Arc::new(scrape) };
        play.play().await;
        play.check(expected).await;
    }
}

#[test]
fn each_end_occurs_with_some_traffic_and_has_a_reason_where_it_cannot() {
    for end in End::ALL {
        let cells = Traffic::ALL.map(|traffic| cell(end, traffic));
        assert!(cells.iter().any(|cell| matches!(cell, Cell::Counted(_))), "{end:?} never occurs");
        for cell in cells {
            assert!(!matches!(cell, Cell::Never("")), "{end:?}: no reason");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axum_over_http_1() {
    every_end_of(Traffic::AxumHttp1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axum_over_http_2() {
    every_end_of(Traffic::AxumHttp2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hyper_over_http_1() {
    every_end_of(Traffic::HyperHttp1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hyper_over_http_2() {
    every_end_of(Traffic::HyperHttp2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_sent_events() {
    every_end_of(Traffic::Sse).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websockets() {
    every_end_of(Traffic::WebSocket).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tonic_unary() {
    every_end_of(Traffic::Unary).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tonic_server_stream() {
    every_end_of(Traffic::ServerStream).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tonic_client_stream() {
    every_end_of(Traffic::ClientStream).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tonic_bidirectional_stream() {
    every_end_of(Traffic::Bidi).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reqwests_client() {
    every_end_of(Traffic::Reqwest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hypers_client() {
    every_end_of(Traffic::HyperClient).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tonics_client() {
    every_end_of(Traffic::TonicClient).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tonics_client_of_a_stream() {
    every_end_of(Traffic::TonicStreamClient).await;
}
