use std::time::SystemTime;

use serde_json::{Value, json};

use super::markdown::Markdown;
use crate::{
    alert::{Alert, AlertStatus},
    notify::{
        Notification,
        receivers::chat::render::{fit, headline, joined, lines, origin, others, plain},
    },
    rule::Severity,
};

/// Discord's limits, in characters:
/// <https://docs.discord.com/developers/resources/message#embed-object-embed-limits>.
const TITLE: usize = 256;
const DESCRIPTION: usize = 4_096;

/// The total length of all texts in all embeds.
const TOTAL: usize = 6_000;

/// The part of `TOTAL` that is reserved for the titles of alerts that are not shown in full.
const OTHERS: usize = 1_000;

/// The longest origin (service, instance and labels) in a description.
const ORIGIN: usize = 1_000;

/// How many alerts a message shows in full. The last of Discord's ten embeds lists the others.
const IN_FULL: usize = 9;

/// The body of a post, and how many alerts it contains.
pub(super) fn payload(notification: &Notification, now: SystemTime) -> (Value, usize) {
    let (mut embeds, rest) = fit(notification, IN_FULL, TOTAL - OTHERS, |alert, changes| {
        let title = plain::<Markdown>(&headline(alert, changes), TITLE);
        let mut lines = lines::<Markdown>(alert, changes, now);
        lines.push(origin::<Markdown>(alert, ORIGIN));
        let description = joined::<Markdown>(lines, "\n", DESCRIPTION);
        let size = title.chars().count() + description.chars().count();
        let time = alert.ends_at.unwrap_or(alert.starts_at);
        let embed = json!({
            "title": title,
            "description": description,
            "color": color(alert),
            "timestamp": humantime::format_rfc3339_millis(time).to_string(),
        });
        (embed, size)
    });
    let mut named = embeds.len();
    if !rest.is_empty() {
        let (titles, count) = others::<Markdown>(rest, OTHERS.min(DESCRIPTION));
        named += count;
        embeds.push(json!({"description": titles}));
    }
    (json!({"embeds": embeds, "allowed_mentions": {"parse": []}}), named)
}

/// Red, orange or blue by the severity while the alert fires; green when it is resolved.
fn color(alert: &Alert) -> u32 {
    match (alert.status, alert.severity) {
        (AlertStatus::Resolved, _) => 0x2E_B6_7D,
        (AlertStatus::Firing, Severity::Critical) => 0xE0_1E_5A,
        (AlertStatus::Firing, Severity::Warning) => 0xF2_99_00,
        (AlertStatus::Firing, Severity::Info) => 0x36_C5_F0,
    }
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
