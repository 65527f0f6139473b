//! Each query returns data from a real Prometheus, and names only metrics that a lookout exports.

use std::{collections::BTreeSet, convert::Infallible, time::Duration};

use axum::{Router, routing::get};
use promql_parser::{
    parser::{Expr, VectorSelector, parse},
    util::{ExprVisitor, walk_expr},
};
use tokio::net::TcpListener;
use tower_lookout::LookoutBuilder;

use crate::{
    ask, dashboard::Dashboard, prometheus_server::PrometheusServer, shop::PRESETS, started, support,
};

/// The panels without data, with the reasons.
const WITHOUT_DATA: [(&str, &str); 3] = [
    ("Restarts", "no instance restarts during the test"),
    ("Duration of streams", "no HTTP response of the test is a stream"),
    ("p99 wait for the client", "the client is ready at once, so no request waits"),
];

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

/// The names of the metrics in a query.
fn names(query: &str) -> BTreeSet<String> {
    let mut selectors = Selectors::default();
    walk_expr(&mut selectors, &parse(query).unwrap()).unwrap();
    let of = |selector: &VectorSelector| {
        let matchers = selector.matchers.matchers.clone();
        let by_label = matchers.into_iter().filter(|matcher| matcher.name == "__name__");
        let by_label = by_label
            .flat_map(|matcher| matcher.value.split('|').map(str::to_owned).collect::<Vec<_>>());
        selector.name.clone().into_iter().chain(by_label).collect::<Vec<_>>()
    };
    selectors.0.iter().flat_map(of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_prometheus_returns_data_for_each_query() {
    let Some(program) = support::program("prometheus") else { return };
    let mut services = Vec::new();
    for preset in PRESETS {
        for prefix in [None, Some("acme")] {
            let job = format!("{preset:?}{}", prefix.unwrap_or_default());
            let (lookout, scrape) = started(preset, |builder| {
                prefix.into_iter().fold(builder.service(&*job), LookoutBuilder::prefix)
            });
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let app = Router::new().route("/metrics", get(scrape.clone()));
            tokio::spawn(async move { axum::serve(listener, app).await });
            services.push((job, address, lookout, scrape));
        }
    }
    let targets: Vec<_> = services.iter().map(|(job, address, ..)| (&**job, *address)).collect();
    let server = PrometheusServer::start(&program, &targets, "");
    for (_, _, lookout, _) in &services {
        ask(lookout).await;
    }
    // A rate needs two samples of a series.
    server.wait_for("min(count_over_time(up[1m]))", 4.0).await;
    for (_, _, lookout, _) in &services {
        ask(lookout).await;
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    for (job, _, lookout, scrape) in &services {
        let text = scrape.render();
        for (panel, query) in Dashboard::of(lookout).queries() {
            check(&server, &text, &format!("{job}, {panel}"), &panel, &query);
        }
    }
}

fn check(server: &PrometheusServer, scrape: &str, context: &str, panel: &str, query: &str) {
    let samples = tokio::task::block_in_place(|| server.samples(query));
    let has_data = !samples.unwrap_or_else(|| panic!("{context}: {query}")).is_empty();
    let needs_none = WITHOUT_DATA.iter().any(|(without, _)| *without == panel);
    assert!(has_data || needs_none, "{context} has no data:\n{query}");
    for name in names(query).iter().filter(|name| *name != "up" && has_data) {
        let is_exported = scrape.lines().any(|line| line.starts_with(&format!("{name}{{")));
        let may_be_absent = name.contains("_slow_");
        assert!(is_exported || may_be_absent, "{context}: {name} is not in the scrape");
    }
}
