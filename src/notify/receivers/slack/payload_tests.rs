use std::time::Duration;

use super::*;
use crate::{
    alert::{Alert, AlertStatus, Contribution, Origin, Target, test_alert},
    operation::{MethodLabel, Operation},
};

fn message(alerts: Vec<Alert>) -> Value {
    let changes = vec![1; alerts.len()];
    let now = alerts[0].starts_at + Duration::from_secs(2);
    payload(&Notification::with_changes(alerts, changes), now).0
}

fn operation(route: &str) -> Operation {
    Operation::of_server(MethodLabel::Post, route)
}

fn text(message: &Value, block: usize) -> &str {
    let block = &message["blocks"][block];
    let text = if block["type"] == "context" { &block["elements"][0] } else { block };
    text["text"]["text"].as_str().or(text["text"].as_str()).unwrap()
}

#[test]
fn a_firing_message_shows_value_target_severity_time_and_top_routes() {
    let mut alert = test_alert("HighErrorRatio", AlertStatus::Firing);
    alert.summary = Some("Too many requests fail.".to_owned());
    alert.runbook = Some("https://wiki.example.com/errors".to_owned());
    alert.dashboard = Some("https://grafana.example.com/d/1".to_owned());
    alert.labels.insert("team".to_owned(), "shop".to_owned());
    alert.breach_mut().unwrap().top = vec![Contribution {
        operation: operation("/orders"),
        share: 0.83,
        detail: "85 of 410 failed (20.7%), 83% of all failures".to_owned(),
    }];
    let message = message(vec![alert]);
    assert_eq!(text(&message, 0), "🔴 [FIRING] HighErrorRatio · orders");
    assert_eq!(
        text(&message, 1),
        "*error ratio 20.3%* · threshold: above 1% · 512 requests in 10s\n\
         Too many requests fail.\n\
         firing since <!date^1795000000^{time_secs} {date_short_pretty}|2026-11-18 11:06:40 UTC> (11:06:40 UTC), for 2s\n\
         *Top operations*\n\
         • `POST /orders` · 85 of 410 failed (20.7%), 83% of all failures\n\
         <https://wiki.example.com/errors|Runbook> · <https://grafana.example.com/d/1|Dashboard>"
    );
    assert_eq!(
        text(&message, 2),
        "service `orders` · instance `host-1:42` · version `1.2.3` · severity critical · team `shop`"
    );
    assert_eq!(
        message["text"],
        "[FIRING] HighErrorRatio · orders: error ratio 20.3% (threshold: above 1%)"
    );
}

#[test]
fn a_resolved_message_shows_value_peak_duration_and_request_counts() {
    let mut alert = test_alert("HighErrorRatio", AlertStatus::Resolved);
    alert.target = Target::Operation(operation("/orders"));
    let message = message(vec![alert]);
    assert_eq!(text(&message, 0), "🟢 [RESOLVED] HighErrorRatio · POST /orders");
    assert_eq!(
        text(&message, 1),
        "*error ratio 0.2%* · threshold: above 1%\n\
         lasted 34s, from <!date^1795000000^{time_secs} {date_short_pretty}|2026-11-18 11:06:40 UTC> (11:06:40 UTC)\n\
         peak 22.1% · 412 of 1800 requests failed during the incident"
    );
}

#[test]
fn user_text_is_escaped() {
    let mut alert = test_alert("<!channel>", AlertStatus::Firing);
    let evil = "<!here> ``` <https://evil|x>";
    alert.target = Target::Operation(operation(evil));
    alert.breach_mut().unwrap().top = vec![Contribution {
        operation: operation(evil),
        share: 1.0,
        detail: "1 of 1 requests failed".to_owned(),
    }];
    alert.summary = Some(evil.to_owned());
    alert.runbook = Some(evil.to_owned());
    let message = message(vec![alert]);
    for block in 1..=2 {
        let text = text(&message, block).replace("<!date^", "");
        assert!(!text.contains("<!") && !text.contains("<http"), "{text}");
    }
    assert_eq!(message["blocks"][0]["text"]["type"], "plain_text");
    assert!(!message["text"].as_str().unwrap().contains('<'));
}

