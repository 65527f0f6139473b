use super::*;
use crate::{
    alert::{Contribution, Origin, Target, test_alert, test_report},
    operation::{MethodLabel, Operation},
};

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn operation(route: &str) -> Operation {
    Operation::of_server(MethodLabel::Post, route)
}

#[test]
fn a_firing_alert_is_a_trigger_with_all_details() {
    let mut alert = test_alert("HighErrorRatio", AlertStatus::Firing);
    alert.summary = Some("Too many requests fail.".to_owned());
    alert.runbook = Some("https://wiki.example.com/errors".to_owned());
    alert.dashboard = Some("https://grafana.example.com/d/1".to_owned());
    alert.labels.insert("team".to_owned(), "shop".to_owned());
    alert.labels.insert("service".to_owned(), "not the service".to_owned());
    alert.breach_mut().unwrap().top = vec![Contribution {
        operation: operation("/orders"),
        share: 0.83,
        detail: "85 of 410 failed (20.7%), 83% of all failures".to_owned(),
    }];
    assert_eq!(
        event(KEY, &alert, 1),
        json!({
            "routing_key": KEY,
            "event_action": "trigger",
            "dedup_key": "orders host-1:42 HighErrorRatio orders 6be83f99f9bc8014",
            "client": "tower-lookout",
            "payload": {
                "summary": "orders: HighErrorRatio: error ratio 20.3% (threshold: above 1%)",
                "source": "host-1:42",
                "severity": "critical",
                "timestamp": "2026-11-18T11:06:40.000Z",
                "component": "orders",
                "group": "orders",
                "class": "HighErrorRatio",
                "custom_details": {
                    "summary": "Too many requests fail.",
                    "measured": "error ratio 20.3%",
                    "condition": "threshold: above 1%",
                    "window": "512 requests in 10s",
                    "top_1": "POST /orders: 85 of 410 failed (20.7%), 83% of all failures",
                    "runbook": "https://wiki.example.com/errors",
                    "dashboard": "https://grafana.example.com/d/1",
                    "service": "orders",
                    "instance": "host-1:42",
                    "version": "1.2.3",
                    "team": "shop",
                },
            },
            "links": [
                {"href": "https://wiki.example.com/errors", "text": "Runbook"},
                {"href": "https://grafana.example.com/d/1", "text": "Dashboard"},
            ],
        })
    );
}

#[test]
fn a_resolve_has_the_same_key_and_shows_peak_and_duration() {
    let mut firing = test_alert("HighErrorRatio", AlertStatus::Firing);
    let mut resolved = test_alert("HighErrorRatio", AlertStatus::Resolved);
    for alert in [&mut firing, &mut resolved] {
        alert.target = Target::Operation(operation("/orders"));
    }
    let (firing, resolved) = (event(KEY, &firing, 1), event(KEY, &resolved, 3));
    assert_eq!(resolved["event_action"], "resolve");
    assert_eq!(resolved["dedup_key"], firing["dedup_key"]);
    let payload = &resolved["payload"];
    assert_eq!(
        payload["summary"],
        "orders: HighErrorRatio · POST /orders: error ratio 0.2% (threshold: above 1%)"
    );
    assert_eq!(payload["timestamp"], "2026-11-18T11:07:14.000Z");
    let details = &payload["custom_details"];
    assert_eq!(details["lasted"], "34s");
    assert_eq!(details["impact"], "peak 22.1% · 412 of 1800 requests failed during the incident");
    assert_eq!(details["changes"], "3 were merged into this event");
}

#[test]
fn alerts_share_a_key_only_with_equal_service_instance_rule_and_target() {
    let alert = |service: &str, instance: &str, rule: &str| {
        let mut alert = test_alert(rule, AlertStatus::Firing);
        alert.origin =
            Origin { service: service.to_owned(), instance: instance.to_owned(), version: None }
                .into();
        alert
    };
    let long = "x".repeat(300);
    let mut route = alert("a", "b", "c");
    route.target = Target::Operation(operation("/orders"));
    let mut reported = alert("a", "b", "c");
    reported.target = Target::CallSite("src/orders.rs:42".to_owned());
    let keys = [
        reported,
        alert("a", "b", "c"),
        alert("a b", "c", "c"),
        alert("a", "b c", "c"),
        alert("a", "b", &format!("{long}1")),
        alert("a", "b", &format!("{long}2")),
        alert("ä", "b", "c"),
        alert("ö", "b", "c"),
        route,
    ]
    .map(|alert| dedup_key(&alert, DEDUP_KEY));
    for (at, key) in keys.iter().enumerate() {
        assert!(key.len() <= DEDUP_KEY && key.is_ascii(), "{key}");
        assert!(!keys[..at].contains(key), "{key}");
    }
    assert_eq!(dedup_key(&alert("a", "b", "c"), DEDUP_KEY), keys[1]);
}

#[test]
fn an_event_stays_within_pagerdutys_limits() {
    let long = "\u{1}🔴\"".repeat(100_000);
    let mut alert = test_alert(&long, AlertStatus::Firing);
    alert.summary = Some(long.clone());
    alert.runbook = Some(format!("https://x/{long}"));
    for n in 0..1_000 {
        alert.labels.insert(format!("{n}{long}"), long.clone());
    }
    alert.breach_mut().unwrap().top =
        vec![Contribution { operation: operation(&long), share: 0.3, detail: long.clone() }; 3];
    let event = event(KEY, &alert, 1);
    assert_eq!(event.get("links"), None, "a link that is too long is left out");
    let summary = event["payload"]["summary"].as_str().unwrap();
    assert_eq!(summary.chars().count(), SUMMARY);
    let size = event.to_string().len();
    assert!(size <= 512_000, "{size}");
}

#[test]
fn an_alert_resolved_before_delivery_is_triggered_with_its_peak_and_resolved() {
    let actions = |status, changes| {
        let events = events(KEY, &test_alert("HighErrorRatio", status), changes);
        events.iter().map(|event| serde_json::from_str(event).unwrap()).collect::<Vec<Value>>()
    };
    for (status, changes, expected) in [
        (AlertStatus::Firing, 1, vec!["trigger"]),
        (AlertStatus::Firing, 3, vec!["trigger"]),
        (AlertStatus::Resolved, 1, vec!["resolve"]),
        (AlertStatus::Resolved, 2, vec!["trigger", "resolve"]),
    ] {
        let events = actions(status, changes);
        let found: Vec<_> = events.iter().map(|event| &event["event_action"]).collect();
        assert_eq!(found, expected, "{status} after {changes}");
    }
    let events = actions(AlertStatus::Resolved, 2);
    assert_eq!(events[0]["dedup_key"], events[1]["dedup_key"]);
    assert_eq!(
        events[0]["payload"]["summary"],
        "orders: HighErrorRatio: error ratio 22.1% (threshold: above 1%)"
    );
    assert_eq!(events[0]["payload"]["timestamp"], "2026-11-18T11:06:40.000Z");
}

#[test]
fn a_group_of_reports_lists_their_errors_and_has_its_own_key() {
    let mut alert = test_report();
    let both = event(KEY, &alert, 1);
    let details = &both["payload"]["custom_details"];
    assert_eq!(details["text_1"], "2× not sent: <no broker>");
    assert_eq!(details["text_2"], "1× no stock");
    let summary = both["payload"]["summary"].as_str().unwrap();
    assert!(summary.starts_with("orders: OrderEventLost · POST /orders: not sent"), "{summary}");
    alert.failure_mut().unwrap().group = "GET /orders".into();
    assert_ne!(event(KEY, &alert, 1)["dedup_key"], both["dedup_key"]);
}
