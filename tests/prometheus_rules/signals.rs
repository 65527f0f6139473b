//! Each signal fires and stays silent as its rule demands, over series as the exporter names them.

use std::time::Duration;

use tower_lookout::{Lookout, Preset, Rule, rule::Severity};

use crate::{
    file::{Folder, run},
    unit::{Case, Scenario, check},
};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn an_error_ratio_counts_the_first_error_of_a_series_and_survives_restarts_and_gaps() {
    let rule = Rule::error_ratio().above(0.05).min_errors(5);
    let alert = "HighErrorRatio";
    let good = "0+20x400";
    let silent = |bad: &str, good: &str| {
        Scenario::new().requests("/a", good, bad).firing("3m", alert, 0).firing("3m30s", alert, 0)
    };
    let first_errors = Scenario::new()
        .requests("/a", good, "_x12 6+0x380")
        .firing("2m45s", alert, 0)
        .firing("3m", alert, 1)
        .firing("3m45s", alert, 1)
        .firing("4m", alert, 0);
    // The process restarts at 5m, and has 6 errors at 5m30s.
    let restart = Scenario::empty()
        .instance("a:1", "0+15x19 5+15x380")
        .requests("/a", "0+20x19 3+20x380", "5000+0x19 stale _ 6+0x370")
        .firing("5m", alert, 0)
        .firing("5m15s", alert, 0)
        .firing("5m30s", alert, 1)
        .firing("8m", alert, 0);
    let gap = Scenario::empty()
        .instance("a:1", "0+15x19 stale _x7 420+15x370")
        .requests("/a", "0+20x19 stale _x7 560+20x370", "5000+0x19 stale _x7 5000+0x370")
        .firing("7m", alert, 0)
        .firing("7m15s", alert, 0)
        .firing("8m", alert, 0)
        .firing("9m", alert, 0);
    let new_process = Scenario::empty()
        .instance("a:1", "_x12 10+15x380")
        .requests("/a", "_x12 30+20x380", "_x12 6+0x380")
        .firing("3m", alert, 1)
        .firing("6m", alert, 0);
    check([Case::of(rule)
        .scenario(first_errors)
        .scenario(silent("_x12 4+0x380", good))
        .scenario(silent("_x12 6+0x380", "0+1x400"))
        .scenario(silent("_x12 6+0x380", "0+100x400"))
        .scenario(restart)
        .scenario(gap)
        .scenario(new_process)]);
}

