use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::mrkdwn::{code, cut, escape, link};
use crate::{
    alert::{Alert, AlertStatus, whole_seconds},
    notify::Notification,
};

/// Slack's limits, in characters: <https://docs.slack.dev/reference/block-kit/blocks>.
const HEADER: usize = 150;
const SECTION: usize = 3_000;
const FALLBACK: usize = 4_000;
const CONTEXT: usize = 2_000;

/// All texts of a message together; above about 13,200 Slack refuses it (`msg_blocks_too_long`).
const TOTAL: usize = 12_000;

/// How many alerts a message tells in full; three blocks each stay below Slack's 50.
const IN_FULL: usize = 10;

/// A user's own words, each.
const WORDS: usize = 600;

/// The body of a post: a fallback text for notifications on a phone, and the blocks.
pub(super) fn payload(notification: &Notification, now: SystemTime) -> Value {
    let mut blocks = Vec::new();
    let mut room = TOTAL;
    let mut told = 0;
    for (alert, changes) in notification.iter().take(IN_FULL) {
        let header = cut(&format!("{} {}", mark(alert), alert.title()), HEADER);
        let section = cut(&body(alert, changes, now), SECTION);
        let context = cut(&origin(alert), CONTEXT);
        let size: usize =
            [&header, &section, &context].map(|text| text.chars().count()).iter().sum();
        if size > room && told > 0 {
            break;
        }
        room = room.saturating_sub(size);
        told += 1;
        blocks.extend([
            json!({"type": "header", "text": {"type": "plain_text", "text": header}}),
            json!({"type": "section", "text": {"type": "mrkdwn", "text": section, "verbatim": true}}),
            json!({"type": "context", "elements": [{"type": "mrkdwn", "text": context, "verbatim": true}]}),
        ]);
    }
    let rest: Vec<_> =
        notification.alerts.iter().skip(told).map(|alert| escape(&alert.title())).collect();
    if !rest.is_empty() {
        let text = format!("*And {} more:*\n{}", rest.len(), rest.join("\n"));
        let text = cut(&text, room.clamp(200, SECTION));
        blocks.push(
            json!({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": true}}),
        );
    }
    json!({
        "text": cut(&fallback(notification), FALLBACK),
        "blocks": blocks,
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

fn fallback(notification: &Notification) -> String {
    match notification.alerts.as_slice() {
        [alert] => escape(&alert.to_string()),
        _ => escape(&notification.title()),
    }
}

/// The state at a glance; a header takes no escapes, and shows text as it is.
fn mark(alert: &Alert) -> &'static str {
    match alert.status {
        AlertStatus::Firing => "🔴",
        AlertStatus::Resolved => "🟢",
    }
}

/// What happened, how bad it is, since when, and who adds the most to it.
fn body(alert: &Alert, changes: u32, now: SystemTime) -> String {
    let measured = escape(&alert.measured());
    let mut lines = vec![match (alert.status, alert.window) {
        (AlertStatus::Firing, Some((over, requests))) => format!(
            "*{measured}* · {} · {requests} requests in {}",
            escape(&alert.condition()),
            whole_seconds(over)
        ),
        _ => format!("*{measured}* · {}", escape(&alert.condition())),
    }];
    // A summary says what is wrong, and nothing is any more once it is resolved.
    if let (AlertStatus::Firing, Some(summary)) = (alert.status, &alert.summary) {
        lines.push(escape(&cut(summary, WORDS)));
    }
    let since = date(alert.starts_at);
    match alert.status {
        AlertStatus::Firing => lines.push(match alert.lasted(now) {
            lasted if lasted < Duration::from_secs(1) => format!("since {since}"),
            lasted => format!("since {since} ({})", whole_seconds(lasted)),
        }),
        AlertStatus::Resolved => lines.push(format!(
            "lasted {} from {since} · {}",
            whole_seconds(alert.lasted(now)),
            alert.tally()
        )),
    }
    if !alert.top.is_empty() {
        lines.push("*Top routes*".to_owned());
        lines.extend(alert.top.iter().map(|top| {
            let operation = code(&cut(&top.operation.to_string(), WORDS));
            format!("• {operation} {:.0} % · {}", top.share * 100.0, escape(&top.detail))
        }));
    }
    if changes > 1 {
        lines.push(format!("_{changes} changes while this message waited; this is the last._"));
    }
    if let Some(runbook) = &alert.runbook {
        lines.push(link(&cut(runbook, WORDS), "Runbook"));
    }
    lines.join("\n")
}

/// Where it comes from, and the labels.
fn origin(alert: &Alert) -> String {
    let mut parts = vec![
        format!("service {}", code(&cut(&alert.origin.service, WORDS))),
        format!("instance {}", code(&cut(&alert.origin.instance, WORDS))),
    ];
    if let Some(version) = &alert.origin.version {
        parts.push(format!("version {}", code(&cut(version, WORDS))));
    }
    parts.push(format!("severity {}", alert.severity));
    let labels =
        alert.labels.iter().map(|(name, value)| format!("{name} {}", code(&cut(value, WORDS))));
    parts.extend(labels);
    parts.join(" · ")
}

/// A moment in the reader's own time zone, with UTC for those who read the raw text.
fn date(time: SystemTime) -> String {
    let unix = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let utc = humantime::format_rfc3339_seconds(time);
    format!("<!date^{unix}^{{date_short_pretty}} {{time_secs}}|{utc}>")
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
