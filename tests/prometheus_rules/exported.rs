//! The rules name only metrics and labels that a lookout exports.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    io,
    time::Duration,
};

use promql_parser::{
    label::{MatchOp, Matcher},
    parser::{Expr, VectorSelector, parse},
    util::{ExprVisitor, walk_expr},
};
use tower_lookout::{Lookout, Rule, prometheus};

use crate::{
    all_rules,
    file::expressions,
    shop::{PRESETS, call_grpc, send_http},
    support::eventually,
};

/// The selectors of metrics in an expression.
#[derive(Default)]
struct Selectors(Vec<VectorSelector>);

impl ExprVisitor for Selectors {
    type Error = Infallible;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, Infallible> {
        match expr {
            Expr::VectorSelector(selector) => self.0.push(selector.clone()),
            Expr::MatrixSelector(selector) => self.0.push(selector.vs.clone()),
            _ => {}
        }
        Ok(true)
    }
}

/// The selectors in an expression.
pub(crate) fn selectors(expression: &Expr) -> Vec<VectorSelector> {
    let mut selectors = Selectors::default();
    walk_expr(&mut selectors, expression).unwrap();
    selectors.0
}

/// The names of the metrics that a selector selects.
fn names(selector: &VectorSelector) -> Vec<String> {
    let by_label = selector.matchers.matchers.iter().filter(|matcher| matcher.name == "__name__");
    let by_label = by_label.flat_map(|matcher| matcher.value.split('|')).map(str::to_owned);
    selector.name.clone().into_iter().chain(by_label).collect()
}

/// Whether a metric without the label is never selected.
fn needs_label(matcher: &Matcher) -> bool {
    let is_name = matches!(&*matcher.name, "__name__" | "job" | "instance");
    let is_absent_fine = match &matcher.op {
        MatchOp::Equal => matcher.value.is_empty(),
        MatchOp::NotEqual => !matcher.value.is_empty(),
        MatchOp::Re(_) => false,
        MatchOp::NotRe(_) => false,
    };
    !is_name && !is_absent_fine
}

/// The labels of each metric in a scrape.
fn labels_of_metrics(scrape: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut metrics = BTreeMap::<String, BTreeSet<String>>::new();
    for line in scrape.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.split("\",").filter_map(|label| label.split_once("=\""));
        let names = labels.map(|(name, _)| name.to_owned());
        metrics.entry(name.to_owned()).or_default().extend(names);
    }
    metrics
}

/// Sends traffic of each kind, and returns the scrape.
async fn scraped(lookout: &Lookout, scrape: &prometheus::Scrape, age: &str) -> String {
    send_http(lookout).await;
    call_grpc(lookout).await;
    let postgres = lookout.dependency("postgres").database("postgresql");
    let kafka = lookout.dependency("kafka").messaging("kafka");
    for dependency in [postgres, kafka, lookout.dependency("files")] {
        let failed = async { Err::<(), _>(io::Error::other("gone")) };
        dependency.call("read", failed).await.unwrap_err();
    }
    lookout.reporter().report(&io::Error::other("no broker"));
    let has = |text: &str, name: &str| text.lines().any(|line| line.starts_with(name));
    eventually(5, "a tick", || {
        let text = scrape.render();
        let is_complete = ["lookout_reports_total{", "lookout_runtime_lag_seconds{"]
            .into_iter()
            .all(|name| text.contains(name));
        (has(&text, age) && is_complete).then_some(text)
    })
    .await
}

#[tokio::test]
async fn each_metric_and_label_of_the_rules_is_in_a_scrape_of_the_same_lookout() {
    for preset in PRESETS {
        for prefix in [None, Some("shop")] {
            let slow = [1, 10].map(Duration::from_secs);
            let (recorder, scrape) =
                prometheus::Builder::new().buckets_for("slow", slow).build().unwrap();
            let builder = Lookout::builder().service("test").recorder(recorder).preset(preset);
            let builder =
                builder.rules(all_rules()).rule(Rule::in_flight().above(1.0).named("zone"));
            let builder = builder.on_alert(|_| ()).constant_label("zone", "eu");
            let builder = builder.buckets_for("slow", ["/orders/{id}", "test.Echo/Unary"], slow);
            let builder = prefix.into_iter().fold(builder, tower_lookout::LookoutBuilder::prefix);
            let lookout = builder.start().unwrap();
            let before = prefix.map(|prefix| format!("{prefix}_")).unwrap_or_default();
            let age = format!("{before}http_server_throughput_requests_per_second_count");
            let text = scraped(&lookout, &scrape, &age).await;
            let metrics = labels_of_metrics(&text);
            let mut seen = BTreeSet::new();
            for expression in expressions(&lookout.prometheus_rules().to_string()) {
                for selector in &selectors(&parse(&expression).unwrap()) {
                    for name in names(selector) {
                        if name.contains(':') || name == "up" {
                            continue;
                        }
                        let context = format!("{preset:?} {prefix:?}: {name} in {selector}");
                        let labels = metrics.get(&name).unwrap_or_else(|| panic!("{context}"));
                        for matcher in selector.matchers.matchers.iter().filter(|m| needs_label(m))
                        {
                            let is_there = labels.contains(&matcher.name);
                            assert!(is_there, "{context}: no label {}: {labels:?}", matcher.name);
                        }
                        seen.insert(name);
                    }
                }
            }
            assert!(seen.len() > 30, "{seen:?}");
        }
    }
}
