//! Rules that work together in one builder, and single signals of a running service.

#![cfg(feature = "prometheus")]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/docs.rs"]
mod docs;
mod support;

use std::{convert::Infallible, sync::mpsc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};
use tower_lookout::{Alert, Lookout, Preset, Rule, Severity};

use support::start;

/// Returns every rule in the code of the README and the guide, and those that their text
/// recommends.
fn rules_of_docs() -> Vec<Rule> {
    let seconds = Duration::from_secs;
    let mut rules = Rule::defaults();
    rules.extend([
        Rule::error_ratio().above(0.01).over(seconds(600)).min_errors(3),
        Rule::error_ratio()
            .above(0.05)
            .over(seconds(10)..=seconds(60))
            .min_requests(50)
            .min_errors(3)
            .confidence(0.95)
            .hold_for(seconds(5))
            .keep_firing_for(seconds(30))
            .each_route()
            .severity(Severity::Warning)
            .label("team", "shop")
            .summary("A route fails.")
            .runbook("https://wiki.example.com/failing-routes"),
        Rule::slo(0.999),
        Rule::latency_quantile(0.99).above(Duration::from_millis(800)).route("POST /orders"),
        Rule::error_ratio().above(0.05).each_route().named("AnyRoute"),
        Rule::oldest_in_flight().above(seconds(10)),
        Rule::client_error_ratio().above(0.5).min_errors(10),
        Rule::error_ratio().above(0.05).dependency("inventory"),
        Rule::error_ratio().above(0.05).dependency("pricing"),
        Rule::error_ratio().above(0.05).route("POST /orders"),
        Rule::error_ratio().above(0.05).route("GET /orders/{id}"),
        Rule::oldest_in_flight().above(seconds(5)).dependency("postgres").named("StuckQueries"),
    ]);
    rules
}

#[test]
fn all_rules_of_the_docs_work_in_one_builder() {
    let list = include_str!("rules.rs");
    for (page, text) in docs::pages() {
        for line in docs::code(&text, "rust") {
            for (at, _) in line.match_indices("Rule::") {
                let maker = line[at..].split_once('(').map_or("", |(maker, _)| maker);
                assert!(list.contains(&format!("{maker}(")), "the list lacks {maker} of {page}");
            }
        }
    }
    let _lookout = Lookout::builder().rules(rules_of_docs()).start().unwrap();
}

#[tokio::test]
async fn the_default_names_of_all_rules_differ_in_the_metrics() {
    let (_lookout, scrape) = start(|builder| builder.rules(rules_of_docs()));
    let text = support::eventually(5, "a tick", || {
        let text = scrape.render();
        text.contains("lookout_alert_state").then_some(text)
    })
    .await;
    for rule in [
        "HighErrorRatio",
        "HighErrorRatioWarning",
        "HighErrorRatioOfInventory",
        "HighErrorRatioOfPricing",
        "HighErrorRatioOnPostOrders",
        "HighErrorRatioOnGetOrdersId",
        "HighClientErrorRatio",
    ] {
        let of_rule = format!("rule=\"{rule}\"");
        let states = text.lines().filter(|line| line.starts_with("lookout_alert_state{"));
        assert_eq!(states.filter(|line| line.contains(&of_rule)).count(), 1, "{rule}");
    }
}

async fn reject(request: Request<()>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::default());
    if request.headers().contains_key("content-type") {
        let headers = response.headers_mut();
        headers.insert("content-type", "application/grpc".parse().unwrap());
        headers.insert("grpc-status", "3".parse().unwrap());
    } else {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    Ok(response)
}

#[tokio::test]
async fn a_release_that_rejects_every_request_fires_the_client_error_ratio_and_no_other_rule() {
    for preset in [
        Preset::OpenTelemetry,
        Preset::SpringBoot,
        Preset::AxumPrometheus,
        Preset::GoGrpcMiddleware,
    ] {
        for is_grpc in [false, true] {
            let (sent, alerts) = mpsc::channel::<Alert>();
            let (lookout, _scrape) = start(|builder| {
                builder
                    .preset(preset)
                    .rules(Rule::defaults())
                    .rule(Rule::client_error_ratio().above(0.5).min_errors(10))
                    .on_alert(move |alert| sent.send(alert.clone()).unwrap())
            });
            let service = lookout.grpc_layer().layer(service_fn(reject));
            for _ in 0..30 {
                let mut request = Request::builder().method(Method::POST).uri("/shop.Orders/Find");
                if is_grpc {
                    request = request.header("content-type", "application/grpc");
                }
                let request = request.body(()).unwrap();
                let response = service.clone().oneshot(request).await.unwrap();
                response.into_body().collect().await.unwrap();
            }
            let fired = tokio::task::spawn_blocking(move || {
                let fired = alerts.recv_timeout(Duration::from_secs(10)).unwrap();
                (fired, alerts)
            });
            let (fired, alerts) = fired.await.unwrap();
            assert_eq!(fired.title(), "[FIRING] HighClientErrorRatio · test");
            assert_eq!(fired.breach().unwrap().value, Some(1.0), "{preset:?}, gRPC: {is_grpc}");
            let top = fired.top()[0].to_string();
            assert!(top.contains("30 of 30 rejected (100%), 100% of all client errors"), "{top}");
            assert!(alerts.try_recv().is_err(), "no other rule fires");
            lookout.shutdown().await;
        }
    }
}
