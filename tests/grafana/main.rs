//! The Grafana dashboard of a lookout: a parser reads each query, the metrics exist in a scrape, a
//! real Prometheus returns data, and the JSON has the types of Grafana's schema.

#![cfg(all(feature = "axum", feature = "prometheus", feature = "tonic"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod dashboard;
mod data;
#[path = "../support/echo.rs"]
mod echo;
#[path = "../support/prometheus_server.rs"]
mod prometheus_server;
#[path = "../support/shop.rs"]
mod shop;
#[path = "../support/mod.rs"]
mod support;
mod types;

use std::{collections::BTreeSet, io, time::Duration};

use promql_parser::parser::parse;
use tower_lookout::{
    Lookout, LookoutBuilder, Preset, Rule, prometheus, prometheus::Scrape, rule::Severity,
};

use dashboard::Dashboard;
use shop::PRESETS;

/// Rules with the thresholds of each kind of panel, one of which fires, and one with odd texts.
pub(crate) fn rules() -> Vec<Rule> {
    let second = Duration::from_secs(1);
    let odd = "\"{{ .X }}\" \\ $job ${route} [[job]] 'é' 日本\n";
    vec![
        Rule::error_ratio().above(0.05).severity(Severity::Critical),
        Rule::error_ratio().above(0.01).named("firing").min_requests(1),
        Rule::mean_latency().above(second * 3),
        Rule::latency_quantile(0.99).above(second),
        Rule::throughput().below(1.0),
        Rule::oldest_in_flight().above(second * 10),
        Rule::error_ratio().above(0.05).each_route(),
        Rule::error_ratio().above(0.05).dependency("shop"),
        Rule::runtime_lag().above(second),
        Rule::slo(0.999),
        Rule::error_ratio().above(0.3).named(odd).summary(odd).runbook("https://wiki/é\"$job"),
    ]
}

/// Starts a lookout with layers for gRPC and for each kind of dependency.
pub(crate) fn started(
    preset: Preset,
    set: impl FnOnce(LookoutBuilder) -> LookoutBuilder,
) -> (Lookout, Scrape) {
    let slow = [1, 10].map(Duration::from_secs);
    let (recorder, scrape) = prometheus::Builder::new().buckets_for("slow", slow).build().unwrap();
    let builder = Lookout::builder().service("shop").preset(preset).recorder(recorder);
    let builder = builder.buckets_for("slow", ["/slow", "test.Echo/Unary"], slow);
    let builder = builder.constant_label("zone", "eu").rules(rules()).on_alert(|_| ());
    let lookout = set(builder).start().unwrap();
    let _ = (lookout.grpc_layer(), lookout.client_layer("shop"));
    (lookout, scrape)
}

fn futures(lookout: &Lookout) -> [tower_lookout::observe::Dependency; 3] {
    [
        lookout.dependency("postgres").database("postgresql"),
        lookout.dependency("kafka").messaging("kafka"),
        lookout.dependency("files"),
    ]
}

/// Sends traffic of each kind.
pub(crate) async fn ask(lookout: &Lookout) {
    shop::send_http(lookout).await;
    shop::call_grpc(lookout).await;
    for dependency in futures(lookout) {
        let failed = async { Err::<(), _>(io::Error::other("gone")) };
        dependency.call("read", failed).await.unwrap_err();
    }
    lookout.reporter().report(&io::Error::other("no broker"));
}

#[tokio::test]
async fn a_parser_reads_each_query() {
    for preset in PRESETS {
        for prefix in [None, Some("acme")] {
            let (lookout, _) =
                started(preset, |builder| prefix.into_iter().fold(builder, LookoutBuilder::prefix));
            let dashboard = Dashboard::of(&lookout);
            let queries = dashboard.queries();
            assert!(queries.len() > 60, "{}", queries.len());
            for (panel, query) in queries {
                let parsed = parse(&query);
                assert!(parsed.is_ok(), "{panel}: {parsed:?}\n{query}");
            }
        }
    }
}