#[tokio::test]
async fn a_ratio_below_its_threshold_fires_without_any_error() {
    let rule = Rule::error_ratio().below(0.01);
    check([Case::of(rule)
        .scenario(
            Scenario::new()
                .series("http_server_requests_total", r#"outcome="success""#, "0+20x400")
                .firing("3m", "LowErrorRatio", 1),
        )
        .scenario(Scenario::new().requests("/a", "0+20x400", "0+1x400").firing(
            "3m",
            "LowErrorRatio",
            0,
        ))]);
}

#[tokio::test]
async fn a_ratio_of_client_errors_fires() {
    let name = "http_server_requests_total";
    let rule = Rule::client_error_ratio().above(0.5);
    check([Case::of(rule).scenario(
        Scenario::new()
            .series(name, r#"status_class="2xx",outcome="success""#, "0+20x400")
            .series(name, r#"status_class="4xx",outcome="success""#, "0+0x12 40+40x380")
            .firing("2m", "HighClientErrorRatio", 0)
            .firing("5m", "HighClientErrorRatio", 1),
    )]);
}

#[tokio::test]
async fn a_confidence_asks_for_more_errors() {
    let case = |good: &str, bad: &str, count| {
        Scenario::new().requests("/a", good, bad).firing("3m", "HighErrorRatio", count)
    };
    check([Case::of(Rule::error_ratio().above(0.01).confidence(0.95))
        .scenario(case("0+0x10 97+0x380", "0+0x10 3+0x380", 1))
        .scenario(case("0+0x10 98+0x380", "0+0x10 2+0x380", 0))]);
}

#[tokio::test]
async fn latencies_fire() {
    let fast = "0+10x400";
    let mean = |all: &str, sum: &str, count| {
        Scenario::new().durations([all, all, all], sum).firing("2m", "HighMeanLatency", 0).firing(
            "5m",
            "HighMeanLatency",
            count,
        )
    };
    // One of 100 is slower than a second, and then two of them.
    let slow = |name: &str, medium: &str, count| {
        Scenario::new()
            .durations(["0+90x400", medium, "0+100x400"], "0+1x400")
            .firing("5m", name, count)
    };
    check([
        Case::of(Rule::mean_latency().above(SECOND))
            .scenario(mean(fast, "0+5x12 80+20x380", 1))
            .scenario(mean(fast, "0+5x400", 0))
            .scenario(mean("0+1x400", "0+0.5x12 80+20x380", 0)),
        Case::of(Rule::latency_quantile(0.99).above(SECOND))
            .scenario(slow("HighLatencyP99", "0+99x400", 0))
            .scenario(slow("HighLatencyP99", "0+98x400", 1)),
        Case::of(Rule::latency_quantile(0.99).above(SECOND * 9 / 10))
            .scenario(slow("HighLatencyP99", "0+100x400", 1))
            .scenario(Scenario::new().durations([fast; 3], "0+1x400").firing(
                "5m",
                "HighLatencyP99",
                0,
            )),
        Case::of(Rule::slow_ratio(SECOND).above(0.01).min_errors(8))
            .scenario(slow("HighSlowRatio", "0+99x400", 0))
            .scenario(slow("HighSlowRatio", "0+98x400", 1)),
        Case::of(Rule::slow_ratio(SECOND).above(0.01).min_errors(9)).scenario(slow(
            "HighSlowRatio",
            "0+98x400",
            0,
        )),
        Case::of(Rule::latency_quantile(0.5).below(SECOND).min_requests(0))
            .scenario(slow("LowLatencyP50", "0+98x400", 1))
            .scenario(Scenario::new().durations(["5+0x400"; 3], "1+0x400").firing(
                "5m",
                "LowLatencyP50",
                0,
            )),
    ]);
}

#[tokio::test]
async fn a_throughput_below_its_threshold_fires_without_any_request_but_not_at_the_start() {
    let low = "LowThroughput";
    check([
        Case::of(Rule::throughput().below(1.0))
            .scenario(Scenario::new().firing("45s", low, 0).firing("2m", low, 1))
            .scenario(Scenario::new().requests("/a", "0+20x400", "_x400").firing("3m", low, 0))
            .scenario(
                Scenario::new().requests("/a", "0+20x12 240+0x380", "_x400").firing("5m", low, 1),
            ),
        Case::of(Rule::throughput().above(1.0))
            .scenario(Scenario::new().requests("/a", "0+20x400", "_x400").firing(
                "3m",
                "HighThroughput",
                1,
            ))
            .scenario(Scenario::new().requests("/a", "0+10x400", "_x400").firing(
                "3m",
                "HighThroughput",
                0,
            )),
    ]);
}

#[tokio::test]
async fn gauges_fire() {
    let gauge = |name: &str, values: &str, alert: &str| {
        Scenario::new().series(name, "", values).firing("2m", alert, 0).firing("3m", alert, 1)
    };
    check([
        Case::of(Rule::in_flight().above(10.0)).scenario(gauge(
            "http_server_active_requests",
            "10+0x11 11+0x380",
            "HighInFlight",
        )),
        Case::of(Rule::in_flight().below(1.0))
            .scenario(Scenario::new().firing("3m", "LowInFlight", 1))
            .scenario(Scenario::new().series("rpc_server_active_calls", "", "1+0x400").firing(
                "3m",
                "LowInFlight",
                0,
            )),
        Case::of(Rule::oldest_in_flight().above(SECOND * 10)).scenario(gauge(
            "rpc_server_oldest_active_call_seconds",
            "0+0x11 11+15x380",
            "StuckRequests",
        )),
        Case::of(Rule::runtime_lag().above(SECOND)).scenario(gauge(
            "lookout_runtime_lag_seconds",
            "0.1+0x11 2+0x380",
            "HighRuntimeLag",
        )),
        Case::of(Rule::in_flight().above(10.0).hold_for(SECOND * 30).keep_firing_for(SECOND * 60))
            .scenario(
                Scenario::new()
                    .series("http_server_active_requests", "", "0+0x11 11+0x7 0+0x370")
                    .firing("3m15s", "HighInFlight", 0)
                    .firing("3m30s", "HighInFlight", 1)
                    .firing("5m30s", "HighInFlight", 1)
                    .firing("7m", "HighInFlight", 0),
            ),
    ]);
}

#[tokio::test]
async fn an_slo_fires_over_each_of_its_windows() {
    let burn = "ErrorBudgetBurn";
    let over = |window: &str| {
        format!(
            r#"count(ALERTS{{alertname="{burn}",alertstate="firing",window="{window}"}}) or vector(0)"#
        )
    };
    let scenario = |good: &str, bad: &str| Scenario::new().requests("/a", good, bad);
    let days = || Scenario::empty().instance("a:1", "0+60x800");
    check([
        Case::of(Rule::slo(0.999))
            .scenario(scenario("0+98x400", "0+2x400").expects("75m", &over(""), &[("{}", 1.0)]))
            .scenario(scenario("0+99x400", "0+1x400").expects("75m", &over(""), &[("{}", 0.0)]))
            // The errors have ended, so the short windows are empty.
            .scenario(scenario("0+98x400", "0+2x280 560+0x100").expects(
                "85m",
                &over(""),
                &[("{}", 0.0)],
            )),
        // Scraped each minute, since the scrapes of hours take long to evaluate.
        Case::each_minute(
            Rule::slo(0.999),
            [
                days()
                    .requests("/a", "0+993x800", "0+7x800")
                    .expects("6h20m", &over("6h"), &[("{}", 1.0)])
                    .expects("6h20m", &over(""), &[("{}", 0.0)]),
                days()
                    .requests("/a", "0+9985x800", "0+15x800")
                    .expects("12h", &over("72h"), &[("{}", 1.0)])
                    .expects("12h", &over("6h"), &[("{}", 0.0)]),
                days().requests("/a", "0+9995x800", "0+5x800").expects(
                    "7h",
                    &over("72h"),
                    &[("{}", 0.0)],
                ),
            ],
        ),
    ]);
}

/// The firing alerts of a rule, by the labels of their scope.
fn alerts(name: &str) -> String {
    format!(
        r#"count by (method, route, dependency, instance, service) (ALERTS{{alertname="{name}",alertstate="firing"}})"#
    )
}

/// Five of 25 requests fail.
const GOOD: &str = "0+20x400";
const BAD: &str = "0+5x400";

#[tokio::test]
async fn a_route_selects_its_requests() {
    let ratio = || Rule::error_ratio().above(0.05);
    let mut of_grpc = Scenario::new();
    for (method, outcome, values) in [
        ("shop.Orders/Create", "success", GOOD),
        ("shop.Orders/Create", "failure", BAD),
        ("shop.Orders/List", "success", GOOD),
    ] {
        let labels = format!(r#"rpc_system_name="grpc",rpc_method="{method}",outcome="{outcome}""#);
        of_grpc = of_grpc.series("rpc_server_calls_total", &labels, values);
    }
    let of_http =
        |a: &str, b: &str| Scenario::new().requests("/a", GOOD, a).requests("/b", GOOD, b);
    let (each, one) = (alerts("HighErrorRatioPerRoute"), alerts("R"));
    let route = [(r#"{instance="a:1", method="GET", route="/a", service="test"}"#, 1.0)];
    let method = [(r#"{instance="a:1", route="shop.Orders/Create", service="test"}"#, 1.0)];
    check([
        Case::of(ratio().each_route())
            .scenario(of_http(BAD, "_x400").expects("5m", &each, &route))
            .scenario(of_grpc.expects("5m", &each, &method)),
        Case::of(ratio().route("GET /a").named("R"))
            .scenario(of_http(BAD, BAD).expects("5m", &one, &route))
            .scenario(of_http("_x400", BAD).expects("5m", &one, &[])),
    ]);
}

#[tokio::test]
async fn a_route_with_special_characters_selects_its_requests() {
    let route = "/{id}\"q\"\\é日+.*";
    let label = r#"http_route="/{id}\"q\"\\é日+.*""#;
    let requests = |outcome: &str| format!(r#"{label},outcome="{outcome}""#);
    let ratio = Rule::error_ratio().above(0.05).route(route).named("R");
    check([
        Case::of(Rule::in_flight().above(1.0).route(route).named("R")).scenario(
            Scenario::new()
                .series("http_server_active_requests", label, "5+0x400")
                .firing("5m", "R", 1),
        ),
        Case::of(ratio).scenario(
            Scenario::new()
                .series("http_server_requests_total", &requests("success"), GOOD)
                .series("http_server_requests_total", &requests("failure"), BAD)
                .firing("5m", "R", 1),
        ),
    ]);
}

#[tokio::test]
async fn a_dependency_selects_its_calls() {
    let of_call = |name: &str, labels: &str| {
        let with =
            |outcome: &str| format!(r#"dependency="inventory",{labels},outcome="{outcome}""#);
        Scenario::new().series(name, &with("success"), GOOD).series(name, &with("error"), BAD)
    };
    let oldest = |scenario: Scenario, dependency: &str| {
        let labels = format!(r#"dependency="{dependency}""#);
        scenario.series("db_client_oldest_active_operation_seconds", &labels, "5+0x400")
    };
    let http = r#"call="logical",http_request_method="GET""#;
    let firing = [(r#"{dependency="inventory", instance="a:1", service="test"}"#, 1.0)];
    let alerts = alerts("R");
    check([
        Case::of(Rule::error_ratio().above(0.05).dependency("inventory").named("R"))
            .scenario(of_call("http_client_requests_total", http).expects("5m", &alerts, &firing))
            .scenario(
                of_call("db_client_operations_total", r#"db_system_name="postgresql""#)
                    .expects("5m", &alerts, &firing),
            )
            .scenario(Scenario::new().requests("/a", GOOD, BAD).expects("5m", &alerts, &[])),
        Case::of(Rule::oldest_in_flight().above(SECOND).dependency("inventory").named("R"))
            .scenario(
                oldest(oldest(Scenario::new(), "inventory"), "cache")
                    .expects("5m", &alerts, &firing),
            )
            .scenario(oldest(Scenario::new(), "cache").expects("5m", &alerts, &[])),
    ]);
}

#[tokio::test]
async fn each_preset_fires_by_its_own_labels() {
    let rule = || Rule::error_ratio().above(0.05).each_route();
    let alerts = r#"count by (method, route) (ALERTS{alertname="HighErrorRatioPerRoute",alertstate="firing"})"#;
    let (good, bad) = (GOOD, BAD);
    let spring = |uri: &str, labels: &str, values: &str, scenario: Scenario| {
        let labels = format!(r#"method="GET",uri="{uri}",{labels}"#);
        scenario.series("http_server_requests_seconds_count", &labels, values)
    };
    let success = r#"status="200",outcome="SUCCESS",exception="none""#;
    let failure = r#"status="500",outcome="SERVER_ERROR",exception="500""#;
    let missing = r#"status="404",outcome="CLIENT_ERROR",exception="none""#;
    let cancelled = r#"status="UNKNOWN",outcome="UNKNOWN",exception="cancelled""#;
    let panicked = r#"status="UNKNOWN",outcome="UNKNOWN",exception="panicked""#;
    let scenario = spring("/a", success, good, Scenario::new());
    let scenario = spring("/a", failure, bad, scenario);
    let scenario = spring("/b", success, good, scenario);
    let scenario = spring("/b", cancelled, bad, scenario);
    let scenario = spring("NOT_FOUND", missing, good, scenario);
    let scenario = spring("UNKNOWN", panicked, bad, scenario);
    let of_spring = scenario.expects(
        "5m",
        alerts,
        &[(r#"{method="GET", route="/a"}"#, 1.0), (r#"{method="GET", route="unmatched"}"#, 1.0)],
    );
    let axum = |scenario: Scenario, endpoint: &str, status: &str, values: &str| {
        let labels = format!(r#"method="GET",endpoint="{endpoint}",status="{status}""#);
        scenario.series("axum_http_requests_total", &labels, values)
    };
    let scenario = axum(Scenario::new(), "/a", "200", good);
    let scenario = axum(scenario, "/a", "503", bad);
    let scenario = axum(scenario, "/b", "200", good);
    let scenario = axum(scenario, "/b", "404", bad);
    let of_axum = scenario.expects("5m", alerts, &[(r#"{method="GET", route="/a"}"#, 1.0)]);
    let go = |scenario: Scenario, service: &str, method: &str, code: &str, values: &str| {
        let labels = format!(
            r#"grpc_type="unary",grpc_service="{service}",grpc_method="{method}",grpc_code="{code}""#
        );
        scenario.series("grpc_server_handled_total", &labels, values)
    };
    let scenario = go(Scenario::new(), "shop.Orders", "Create", "OK", good);
    let scenario = go(scenario, "shop.Orders", "Create", "Internal", bad);
    let scenario = go(scenario, "shop.Orders", "List", "OK", good);
    let scenario = go(scenario, "shop.Orders", "List", "NotFound", bad);
    let scenario = go(scenario, "unknown", "_OTHER", "Unimplemented", good);
    let of_go = scenario.expects(
        "5m",
        alerts,
        &[(r#"{route="shop.Orders/Create"}"#, 1.0), (r#"{route="_OTHER"}"#, 1.0)],
    );
    check([
        Case::of_preset(Preset::SpringBoot, rule()).scenario(of_spring),
        Case::of_preset(Preset::AxumPrometheus, rule()).scenario(of_axum),
        Case::of_preset(Preset::GoGrpcMiddleware, rule()).scenario(of_go),
    ]);
}

#[tokio::test]
async fn an_alert_has_the_labels_and_the_texts_of_the_rule() {
    let Some(promtool) = crate::support::program("promtool") else { return };
    let rule = Rule::in_flight()
        .above(10.0)
        .named("A {{ name }} \"é\"")
        .severity(Severity::Critical)
        .label("team", "{{ $value }} \\ check\"out\"")
        .summary("Too many: {{{ .X }} `a` 'b'\nsecond line")
        .runbook("https://wiki.example.com/{{id}}")
        .dashboard("https://grafana.example.com/d/1");
    let lookout = Lookout::builder().service("test").rule(rule).start().unwrap();
    let folder = Folder::new();
    folder.write("rules.yml", &lookout.prometheus_rules().to_string());
    let test = r#"
rule_files: [rules.yml]
evaluation_interval: 15s
tests:
- interval: 15s
  input_series:
  - series: 'http_server_active_requests{job="test",instance="a:1",http_route="/a"}'
    values: '12+0x20'
  alert_rule_test:
  - alertname: "A {{ name }} \"é\""
    eval_time: 1m
    exp_alerts:
    - exp_labels:
        severity: critical
        service: test
        job: test
        instance: a:1
        team: "{{ $value }} \\ check\"out\""
      exp_annotations:
        summary: "Too many: {{{ .X }} `a` 'b'\nsecond line"
        description: "requests in flight 12 (threshold: above 10)"
        runbook_url: "https://wiki.example.com/{{id}}"
        dashboard_url: "https://grafana.example.com/d/1"
"#;
    run(&promtool, &["test", "rules"], &[folder.write("test.yml", test)]);
}