#[test]
fn a_message_stays_within_slacks_limits() {
    let long = "<&>".repeat(5_000);
    let alerts = (0..60)
        .map(|n| {
            let mut alert = test_alert(&format!("Rule{n}{long}"), AlertStatus::Firing);
            alert.summary = Some(long.clone());
            alert.runbook = Some(format!("https://x/{long}"));
            alert.labels.insert(long.clone(), long.clone());
            alert
        })
        .collect();
    let message = message(alerts);
    let blocks = message["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50);
    let limits = [("header", HEADER), ("section", SECTION), ("context", CONTEXT)];
    let mut total = 0;
    for (at, block) in blocks.iter().enumerate() {
        let length = text(&message, at).chars().count();
        let (_, limit) = limits.iter().find(|(kind, _)| block["type"] == *kind).unwrap();
        assert!((1..=*limit).contains(&length), "{length} in {block}");
        total += length;
    }
    assert!(total <= 13_000, "{total}");
    assert!(message["text"].as_str().unwrap().chars().count() <= FALLBACK);
    assert!(text(&message, blocks.len() - 1).starts_with("*And "));
}

#[test]
fn merged_changes_are_counted() {
    let alert = test_alert("HighErrorRatio", AlertStatus::Resolved);
    let now = alert.starts_at;
    let message = payload(&Notification::with_changes(vec![alert], vec![3]), now).0;
    assert!(text(&message, 1).contains("3 changes were merged"));
}

#[test]
fn the_first_alert_after_a_start_notes_that_earlier_alerts_are_unknown() {
    let mut alert = test_alert("HighErrorRatio", AlertStatus::Firing);
    alert.unknown_before = Some(alert.starts_at - Duration::from_secs(60));
    let message = message(vec![alert]);
    assert!(
        text(&message, 1).contains(
            "_The first alert since the service started at <!date^1794999940^{time_secs} "
        ),
        "{message}"
    );
    assert!(
        text(&message, 1).ends_with("Earlier alerts may have ended without a resolve._"),
        "{message}"
    );
}

#[test]
fn a_repeat_is_marked_as_still_firing() {
    let of = |status| {
        let alert = test_alert("HighErrorRatio", status);
        let now = alert.starts_at + Duration::from_secs(4 * 3_600);
        payload(&Notification::with_changes(vec![alert], vec![0]), now).0
    };
    let firing = of(AlertStatus::Firing);
    assert_eq!(text(&firing, 0), "🔴 [STILL FIRING] HighErrorRatio · orders");
    assert!(firing["text"].as_str().unwrap().starts_with("[STILL FIRING] HighErrorRatio"));
    assert!(text(&firing, 1).contains("for 4h\n_Still firing. The figures are"), "{firing}");
    assert!(text(&of(AlertStatus::Resolved), 0).starts_with("🟢 [RESOLVED]"));
}

#[test]
fn text_can_not_end_a_code_span_or_a_link() {
    let mut alert = test_alert("HighErrorRatio", AlertStatus::Firing);
    alert.origin = Origin { service: "a`<!here>`\nb".to_owned(), ..(*alert.origin).clone() }.into();
    alert.runbook = Some("https://a/b?x>1|y&z".to_owned());
    let message = message(vec![alert]);
    assert!(text(&message, 1).ends_with("\n<https://a/b?x%3E1%7Cy&amp;z|Runbook>"));
    assert!(text(&message, 2).starts_with("service `a'&lt;!here&gt;' b` · "));
}

/// The lines of the picture in README, without their markup.
fn lines_of_picture() -> Vec<String> {
    let picture = include_str!("../../../../docs/images/slack.svg");
    let lines = picture.lines().filter(|line| line.starts_with("<text"));
    let plain = |line: &str| -> String {
        line.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text).collect()
    };
    lines.map(plain).collect()
}

#[test]
fn the_picture_in_readme_shows_these_messages() {
    let mut firing = test_alert("HighErrorRatio", AlertStatus::Firing);
    firing.summary = Some("Too many requests fail.".to_owned());
    firing.starts_at = std::time::UNIX_EPOCH + Duration::from_secs(10 * 3_600 + 19 * 60 + 19);
    let (instance, version) = ("orders-6d5f:3".to_owned(), Some("0.1.0".to_owned()));
    firing.origin = Origin { service: "orders".to_owned(), instance, version }.into();
    let breach = firing.breach_mut().unwrap();
    (breach.value, breach.peak) = (Some(15.0 / 544.0), 0.079);
    breach.window = Some((Duration::from_secs(11), 544));
    (breach.requests, breach.errors) = (1_644, 43);
    let top = [
        (MethodLabel::Get, "/orders/{id}", "13 of 435 failed (2.99%), 87% of all failures"),
        (MethodLabel::Post, "/orders", "2 of 109 failed (1.83%), 13% of all failures"),
    ];
    breach.top = top
        .map(|(method, route, detail)| Contribution {
            operation: Operation::of_server(method, route),
            share: 0.5,
            detail: detail.to_owned(),
        })
        .into();
    let mut resolved = firing.clone();
    let breach = resolved.breach_mut().unwrap();
    breach.value = Some(0.0);
    (breach.window, breach.top) = (None, Vec::new());
    let resolved = resolved.resolved_at(firing.starts_at + Duration::from_secs(22));

    // Slack shows the time in the zone of the reader, here an hour before UTC.
    let shown = |text: &str| -> String {
        let (before, date) = text.split_once("<!date^").unwrap();
        let (_, after) = date.split_once('>').unwrap();
        format!("{before}11:19:19 today{after}").replace(['*', '`'], "")
    };
    let mut lines = Vec::new();
    for alert in [firing, resolved] {
        let now = alert.starts_at;
        let message = payload(&Notification::new([alert]), now).0;
        let title = text(&message, 0).trim_start_matches(|mark: char| !mark.is_ascii());
        lines.push(title.trim_start().to_owned());
        lines.extend(shown(text(&message, 1)).lines().map(str::to_owned));
        lines.push(text(&message, 2).replace('`', ""));
    }
    assert_eq!(lines_of_picture(), lines);
}
