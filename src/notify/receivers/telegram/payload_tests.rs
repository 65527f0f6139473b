use std::time::Duration;

use super::*;
use crate::{
    alert::{Alert, Contribution, test_alert},
    notify::receivers::telegram::html::parsed,
    operation::{MethodLabel, Operation},
};

fn message(alerts: Vec<Alert>) -> (String, usize) {
    let now = alerts[0].starts_at + Duration::from_secs(2);
    text(&Notification::new(alerts), now)
}

#[test]
fn a_firing_message_begins_with_the_status_and_shows_value_time_routes_and_links() {
    let mut alert = test_alert("HighErrorRatio", AlertStatus::Firing);
    alert.summary = Some("Too many <requests> fail.".to_owned());
    alert.runbook = Some("https://wiki.example.com/errors?a=1&b=\"2\"".to_owned());
    alert.breach_mut().unwrap().top = vec![Contribution {
        operation: Operation::of_server(MethodLabel::Post, "/orders"),
        share: 0.83,
        detail: "85 of 410 failed".to_owned(),
    }];
    assert_eq!(
        message(vec![alert]).0,
        "<b>🔴 [FIRING] HighErrorRatio · orders</b>\n\
         <b>error ratio 20.3%</b> · threshold: above 1% · 512 requests in 10s\n\
         Too many &lt;requests&gt; fail.\n\
         firing since 2026-11-18 11:06:40 UTC, for 2s\n\
         <b>Top operations</b>\n\
         • <code>POST /orders</code> · 85 of 410 failed\n\
         <a href=\"https://wiki.example.com/errors?a=1&amp;b=&quot;2&quot;\">Runbook</a>\n\
         service <code>orders</code> · instance <code>host-1:42</code> · version <code>1.2.3</code> · \
         severity critical"
    );
}

#[test]
fn a_resolved_message_shows_value_peak_and_duration_and_is_silent() {
    let resolved = test_alert("HighErrorRatio", AlertStatus::Resolved);
    let (text, named) = message(vec![resolved.clone()]);
    assert!(text.starts_with("<b>🟢 [RESOLVED] HighErrorRatio · orders</b>\n"), "{text}");
    assert!(text.contains("lasted 34s, from 2026-11-18 11:06:40 UTC\npeak 22.1%"), "{text}");
    assert_eq!(named, 1);
    assert!(is_silent(&Notification::new([resolved.clone()])));
    let firing = test_alert("StuckRequests", AlertStatus::Firing);
    assert!(!is_silent(&Notification::new([resolved, firing])));
}

#[test]
fn user_text_is_escaped() {
    let evil = "</b><a href=\"tg://user?id=1\">x</a> & \u{1b}[31m";
    let mut alert = test_alert(evil, AlertStatus::Firing);
    alert.summary = Some(evil.to_owned());
    alert.runbook = Some(format!("https://x/{}", evil.replace([' ', '\u{1b}'], "")));
    alert.labels.insert(evil.to_owned(), evil.to_owned());
    let (seen, links) = parsed(&message(vec![alert]).0);
    assert_eq!(seen.matches("</b><a href=\"tg://").count(), 4, "{seen}");
    assert_eq!(links, ["https://x/</b><ahref=\"tg://user?id=1\">x</a>&[31m"]);
    assert!(!seen.contains('\u{1b}'), "{seen}");
}

#[test]
fn a_message_stays_within_telegrams_limit() {
    for long in ["<&>".repeat(5_000), "🔴".repeat(5_000), "a b ".repeat(5_000)] {
        for count in [1, 2, 7, 100] {
            let alerts = (0..count).map(|n| {
                let mut alert = test_alert(&format!("Rule{n}{long}"), AlertStatus::Firing);
                alert.summary = Some(long.clone());
                alert.runbook = Some(format!("https://x/{long}"));
                alert.labels.insert(long.clone(), long.clone());
                alert
            });
            let (text, named) = message(alerts.collect());
            let size = parsed(&text).0.encode_utf16().count();
            assert!((100..=LIMIT).contains(&size), "{size} for {count}");
            assert!((1..=count).contains(&named) && text.contains("Rule0"), "{named}");
        }
    }
}

#[test]
fn alerts_without_room_are_named_by_their_titles() {
    let alerts = (0..8).map(|n| test_alert(&format!("Rule{n}"), AlertStatus::Firing)).collect();
    let (text, named) = message(alerts);
    assert_eq!(named, 8);
    assert!(text.contains("\n\n<b>🔴 [FIRING] Rule4 · orders</b>\n"), "{text}");
    assert!(
        text.ends_with(
            "<b>And 3 more:</b>\n[FIRING] Rule5 · orders\n[FIRING] Rule6 · orders\n\
                            [FIRING] Rule7 · orders"
        ),
        "{text}"
    );
}
