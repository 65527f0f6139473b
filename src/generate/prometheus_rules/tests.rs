use std::time::Duration;

use metrics::Label;
use proptest::prelude::*;

use super::*;
use crate::{
    facade::{MetricNaming, Preset},
    rule::{BurnRate, Severity, with_names},
    series::{BUCKETS, Family},
};

fn exports() -> Exports {
    Exports {
        service: "orders".to_owned(),
        naming: MetricNaming::default(),
        buckets: BUCKETS.to_vec(),
        families: Vec::new(),
    }
}

fn with_preset(preset: Preset) -> Exports {
    let mut exports = exports();
    exports.naming.presets.select(preset);
    exports
}

fn rules(exports: &Exports, rules: impl IntoIterator<Item = Rule>) -> PrometheusRules {
    let rules = with_names(rules.into_iter().collect());
    PrometheusRules::new(Arc::new(exports.clone()), rules.into())
}

fn rendered(exports: &Exports, of: impl IntoIterator<Item = Rule>) -> String {
    rules(exports, of).to_string()
}

/// The lines of an alert, or of a record, without their indent, and with the comments above it.
fn entry(file: &str, name: &str) -> String {
    let mut entries: Vec<Vec<&str>> = vec![Vec::new()];
    let mut is_comment = false;
    for line in file.lines() {
        let is_new = line.starts_with("  - ") || line.starts_with("- name");
        let begins_comment = line.starts_with("  # ") && !is_comment;
        if (is_new && !is_comment) || begins_comment {
            entries.push(Vec::new());
        }
        is_comment = line.starts_with("  # ");
        entries.last_mut().unwrap().push(line.trim_start());
    }
    let is_it = |lines: &Vec<&str>| {
        lines
            .iter()
            .any(|line| *line == format!("- alert: {name}") || *line == format!("- record: {name}"))
    };
    entries.into_iter().find(is_it).unwrap_or_default().join("\n")
}

/// The expression of an alert or a record in one line.
fn expression(file: &str, name: &str) -> String {
    let entry = entry(file, name);
    let (_, rest) = entry.split_once("expr: |-\n").unwrap_or_else(|| panic!("{name}: {file}"));
    let ends = ["for: ", "keep_firing_for: ", "labels:", "- ", "# "];
    let lines = rest.lines().take_while(|line| {
        !ends.iter().any(|end| line.starts_with(end))
            || line.starts_with("- last_over_time")
            || line.starts_with("- 1.")
    });
    lines.collect::<Vec<_>>().join(" ")
}

const ERRORS: &str = r#"instance:lookout_errors:increase1m{job="orders"}"#;
const REQUESTS: &str = r#"instance:lookout_requests:increase1m{job="orders"}"#;

#[test]
fn a_ratio_keeps_its_requests_and_its_errors() {
    let rule = Rule::error_ratio().above(0.05).min_errors(3);
    let file = rendered(&exports(), [rule]);
    assert_eq!(
        expression(&file, "HighErrorRatio"),
        format!("{ERRORS} / {REQUESTS} > 0.05 and {ERRORS} >= 3 and {REQUESTS} >= 20")
    );
    let rule = Rule::error_ratio().below(0.05).min_requests(1);
    let file = rendered(&exports(), [rule]);
    assert_eq!(
        expression(&file, "LowErrorRatio"),
        format!("({ERRORS} or 0 * {REQUESTS}) / {REQUESTS} < 0.05")
    );
}

#[test]
fn an_alert_has_what_the_rule_has() {
    let rule = Rule::mean_latency()
        .above(Duration::from_secs(3))
        .hold_for(Duration::from_secs(30))
        .keep_firing_for(Duration::from_millis(90_500))
        .severity(Severity::Critical)
        .label("team", "checkout")
        .label("route", "never")
        .summary("Orders are slow: {{ hurry }}.")
        .runbook("https://wiki.example.com/orders?a=\"b\"")
        .dashboard("https://grafana.example.com/d/1")
        .route("GET /orders/{id}");
    let file = rendered(&exports(), [rule]);
    let entry = entry(&file, "HighMeanLatencyOnGetOrdersId");
    let (_, rest) = entry.split_once("    for").or(entry.split_once("\nfor")).unwrap();
    assert_eq!(
        rest,
        r#": 30s
keep_firing_for: 1m30s500ms
labels:
severity: critical
service: orders
method: GET
route: "/orders/{id}"
team: checkout
annotations:
summary: "Orders are slow: {{\"{{\"}} hurry }}."
description: "mean response time {{ $value | humanizeDuration }} (threshold: above 3 s)"
runbook_url: "https://wiki.example.com/orders?a=\"b\""
dashboard_url: "https://grafana.example.com/d/1""#
    );
}

