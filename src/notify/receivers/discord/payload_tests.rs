use super::*;
use crate::{
    alert::{Cause, Contribution, Failure, Target, test_alert, test_report},
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

#[test]
fn a_firing_embed_shows_value_target_severity_time_and_top_routes() {
    let mut alert = test_alert("HighErrorRatio", AlertStatus::Firing);
    alert.summary = Some("Too many requests fail.".to_owned());
    alert.runbook = Some("https://wiki.example.com/errors_(all)".to_owned());
    alert.dashboard = Some("https://grafana.example.com/d/1".to_owned());
    alert.labels.insert("team".to_owned(), "shop".to_owned());
    alert.breach_mut().unwrap().top = vec![Contribution {
        operation: operation("/orders/{id}"),
        share: 0.83,
        detail: "85 of 410 failed (20.7%), 83% of all failures".to_owned(),
    }];
    assert_eq!(
        message(vec![alert]),
        json!({
            "embeds": [{
                "title": "🔴 \\[FIRING\\] HighErrorRatio · orders",
                "description": "**error ratio 20.3%** · threshold: above 1% · 512 requests in 10s\n\
                    Too many requests fail.\n\
                    firing since <t:1795000000:T> <t:1795000000:d> (11:06:40 UTC), for 2s\n\
                    **Top operations**\n\
                    • `POST /orders/{id}` · 85 of 410 failed (20.7%), 83% of all failures\n\
                    [Runbook](https://wiki.example.com/errors_%28all%29) · \
                    [Dashboard](https://grafana.example.com/d/1)\n\
                    service `orders` · instance `host-1:42` · version `1.2.3` · severity critical \
                    · team `shop`",
                "color": 0xE0_1E_5A,
                "timestamp": "2026-11-18T11:06:40.000Z",
            }],
            "allowed_mentions": {"parse": []},
        })
    );
}

#[test]
fn a_resolved_embed_is_green_and_shows_peak_and_duration() {
    let mut alert = test_alert("HighErrorRatio", AlertStatus::Resolved);
    alert.target = Target::Operation(operation("/orders"));
    let message = message(vec![alert]);
    let embed = &message["embeds"][0];
    assert_eq!(embed["title"], "🟢 \\[RESOLVED\\] HighErrorRatio · POST /orders");
    assert_eq!(embed["color"], 0x2E_B6_7D);
    assert_eq!(embed["timestamp"], "2026-11-18T11:07:14.000Z");
    assert!(embed["description"].as_str().unwrap().starts_with(
        "**error ratio 0.2%** · threshold: above 1%\n\
         lasted 34s, from <t:1795000000:T> <t:1795000000:d> (11:06:40 UTC)\n\
         peak 22.1% · 412 of 1800 requests failed during the incident\n"
    ));
}

#[test]
fn a_report_shows_its_causes_and_call_site_without_links() {
    let mut alert = test_alert("EventError", AlertStatus::Firing);
    let failure = Failure {
        causes: vec!["not sent\nto http://broker/*".to_owned(), "refused".to_owned()],
        error_type: "orders::EventError".into(),
        call_site: "src/orders.rs:42".to_owned(),
        count: 1,
        total: 1,
        ..Failure::default()
    };
    alert.target = Target::CallSite(failure.call_site.clone());
    alert.breach_mut().unwrap().window = None;
    alert.cause = Cause::Report(failure.into());
    let message = message(vec![alert]);
    let description = message["embeds"][0]["description"].as_str().unwrap();
    assert!(
        description.starts_with(
            "**not sent to http:\\//broker/\\*: refused** · reported at src/orders.rs:42\nfiring since "
        ),
        "{description}"
    );
}

#[test]
fn a_group_of_reports_lists_their_errors() {
    let message = message(vec![test_report()]);
    let embed = &message["embeds"][0];
    assert_eq!(embed["title"], "🔴 \\[FIRING\\] OrderEventLost · POST /orders");
    let description = embed["description"].as_str().unwrap();
    let list = "**Reported errors**\n• 2× not sent: \\<no broker\\>\n• 1× no stock\n";
    assert!(description.contains(list), "{description}");
}

#[test]
fn user_text_is_escaped() {
    let evil = "@everyone <@1> **b** [x](https://evil) `c` ||s|| :tada: # h";
    let mut alert = test_alert(evil, AlertStatus::Firing);
    alert.target = Target::Operation(operation(evil));
    alert.summary = Some(evil.to_owned());
    alert.runbook = Some("https://a b".to_owned());
    alert.labels.insert(evil.to_owned(), evil.to_owned());
    let message = message(vec![alert]);
    assert_eq!(message["allowed_mentions"], json!({"parse": []}));
    let escaped = "\\@everyone \\<\\@1\\> \\*\\*b\\*\\* \\[x\\](https:\\//evil) \\`c\\` \
                   \\|\\|s\\|\\| :tada: \\# h";
    let embed = &message["embeds"][0];
    assert_eq!(embed["title"], format!("🔴 \\[FIRING\\] {escaped} · POST {escaped}"));
    let lines: Vec<_> = embed["description"].as_str().unwrap().lines().collect();
    assert_eq!(lines[1], escaped);
    assert_eq!(lines[3], "https:\\//a b");
    let in_code = evil.replace('`', "'");
    assert!(lines[4].ends_with(&format!("· {escaped} `{in_code}`")), "{}", lines[4]);
}

#[test]
fn a_message_stays_within_discords_limits() {
    let long = "*@é".repeat(5_000);
    let alerts = (0..60)
        .map(|n| {
            let mut alert = test_alert(&format!("Rule{n}{long}"), AlertStatus::Firing);
            alert.summary = Some(long.clone());
            alert.runbook = Some(format!("https://x/{long}"));
            alert.labels.insert(long.clone(), long.clone());
            alert.breach_mut().unwrap().top =
                vec![
                    Contribution { operation: operation(&long), share: 0.3, detail: long.clone() };
                    3
                ];
            alert
        })
        .collect();
    let message = message(alerts);
    let embeds = message["embeds"].as_array().unwrap();
    assert!(embeds.len() <= 10);
    let mut total = 0;
    for embed in embeds {
        for (name, limit) in [("title", TITLE), ("description", DESCRIPTION)] {
            let length = embed[name].as_str().unwrap_or("-").chars().count();
            assert!((1..=limit).contains(&length), "{length} in {embed}");
            total += length;
        }
    }
    assert!(total <= TOTAL, "{total}");
    let last = embeds.last().unwrap()["description"].as_str().unwrap();
    assert!(last.starts_with("**And ") && last.ends_with('…'), "{last}");
}

#[test]
fn alerts_beyond_the_ninth_are_listed_by_title() {
    let alerts = (0..12).map(|n| test_alert(&format!("Rule{n}"), AlertStatus::Firing)).collect();
    let message = message(alerts);
    let embeds = message["embeds"].as_array().unwrap();
    assert_eq!(embeds.len(), 10);
    assert_eq!(embeds[8]["title"], "🔴 \\[FIRING\\] Rule8 · orders");
    assert_eq!(
        embeds[9]["description"],
        "**And 3 more:**\n\\[FIRING\\] Rule9 · orders\n\\[FIRING\\] Rule10 · orders\n\
         \\[FIRING\\] Rule11 · orders"
    );
}
