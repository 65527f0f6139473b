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

/// All texts of all embeds together.
const TOTAL: usize = 6_000;

/// Of those, what is kept for the titles of the alerts that are not told in full.
const OTHERS: usize = 1_000;

/// Of a description, what it says of where an alert comes from.
const ORIGIN: usize = 1_000;

/// How many alerts a message tells in full: of the ten embeds one is for the others.
const IN_FULL: usize = 9;

/// The body of a post.
pub(super) fn payload(notification: &Notification, now: SystemTime) -> (Value, usize) {
    let (mut embeds, rest) = fit(notification, IN_FULL, TOTAL - OTHERS, |alert, changes| {
        let title = plain::<Markdown>(&headline(alert, changes), TITLE);
        let mut lines = lines::<Markdown>(alert, changes, now);
        lines.push(origin::<Markdown>(alert, ORIGIN));
        let description = joined(lines, "\n", DESCRIPTION);
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
        // Nobody is mentioned, whatever a text says.
        let (titles, count) = others::<Markdown>(rest, OTHERS.min(DESCRIPTION));
        named += count;
        embeds.push(json!({"description": titles}));
    }
    (json!({"embeds": embeds, "allowed_mentions": {"parse": []}}), named)
}

/// Red, orange or blue while it fires, by the severity; then green.
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
