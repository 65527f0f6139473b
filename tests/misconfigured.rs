//! Settings without an effect: `start()` rejects them, or logs one warning.

#![cfg(all(feature = "axum", feature = "prometheus"))]
#![expect(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/logs.rs"]
mod logs;
mod support;

use std::time::Duration;

use axum::{Router, body::Body, routing::get};
use http::Request;
use tower::ServiceExt;
use tower_lookout::{Lookout, LookoutBuilder, Rule, Severity};

use logs::Logs;
use support::{eventually, start};

fn rejected(set: impl FnOnce(LookoutBuilder) -> LookoutBuilder) -> String {
    set(Lookout::builder().service("test")).start().unwrap_err().to_string()
}

fn ratio() -> Rule {
    Rule::error_ratio().above(0.01)
}

#[test]
fn settings_without_an_effect_are_rejected_at_the_start() {
    for (rule, expected) in [
        (ratio().route("/a").dependency("b"), "route and dependency are mutually exclusive"),
        (ratio().below(0.001), "above and below are mutually exclusive"),
        (
            Rule::in_flight().above(9).over(Duration::from_secs(60)),
            "over has no effect on the requests in flight",
        ),
    ] {
        let error = rejected(|builder| builder.rule(rule));
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(
        rejected(|builder| builder.route_templates(["/orders/:id"])),
        "route_templates: \"/orders/:id\" has the syntax before axum 0.8: write parameters as \"/orders/{id}\" and \
         \"/files/{*path}\""
    );
    assert_eq!(
        rejected(|builder| builder.route_templates(["/orders"]).route_fn(|_| None)),
        "route_templates: cannot be combined with route_fn: remove one of them"
    );
}

#[cfg(feature = "toml")]
#[tokio::test]
async fn an_empty_file_is_rejected_at_the_start_and_at_a_reload_unless_it_sets_defaults() {
    let path = std::env::temp_dir().join(format!("lookout-empty-{}.toml", std::process::id()));
    std::fs::write(&path, "defaults = true").unwrap();
    let lookout = Lookout::builder().config(&path).start().unwrap();
    std::fs::write(&path, "# nothing\n").unwrap();
    let expected = format!(
        "{}:1: has no rule and no notifier: if that is intended, set defaults = false",
        path.display()
    );
    assert_eq!(lookout.reload().await.unwrap_err().to_string(), expected);
    assert_eq!(Lookout::builder().config(&path).start().unwrap_err().to_string(), expected);
    std::fs::write(&path, "defaults = false").unwrap();
    assert_eq!(lookout.reload().await.unwrap().removed, 3);
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn the_start_logs_one_line_and_one_warning_for_each_missing_setting() {
    let logs = Logs::of_all();
    let (lookout, _scrape) = start(|builder| builder.service("gaps").rules(Rule::defaults()));
    let (_, _scrape) = start(|builder| builder.service("gaps").on_alert(|_| ()));
    let text = logs.text();
    let count = |message: &str| {
        let lines = text.lines().filter(|line| line.contains("service=\"gaps\""));
        lines.filter(|line| line.contains(message)).count()
    };
    assert_eq!(count("lookout::self_check: the lookout has started"), 2, "{text}");
    assert_eq!(count("rules=3 notifiers=\"\" recorder=\"found\""), 1, "{text}");
    assert_eq!(count("rules=0 notifiers=\"on_alert\" recorder=\"found\""), 1, "{text}");
    assert_eq!(count("there are rules but no notifier"), 1, "{text}");
    assert_eq!(count("there are notifiers but no rules"), 1, "{text}");

    let twice = || logs.text().matches("a request passed two layers of the same lookout").count();
    let once = Router::new().route("/a", get(|| async { "a" })).layer(lookout.layer());
    let both = once.clone().layer(lookout.layer());
    for (app, times) in [(once, 0), (both, 1)] {
        // The lookout checks only the first requests of a new layer.
        let _ = lookout.layer();
        for _ in 0..3 {
            let request = Request::builder().uri("/a").body(Body::empty()).unwrap();
            app.clone().oneshot(request).await.unwrap();
        }
        assert_eq!(twice(), times);
    }
    let (lookout, _scrape) = start(|builder| builder.rules(Rule::defaults()));

    // A layer around the router does not see the route.
    let router = Router::new().route("/orders", get(|| async { "orders" }));
    let app = tower::ServiceBuilder::new().layer(lookout.layer()).service(router);
    for _ in 0..100 {
        let request = Request::builder().uri("/orders").body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        axum::body::to_bytes(Body::new(response.into_body()), 1_000).await.unwrap();
    }
    let warns = || logs.text().matches("no request has a route, so all count as unmatched").count();
    eventually(10, "the warning", || (warns() > 0).then_some(())).await;
    let before = lookout.status().at;
    eventually(10, "two more ticks", || {
        let passed = lookout.status().at.duration_since(before).unwrap_or_default();
        (passed > Duration::from_millis(1_500)).then_some(())
    })
    .await;
    assert_eq!(warns(), 1);
}

#[tokio::test]
async fn the_status_is_served_as_json_with_the_reason_why_a_rule_does_not_fire() {
    let (lookout, scrape) = start(|builder| {
        let ratio = Rule::error_ratio().above(0.01).severity(Severity::Critical);
        builder
            .instance("a \"b\"")
            .rules([ratio, Rule::runtime_lag().above(Duration::from_secs(9))])
    });
    let handle = lookout.clone();
    let app = Router::new()
        .route("/orders", get(|| async { "orders" }))
        .layer(lookout.layer())
        .route("/lookout", get(|| async move { handle.status() }));
    let fetch = async |path: &str| {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let body = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
        (kind, String::from_utf8(body.to_vec()).unwrap())
    };
    for _ in 0..7 {
        fetch("/orders").await;
    }
    eventually(10, "a tick", || (lookout.status().rules[0].requests == Some(7)).then_some(()))
        .await;
    let (kind, json) = fetch("/lookout").await;
    assert_eq!(kind, "application/json");
    let status: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(status["service"], "test");
    assert_eq!(status["instance"], "a \"b\"");
    assert_eq!(status["format_version"], 1);
    assert_eq!(status["has_recorder"], true);
    let rule = &status["rules"][0];
    assert_eq!(rule["rule"], "HighErrorRatio");
    assert_eq!((&rule["state"], &rule["severity"]), (&"inactive".into(), &"critical".into()));
    assert_eq!((&rule["value"], &rule["reason"]), (&().into(), &"7 of 20 requests".into()));
    assert_eq!(rule["threshold"], 0.01);
    assert_eq!(status["rules"][1]["window_seconds"], serde_json::Value::Null);
    assert_eq!(status["scopes"][0]["total_requests"], 7);
    let operation = &status["operations"][0];
    assert_eq!(operation["target"], "GET /orders");
    assert_eq!(
        (&operation["in_flight"], &operation["last_minute"]["requests"]),
        (&0.into(), &7.into())
    );
    assert_eq!(
        (&status["alerts"], &status["notifiers"]),
        (&[(); 0][..].into(), &[(); 0][..].into())
    );

    let text = scrape.render();
    let value = |name: &str, rule: &str| support::sum(&text, name, &[("rule", rule)]);
    assert!(value("lookout_rule_value", "HighErrorRatio").is_nan(), "without a verdict");
    assert!(value("lookout_rule_value", "HighRuntimeLag") < 9.0);
    assert_eq!(value("lookout_rule_threshold", "HighErrorRatio"), 0.01);
}
