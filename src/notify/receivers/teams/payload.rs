use std::time::SystemTime;

use serde_json::{Value, json};

use super::markdown::Markdown;
use crate::{
    alert::{Alert, AlertStatus},
    notify::{
        Notification,
        receivers::chat::render::{fit, headline, lines, origin, others, plain},
    },
    rule::Severity,
};

/// The largest message, in bytes. Teams rejects more than 28 KB.
const TOTAL: usize = 27_000;

/// The parts of `TOTAL` that are reserved for the envelope, and for the titles of alerts that are
/// not shown in full.
const ENVELOPE: usize = 1_000;
const OTHERS: usize = 3_000;

/// The longest title and origin, in characters of up to four bytes.
const TITLE: usize = 250;
const ORIGIN: usize = 700;

/// How many alerts a message shows in full. More are hard to read on a phone.
const IN_FULL: usize = 10;

/// The body of a post, and how many alerts it contains: one card with a container per alert.
pub(super) fn payload(notification: &Notification, now: SystemTime) -> (Value, usize) {
    let room = TOTAL - ENVELOPE - OTHERS;
    let (mut parts, rest) = fit(notification, IN_FULL, room, |alert, changes| {
        let container = container(alert, changes, now);
        let size = container.to_string().len();
        (container, size)
    });
    let mut named = parts.len();
    if !rest.is_empty() {
        let (titles, count) = others::<Markdown>(rest, OTHERS / 5);
        named += count;
        let text = titles.replace('\n', "\n\n");
        parts.push(json!({"type": "TextBlock", "text": text, "wrap": true, "separator": true}));
    }
    let message = json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.2",
                "body": parts,
                "msteams": {"width": "full"},
            },
        }],
    });
    (message, named)
}

fn container(alert: &Alert, changes: u32, now: SystemTime) -> Value {
    let mut blocks = vec![json!({
        "type": "TextBlock",
        "text": plain::<Markdown>(&headline(alert, changes), TITLE),
        "size": "medium",
        "weight": "bolder",
        "color": color(alert),
        "wrap": true,
    })];
    blocks.extend(
        lines::<Markdown>(alert, changes, now).into_iter().map(
            |line| json!({"type": "TextBlock", "text": line, "wrap": true, "spacing": "small"}),
        ),
    );
    blocks.push(json!({
        "type": "TextBlock",
        "text": origin::<Markdown>(alert, ORIGIN),
        "size": "small",
        "isSubtle": true,
        "wrap": true,
    }));
    json!({"type": "Container", "separator": true, "items": blocks})
}

/// The colour of a card's title: by the severity while the alert fires, green when it is resolved.
fn color(alert: &Alert) -> &'static str {
    match (alert.status, alert.severity) {
        (AlertStatus::Resolved, _) => "good",
        (AlertStatus::Firing, Severity::Critical) => "attention",
        (AlertStatus::Firing, Severity::Warning) => "warning",
        (AlertStatus::Firing, Severity::Info) => "accent",
    }
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