#[test]
fn a_new_series_a_restart_and_a_gap_have_a_line_each() {
    let file = rendered(&exports(), [Rule::error_ratio().above(0.05)]);
    let series = r#"{__name__=~"http_server_requests_total|rpc_server_calls_total",job="orders"}"#;
    let age = r#"http_server_throughput_requests_per_second_count{job="orders"}"#;
    assert_eq!(
        expression(&file, "instance:lookout_requests:increase1m"),
        format!(
            "sum by (job, instance) ( {series} and on (job, instance) {age} <= 90 or \
             last_over_time({series}[1m]) - last_over_time({series}[1m] offset 1m) >= 0 or {series} and \
             on (job, instance) last_over_time({age}[1m] offset 1m) )"
        )
    );
}

#[test]
fn each_preset_shows_errors_by_its_own_labels() {
    for (preset, name, matchers) in [
        (
            Preset::OpenTelemetry,
            r#"{__name__=~"http_server_requests_total|rpc_server_calls_total""#,
            r#"outcome=~"failure|error|panicked""#,
        ),
        (
            Preset::SpringBoot,
            "http_server_requests_seconds_count{",
            r#"exception!~"none|cancelled|aborted""#,
        ),
        (Preset::AxumPrometheus, "axum_http_requests_total{", r#"status=~"5..""#),
        (
            Preset::GoGrpcMiddleware,
            "grpc_server_handled_total{",
            r#"grpc_code=~"Unknown|DeadlineExceeded|Unimplemented|Internal|Unavailable|DataLoss""#,
        ),
    ] {
        let file = rendered(&with_preset(preset), [Rule::error_ratio().above(0.05)]);
        let errors = expression(&file, "instance:lookout_errors:increase1m");
        assert!(errors.contains(name) && errors.contains(matchers), "{preset:?}: {errors}");
    }
}

#[test]
fn a_prefix_and_constant_labels_are_in_each_selector() {
    let mut exports = with_preset(Preset::AxumPrometheus);
    exports.naming.prefix = Some("shop".to_owned());
    exports.naming.labels = vec![
        Label::new("zone", "eu \"1\""),
        Label::new("instance", "hidden by the target's"),
        Label::new("empty", ""),
    ];
    let rules = [Rule::error_ratio().above(0.05).each_route(), Rule::in_flight().above(5.0)];
    let file = rendered(&exports, rules);
    let errors = expression(&file, "instance_route:shop_lookout_errors:increase1m");
    let own = r#"{job="orders",zone="eu \"1\"",status=~"5.."}"#;
    assert!(errors.contains(&format!("shop_http_requests_total{own}")), "{errors}");
    assert!(errors.starts_with("sum by (job, zone, instance, method, route) ("));
    assert_eq!(
        expression(&file, "HighInFlight"),
        "sum by (job, zone, instance) ({__name__=~\"shop_http_requests_pending|\
         shop_rpc_server_active_calls\",job=\"orders\",zone=\"eu \\\"1\\\"\"}) > 5"
    );
    assert!(!file.contains("hidden") && !file.contains("empty"));
}

#[test]
fn a_route_is_selected_by_the_labels_of_the_alert() {
    for preset in [Preset::OpenTelemetry, Preset::SpringBoot, Preset::GoGrpcMiddleware] {
        for (route, matchers) in [
            ("GET /a/{b}", r#"method="GET",route="/a/{b}""#),
            ("shop.Orders/Create", r#"route="shop.Orders/Create""#),
        ] {
            let rule = Rule::error_ratio().above(0.05).min_requests(1).route(route).named("R");
            let file = rendered(&with_preset(preset), [rule]);
            let of = |what: &str| {
                format!(
                    r#"sum by (job, instance) (instance_route:lookout_{what}:increase1m{{job="orders",{matchers}}})"#
                )
            };
            let expected = format!("{} / {} > 0.05", of("errors"), of("requests"));
            assert_eq!(expression(&file, "R"), expected);
        }
    }
}

#[test]
fn a_gauge_of_a_route_is_selected_by_the_labels_of_the_preset() {
    for (preset, route, selected) in [
        (
            Preset::OpenTelemetry,
            "GET /a/{b}",
            r#"http_server_active_requests{job="orders",http_request_method="GET",http_route="/a/{b}"}"#,
        ),
        (Preset::SpringBoot, "/a", r#"http_server_active_requests{job="orders",uri="/a"}"#),
        (
            Preset::GoGrpcMiddleware,
            "shop.Orders/Create",
            r#"http_server_active_requests{job="orders",http_route="shop.Orders/Create"} or rpc_server_active_calls{job="orders",grpc_service="shop.Orders",grpc_method="Create"}"#,
        ),
    ] {
        let rule = Rule::in_flight().above(5.0).route(route).named("R");
        let file = rendered(&with_preset(preset), [rule]);
        let expected = format!("sum by (job, instance) ({selected}) > 5");
        assert_eq!(expression(&file, "R"), expected);
    }
}

#[test]
fn a_quantile_is_exact_at_a_bucket_and_an_estimate_elsewhere() {
    let p99 = |milliseconds| {
        Rule::latency_quantile(0.99).above(Duration::from_millis(milliseconds)).named("R")
    };
    let buckets = r#"instance:lookout_durations_bucket:increase1m{job="orders"}"#;
    let durations = r#"instance:lookout_durations:increase1m{job="orders"}"#;
    let at = |bound: &str| {
        format!(
            r#"sum by (job, instance) (instance:lookout_durations_bucket:increase1m{{job="orders",le=~"{bound}"}})"#
        )
    };
    let file = rendered(&exports(), [p99(10_000)]);
    assert_eq!(
        expression(&file, "R"),
        format!(
            "histogram_quantile(0.99, {buckets}) and {} < 0.99 * {durations} and {durations} >= 20",
            at(r"10(\\.0)?")
        )
    );
    let file = rendered(&exports(), [p99(800)]);
    assert_eq!(
        expression(&file, "R"),
        format!("histogram_quantile(0.99, {buckets}) > 0.8 and {durations} >= 20")
    );
    assert!(entry(&file, "R").contains("is interpolated"), "{file}");
    let file = rendered(&exports(), [p99(30_000)]);
    assert!(entry(&file, "R").is_empty());
    assert!(file.contains("# PromQL cannot express the rule R: the largest bucket ends at 10 s"));

    let slow = Rule::slow_ratio(Duration::from_millis(800)).above(0.1).min_errors(2).named("R");
    let file = rendered(&exports(), [slow]);
    let fast = format!("(0.8 * {} + 0.2 * {})", at(r"0\\.75"), at(r"1(\\.0)?"));
    let hits = format!("({durations} - {fast})");
    assert_eq!(
        expression(&file, "R"),
        format!("{hits} / {durations} > 0.1 and {hits} >= 2 and {durations} >= 20")
    );
}

#[test]
fn histograms_with_other_buckets_count_too_with_their_common_bounds() {
    let mut exports = exports();
    exports.families = vec![Family {
        name: "slow".to_owned(),
        routes: vec!["/reports".to_owned()],
        buckets: [1, 10, 60].map(Duration::from_secs).to_vec(),
    }];
    let p99 = |rule: Rule| rule.above(Duration::from_secs(60)).named("R");
    let file = rendered(&exports, [p99(Rule::latency_quantile(0.99).route("/reports"))]);
    assert!(expression(&file, "R").contains(r#"le=~"60(\\.0)?""#), "{file}");
    let file = rendered(&exports, [p99(Rule::latency_quantile(0.99))]);
    assert!(file.contains("PromQL cannot express the rule R: the largest bucket ends at 10 s"));
    let rule = Rule::latency_quantile(0.5).above(Duration::from_secs(1));
    let file = rendered(&exports, [rule]);
    let buckets = expression(&file, "instance:lookout_durations_bucket:increase1m");
    assert!(buckets.contains("http_server_request_duration_slow_seconds_bucket"), "{buckets}");
    assert!(buckets.contains(r#"le=~"1(\\.0)?|10(\\.0)?|\\+Inf""#), "{buckets}");
}

#[test]
fn an_slo_has_the_windows_of_the_workbook() {
    let slo = Rule::slo(0.999).severity(Severity::Critical);
    let file = rendered(&exports(), [slo]);
    let at = |what: &str, window: &str| {
        format!(r#"instance:lookout_{what}:increase{window}{{job="orders"}}"#)
    };
    let rate = |factor: &str, long: &str, short: &str| {
        format!(
            "( {} / {} > {factor} * 0.001 and {} >= 5 and {} / {} > {factor} * 0.001 )",
            at("errors", long),
            at("requests", long),
            at("errors", long),
            at("errors", short),
            at("requests", short)
        )
    };
    assert_eq!(
        expression(&file, "ErrorBudgetBurn"),
        format!("{} or {}", rate("14.4", "1h", "5m"), rate("28.8", "15m", "1m15s"))
    );
    let (_, long) = file.split_once("- name: \"orders over long windows\"").unwrap();
    let over = |what: &str, window: &str| {
        format!(r#"sum by (job) (sum_over_time({}[{window}:5m]))"#, at(what, "5m"))
    };
    let lines: Vec<_> = long.lines().map(str::trim_start).collect();
    let text = lines.join(" ");
    for (factor, long, short, severity) in
        [("6", "6h", "30m", "critical"), ("1", "72h", "6h", "warning")]
    {
        let expected = format!(
            "{} / {} > {factor} * 0.001 and {} >= 5 and {} / {} > {factor} * 0.001 keep_firing_for: 1m \
             labels: severity: {severity} service: orders window: \"{long}\"",
            over("errors", long),
            over("requests", long),
            over("errors", long),
            over("errors", short),
            over("requests", short)
        );
        assert!(text.contains(&expected), "{expected}\n{text}");
    }
    let low = Rule::slo(0.8).burn_rates([BurnRate::new(2.0, Duration::from_secs(600))]);
    let file = rendered(&exports(), [low]);
    assert!(file.contains("# ErrorBudgetBurn has no alert over 6h"), "{file}");
}

#[test]
fn windows_have_at_least_four_scrape_intervals() {
    let rule = Rule::error_ratio().above(0.05).over(Duration::from_secs(10));
    let file = rules(&exports(), [rule]).scrape_interval(Duration::from_secs(30)).to_string();
    assert!(file.contains("instance:lookout_errors:increase2m"), "{file}");
    assert!(file.contains("# A window of 10s is 2m here, four scrape intervals."), "{file}");
    assert!(file.contains("interval: 30s"));
    let zero = rules(&exports(), []).scrape_interval(Duration::ZERO).to_string();
    assert!(zero.contains("interval: 1s"));
}

#[test]
fn counts_of_routes_and_dependencies_have_the_labels_of_the_alert() {
    let rules = || {
        let rule = || Rule::error_ratio().above(0.05);
        [rule().each_route(), rule().dependency("inventory")]
    };
    for (preset, of_route, of_dependency) in [
        (
            Preset::OpenTelemetry,
            r#", "route", "$1", "rpc_method", "(.+)") , "route", "$1", "http_route", "(.+)") , "method", "$1", "http_request_method", "(.+)")"#,
            "",
        ),
        (
            Preset::SpringBoot,
            r#", "route", "$1", "uri", "(.+)") , "route", "unmatched", "uri", "NOT_FOUND|REDIRECTION|UNKNOWN")"#,
            r#", "dependency", "$1", "client_name", "(.+)")"#,
        ),
        (
            Preset::GoGrpcMiddleware,
            r#", "route", "/", "grpc_service", "grpc_method") , "route", "$1", "route", "unknown/(.+)") , "route", "$1", "http_route", "(.+)")"#,
            "",
        ),
    ] {
        let file = rendered(&with_preset(preset), rules());
        let errors = expression(&file, "instance_route:lookout_errors:increase1m");
        assert!(errors.starts_with("sum by (job, instance, method, route) ( label_replace("));
        assert!(errors.contains(of_route), "{errors}");
        let errors = expression(&file, "instance_dependency:lookout_errors:increase1m");
        assert!(errors.starts_with("sum by (job, instance, dependency) ("));
        assert!(errors.contains(of_dependency), "{errors}");
    }
}

proptest! {
    #[test]
    fn any_text_of_a_user_stays_in_its_line(
        name in any::<String>(),
        text in "[\"\\\\{}'`\n\r\t\u{85}\u{2028}\u{feff}é日 #:|>-]*",
        route in any::<String>(),
    ) {
        let rule = Rule::error_ratio()
            .above(0.05)
            .named(name.clone())
            .route(route.clone())
            .label("team", text.clone())
            .summary(text.clone())
            .runbook(name);
        let plain = Rule::error_ratio().above(0.05).named("n").route("r").label("team", "t");
        let plain = plain.summary("s").runbook("u");
        let mut other = exports();
        other.service = text;
        let file = rules(&other, [rule]).job(route).to_string();
        let expected = rules(&exports(), [plain]).job("j").to_string();
        // The heads may have different breaks.
        let keys = |file: &str| {
            let lines = file.lines().filter(|line| !line.starts_with('#'));
            let keys = lines.map(|line| line.split(':').next().unwrap_or_default().to_owned());
            keys.filter(|key| {
                let key = key.trim_start_matches([' ', '-']);
                ["alert", "record", "expr", "labels", "annotations", "team", "summary", "name", "service"]
                    .contains(&key)
            }).collect::<Vec<_>>()
        };
        prop_assert_eq!(keys(&file), keys(&expected));
        prop_assert!(file.chars().all(|c| promql::is_plain(c) || c == '\n'));
    }
}
