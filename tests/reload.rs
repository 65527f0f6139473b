//! A running service reloads its rules, and delivers the alerts that this changes, and no others.

#![cfg(all(feature = "axum", feature = "prometheus", feature = "toml"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/file.rs"]
mod file;
mod support;

use std::{
    future::pending,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{Router, routing::get};
use bytes::Bytes;
use http::{StatusCode, Uri};
use http_body_util::Empty;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::net::TcpListener;
use tower_lookout::Lookout;

use file::File;
use support::{eventually, start, sum};

async fn serve(lookout: &Lookout) -> SocketAddr {
    let app = Router::new()
        .route("/pay", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
        .route("/hang", get(pending::<()>))
        .layer(lookout.layer());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

fn client() -> Client<HttpConnector, Empty<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

const FAILING: &str = "
    [[rule]]
    name = 'Failing'
    signal = 'error_ratio'
    above = '10%'
    route = 'GET /pay'
    ";

const UNPAID: &str = "
    [[rule]]
    name = 'Unpaid'
    signal = 'error_ratio'
    above = '20%'
    ";

fn crowded(above: &str) -> String {
    format!("[[rule]]\nname = 'Crowded'\nsignal = 'in_flight'\nabove = {above}")
}

#[tokio::test]
async fn a_reload_resolves_alerts_of_removed_rules_fires_new_ones_and_keeps_the_rest() {
    let file = File::new("lookout.toml", &format!("{FAILING}{UNPAID}{}", crowded("5")));
    let messages: Arc<Mutex<Vec<String>>> = Arc::default();
    let sink = Arc::clone(&messages);
    let (lookout, scrape) = start(|builder| {
        builder.config(file.path()).on_alert(move |alert| {
            sink.lock().unwrap().push(alert.to_string());
        })
    });
    // Waits until each message has arrived exactly once, in any order, and fails on any other
    // message.
    let wait_for = async |expected: &[&str]| {
        let begins = |messages: &[String], message: &&str| {
            messages.iter().filter(|text| text.starts_with(message)).count() == 1
        };
        eventually(10, &expected.join(", "), || {
            let messages = messages.lock().unwrap();
            assert!(messages.len() <= expected.len(), "{messages:?}");
            expected.iter().all(|message| begins(&messages, message)).then_some(())
        })
        .await;
    };

    let address = serve(&lookout).await;
    let uri = |path: &str| format!("http://{address}{path}").parse::<Uri>().unwrap();
    let client = client();
    for _ in 0..20 {
        assert_eq!(client.get(uri("/pay")).await.unwrap().status(), 503);
    }
    let hanging = [client.get(uri("/hang")), client.get(uri("/hang"))].map(tokio::spawn);
    let fires = ["[FIRING] Failing · GET /pay: error ratio 100%", "[FIRING] Unpaid · test: "];
    wait_for(&fires).await;

    file.write(&format!("{FAILING}{}", crowded("'1'")));
    let error = lookout.reload().await.unwrap_err().to_string();
    let line = FAILING.lines().count() + 3;
    let path = file.path().display();
    assert_eq!(
        error,
        format!("{path}:{line}: rule.above: \"1\" is not a number: write one without quotes")
    );
    let states = || {
        let text = scrape.render();
        ["Failing", "Unpaid", "Crowded"]
            .map(|rule| sum(&text, "lookout_alert_state", &[("rule", rule)]))
    };
    assert_eq!(states(), [2.0, 2.0, 0.0], "an invalid file changes nothing");

    file.write(&format!("{FAILING}{}", crowded("1")));
    let reloaded = lookout.reload().await.unwrap();
    assert_eq!(reloaded.to_string(), "rules: 1 kept, 1 changed, 0 added, 1 removed");
    wait_for(&[
        fires[0],
        fires[1],
        "[RESOLVED] Unpaid · test: error ratio unknown: the rule was removed or changed",
        "[FIRING] Crowded · test: requests in flight 2 (threshold: above 1)",
    ])
    .await;
    assert_eq!(states(), [2.0, 0.0, 2.0]);

    hanging.iter().for_each(tokio::task::JoinHandle::abort);
    lookout.shutdown().await;
}
