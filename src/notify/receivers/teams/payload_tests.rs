use super::*;
use crate::{
    alert::{Contribution, Target, test_alert},
    operation::{MethodLabel, Operation},
};

fn message(alerts: Vec<Alert>) -> Value {
    let changes = vec![1; alerts.len()];
    let now = alerts[0].starts_at + std::time::Duration::from_secs(2);
    payload(&Notification::with_changes(alerts, changes), now).0
}

fn operation(route: &str) -> Operation {
    Operation::of_server(MethodLabel::Post, route)
}

fn parts(message: &Value) -> &[Value] {
    message["attachments"][0]["content"]["body"].as_array().unwrap()
}

fn texts(container: &Value) -> Vec<&str> {
    let items = container["items"].as_array().unwrap();
    items.iter().map(|item| item["text"].as_str().unwrap()).collect()
}

#[test]
fn a_firing_card_shows_value_target_severity_time_and_top_routes() {
    let mut alert = test_alert("HighErrorRatio", AlertStatus::Firing);
    alert.summary = Some("Too many requests fail.\nSee the_log.".to_owned());
    alert.runbook = Some("https://wiki.example.com/errors_(all)".to_owned());
    alert.dashboard = Some("https://grafana.example.com/d/1".to_owned());
    alert.labels.insert("team".to_owned(), "shop".to_owned());
    alert.breach_mut().unwrap().top = vec![Contribution {
        operation: operation("/orders/{id}"),
        share: 0.83,
        detail: "85 of 410 failed (20.7%), 83% of all failures".to_owned(),
    }];
    let message = message(vec![alert]);
    assert_eq!(message["type"], "message");
    let attachment = &message["attachments"][0];
    assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
    assert_eq!(attachment["content"]["type"], "AdaptiveCard");
    let container = &parts(&message)[0];
    assert_eq!(container["items"][0]["color"], "attention");
    assert_eq!(
        texts(container),
        [
            "🔴 \\[FIRING\\] HighErrorRatio · orders",
            "**error ratio 20.3%** · threshold: above 1% · 512 requests in 10s",
            "Too many requests fail.\n\nSee the\\_log.",
            "firing since {{TIME(2026-11-18T11:06:40Z)}} {{DATE(2026-11-18T11:06:40Z, SHORT)}} \
             (11:06:40 UTC), for 2s",
            "**Top operations**",
            "• POST /orders/{id} · 85 of 410 failed (20.7%), 83% of all failures",
            "[Runbook](https://wiki.example.com/errors_%28all%29) · \
             [Dashboard](https://grafana.example.com/d/1)",
            "service orders · instance host-1:42 · version 1.2.3 · severity critical · team shop",
        ]
    );
}

#[test]
fn a_resolved_card_is_green_and_shows_peak_and_duration() {
    let mut alert = test_alert("HighErrorRatio", AlertStatus::Resolved);
    alert.target = Target::Operation(operation("/orders"));
    let message = message(vec![alert]);
    let container = &parts(&message)[0];
    assert_eq!(container["items"][0]["color"], "good");
    let texts = texts(container);
    assert_eq!(texts[0], "🟢 \\[RESOLVED\\] HighErrorRatio · POST /orders");
    assert!(texts[2].starts_with("lasted 34s, from {{TIME("), "{}", texts[2]);
    assert_eq!(texts[3], "peak 22.1% · 412 of 1800 requests failed during the incident");
}

#[test]
fn user_text_is_escaped() {
    let evil = "<at>all</at> **b** [x](https://evil) _i_ &lt; `c` \\";
    let mut alert = test_alert(evil, AlertStatus::Firing);
    alert.target = Target::Operation(operation(evil));
    alert.summary = Some(evil.to_owned());
    alert.runbook = Some(evil.to_owned());
    alert.labels.insert(evil.to_owned(), evil.to_owned());
    let message = message(vec![alert]);
    let escaped =
        "\\<at>all\\</at> \\*\\*b\\*\\* \\[x\\](https://evil) \\_i\\_ \\&lt; \\`c\\` \\\\";
    let texts = texts(&parts(&message)[0]);
    assert_eq!(texts[0], format!("🔴 \\[FIRING\\] {escaped} · POST {escaped}"));
    assert_eq!(texts[2], escaped);
    assert_eq!(texts[4], escaped);
    let in_code = escaped.replace("\\`", "'");
    assert!(texts[5].ends_with(&format!("· {escaped} {in_code}")), "{}", texts[5]);
}

#[test]
fn a_message_stays_within_teams_size_limit() {
    for long in ["*🔴\u{1}\"", "\\", "\n", "🔴"] {
        let long = long.repeat(5_000);
        let alerts = (0..60)
            .map(|n| {
                let mut alert = test_alert(&format!("Rule{n}{long}"), AlertStatus::Firing);
                alert.summary = Some(long.clone());
                alert.runbook = Some(format!("https://x/{long}"));
                alert.labels.insert(long.clone(), long.clone());
                alert.breach_mut().unwrap().top = vec![
                    Contribution {
                        operation: operation(&long),
                        share: 0.3,
                        detail: long.clone()
                    };
                    3
                ];
                alert
            })
            .collect();
        let message = message(alerts);
        let size = message.to_string().len();
        assert!(size <= TOTAL, "{size}");
        let last = parts(&message).last().unwrap()["text"].as_str().unwrap();
        assert!(last.starts_with("**And ") && last.ends_with('…'), "{last}");
    }
}

#[test]
fn alerts_beyond_the_tenth_are_listed_by_title() {
    let alerts = (0..12).map(|n| test_alert(&format!("Rule{n}"), AlertStatus::Firing)).collect();
    let message = message(alerts);
    let parts = parts(&message);
    assert_eq!(parts.len(), 11);
    assert_eq!(texts(&parts[9])[0], "🔴 \\[FIRING\\] Rule9 · orders");
    assert_eq!(
        parts[10]["text"],
        "**And 2 more:**\n\n\\[FIRING\\] Rule10 · orders\n\n\\[FIRING\\] Rule11 · orders"
    );
}
