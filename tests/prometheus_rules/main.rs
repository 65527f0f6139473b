//! The Prometheus rules of a lookout: promtool and a parser accept them, each signal fires as its
//! rule demands, and the metrics exist in a scrape.

#![cfg(all(feature = "axum", feature = "prometheus", feature = "tonic"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]
#![expect(clippy::print_stdout, reason = "a test prints the times of the alerts")]

mod agreement;
#[path = "../support/echo.rs"]
mod echo;
mod exported;
mod file;
mod outside;
#[path = "../support/prometheus_server.rs"]
mod prometheus_server;
#[path = "../support/shop.rs"]
mod shop;
mod signals;
#[path = "../support/mod.rs"]
mod support;
mod unit;

use std::time::Duration;

use tower_lookout::{
    Lookout, LookoutBuilder, Preset, Rule,
    rule::{BurnRate, Severity},
};

use file::{Folder, expressions, run};
use shop::PRESETS;

/// Rules of each signal and each scope, with texts that need escapes.
pub(crate) fn all_rules() -> Vec<Rule> {
    let second = Duration::from_secs(1);
    let odd = "\"{{ .X }}\" \\ {id} 'é' 日本\n# - : |\t\u{85}\u{2028}";
    let signals = || {
        [
            Rule::mean_latency().above(second * 3),
            Rule::mean_latency().below(second),
            Rule::latency_quantile(0.99).above(second),
            Rule::latency_quantile(0.99).above(Duration::from_millis(800)),
            Rule::latency_quantile(0.5).below(Duration::from_millis(10)),
            Rule::slow_ratio(second).above(0.1).min_errors(3),
            Rule::slow_ratio(Duration::from_millis(1)).below(0.1).confidence(0.9),
            Rule::error_ratio().above(0.05).min_errors(3).confidence(0.95),
            Rule::error_ratio().below(0.05),
            Rule::client_error_ratio().above(0.5).over(second..=second * 600),
            Rule::slo(0.999),
            Rule::slo(0.9).burn_rates([BurnRate::new(2.0, second * 600)]).min_requests(10),
            Rule::throughput().above(1_000.0),
            Rule::throughput().below(1.0).min_requests(3),
            Rule::in_flight().above(100.0).hold_for(second * 30),
            Rule::in_flight().below(1.0),
            Rule::oldest_in_flight().above(second * 10).keep_firing_for(second * 60),
        ]
    };
    let scopes: [fn(Rule) -> Rule; 7] = [
        |rule| rule,
        Rule::each_route,
        |rule| rule.route("/orders/{id}"),
        |rule| rule.route("GET unmatched"),
        |rule| rule.route("test.Echo/Unary"),
        |rule| rule.dependency("shop"),
        |rule| rule.dependency("\"a\\{b}\" é\n"),
    ];
    let scoped = scopes.into_iter().flat_map(|scope| signals().map(scope));
    let odd_rule = Rule::error_ratio().above(0.3).named(odd).label("team", odd).summary(odd);
    let odd_rule = odd_rule.runbook(odd).dashboard(odd).route(format!("/{}", odd.replace(' ', "")));
    scoped.chain([odd_rule.severity(Severity::Info), Rule::runtime_lag().above(second)]).collect()
}

const JOB: &str = "a\\b \"{{job}}\" é\n";

fn with(preset: Preset, set: impl FnOnce(LookoutBuilder) -> LookoutBuilder) -> String {
    let builder = Lookout::builder().service("a \"shop\" {{é}}").preset(preset).rules(all_rules());
    set(builder).start().unwrap().prometheus_rules().job(JOB).to_string()
}

fn files() -> Vec<String> {
    let slow = [1, 10].map(Duration::from_secs);
    let mut files = Vec::new();
    for preset in PRESETS {
        files.push(with(preset, |builder| builder));
        files.push(with(preset, |builder| {
            let builder = builder.prefix("shop").constant_label("offset", "a\"b\\c{{d}}\n");
            builder.constant_label("group", "").buckets_for(
                "slow",
                ["/reports", "/orders/{id}"],
                slow,
            )
        }));
    }
    files
}

#[tokio::test]
async fn a_parser_reads_each_expression() {
    for file in files() {
        let expressions = expressions(&file);
        assert!(expressions.len() > 100, "{}", expressions.len());
        for expression in expressions {
            let parsed = promql_parser::parser::parse(&expression);
            let parsed = parsed.unwrap_or_else(|error| panic!("{error}\n{expression}"));
            for selector in exported::selectors(&parsed) {
                let job = selector.matchers.matchers.iter().find(|matcher| matcher.name == "job");
                assert_eq!(job.unwrap().value, JOB, "{expression}");
            }
        }
    }
}

#[tokio::test]
async fn promtool_accepts_the_rules_of_each_preset_and_prefix() {
    let Some(promtool) = support::program("promtool") else { return };
    let folder = Folder::new();
    let files = files().into_iter().enumerate();
    let files: Vec<_> =
        files.map(|(number, file)| folder.write(&format!("{number}.yml"), &file)).collect();
    run(&promtool, &["check", "rules", "--lint-fatal"], &files);
}

#[tokio::test]
async fn replaced_rules_are_rendered() {
    let lookout = Lookout::builder().service("test").rules(Rule::defaults()).start().unwrap();
    let file = lookout.prometheus_rules().to_string();
    assert!(file.contains("- alert: HighErrorRatio\n") && !file.contains("HighInFlight"));
    lookout.replace_rules([Rule::in_flight().above(100.0)]).await.unwrap();
    let file = lookout.prometheus_rules().to_string();
    assert!(!file.contains("- alert: HighErrorRatio\n") && file.contains("- alert: HighInFlight"));
}