#[tokio::test]
async fn panels_have_ids_descriptions_units_legends_and_texts_without_data() {
    let (lookout, _) = started(Preset::OpenTelemetry, |builder| builder);
    let dashboard = Dashboard::of(&lookout);
    let mut ids = BTreeSet::new();
    for panel in dashboard.panels() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        if panel["type"] == "row" {
            continue;
        }
        let has = |text: &serde_json::Value| text.as_str().is_some_and(|text| !text.is_empty());
        assert!(has(&panel["title"]) && has(&panel["description"]), "{panel}");
        let defaults = &panel["fieldConfig"]["defaults"];
        assert!(has(&defaults["unit"]) && has(&defaults["noValue"]), "{panel}");
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty() && targets.iter().all(|t| has(&t["legendFormat"])), "{panel}");
        let place = &panel["gridPos"];
        assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{panel}");
    }
}

#[tokio::test]
async fn panels_show_the_thresholds_of_the_rules() {
    let (lookout, _) = started(Preset::OpenTelemetry, |builder| builder);
    let steps = |title: &str| {
        let dashboard = Dashboard::of(&lookout);
        let panel = dashboard.panel(title);
        let steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"].as_array().unwrap();
        let step = |step: &serde_json::Value| {
            (step["value"].as_f64(), step["color"].as_str().unwrap().to_owned())
        };
        steps.iter().map(step).collect::<Vec<_>>()
    };
    let of = |steps: &[(Option<f64>, &str)]| {
        steps.iter().map(|(value, color)| (*value, (*color).to_owned())).collect::<Vec<_>>()
    };
    let ratio =
        [(None, "green"), (Some(0.01), "orange"), (Some(0.05), "red"), (Some(0.3), "orange")];
    assert_eq!(steps("Error ratio"), of(&ratio));
    let latency = [(None, "green"), (Some(1.0), "orange"), (Some(3.0), "orange")];
    assert_eq!(steps("Response time"), of(&latency));
    assert_eq!(steps("Requests per second"), of(&[(None, "orange"), (Some(1.0), "green")]));
    assert_eq!(steps("In flight"), of(&[(None, "green")]));
    lookout.replace_rules([Rule::in_flight().above(100.0)]).await.unwrap();
    assert_eq!(steps("In flight"), of(&[(None, "green"), (Some(100.0), "orange")]));
}

#[tokio::test]
async fn panels_of_features_that_are_off_are_left_out() {
    let lookout = Lookout::builder().service("shop").start().unwrap();
    let titles = |lookout: &Lookout| {
        let dashboard = Dashboard::of(lookout);
        let titles = dashboard.panels().into_iter();
        titles.map(|panel| panel["title"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let has = |titles: &[String], title: &str| titles.iter().any(|found| found == title);
    let without = titles(&lookout);
    for title in ["Rules", "gRPC methods", "Dependencies", "Calls", "p99 wait for the client"] {
        assert!(!has(&without, title), "{title}");
    }
    assert_eq!(has(&without, "CPU"), cfg!(feature = "process"));
    assert_eq!(has(&without, "Busy workers"), cfg!(feature = "runtime-metrics"));
    lookout.dependency("files").call("read", async { Ok::<_, io::Error>(()) }).await.unwrap();
    let with_futures = titles(&lookout);
    assert!(has(&with_futures, "Calls") && !has(&with_futures, "p99 wait for the client"));
    let _ = (lookout.client_layer("shop"), lookout.grpc_layer());
    let with_all = titles(&lookout);
    assert!(has(&with_all, "p99 wait for the client") && has(&with_all, "gRPC methods"));
}

#[tokio::test]
async fn a_message_links_to_the_panel_of_its_rule() {
    let (lookout, _) = started(Preset::OpenTelemetry, |builder| builder.service("a \"shop\" é"));
    let dashboard = lookout.grafana_dashboard();
    let json = Dashboard::of(&lookout);
    assert_eq!(json.0["uid"].as_str(), Some(&*dashboard.uid()));
    assert!(dashboard.uid().len() <= 40);
    let url = dashboard.panel_url("https://grafana.test/", "firing").unwrap();
    let (start, id) = url.rsplit_once("&viewPanel=").unwrap();
    let expected =
        format!("https://grafana.test/d/{}?var-job=a%20%22shop%22%20%C3%A9", dashboard.uid());
    assert_eq!(start, expected);
    assert_eq!(json.panel("firing")["id"].as_u64(), Some(id.parse().unwrap()));
    assert!(dashboard.panel_url("https://grafana.test", "unknown").is_none());
    let odd = json
        .panels()
        .into_iter()
        .find(|panel| !panel["links"].as_array().unwrap_or(&Vec::new()).is_empty());
    assert_eq!(odd.unwrap()["links"][0]["title"], "Runbook");
}
