use std::time::SystemTime;

use super::html::Html;
use crate::{
    alert::AlertStatus,
    notify::{
        Notification,
        receivers::chat::render::{Markup, fit, headline, joined, lines, origin, others, plain},
    },
};

/// Telegram's limit for a message, in UTF-16 code units after the HTML is parsed:
/// <https://core.telegram.org/bots/api#sendmessage>.
const LIMIT: usize = 4_096;

/// The part of the limit that is reserved for the titles of alerts that are not shown in full.
const OTHERS: usize = 600;

/// The longest title of an alert, in characters after escaping: at most two units each.
const HEADER: usize = 150;

/// The parts of an alert, in units. With the title they fit into one message beside [`OTHERS`].
const SECTION: usize = 2_500;
const CONTEXT: usize = 600;

/// How many alerts a message shows in full. Telegram formats at most 100 parts of a message.
const IN_FULL: usize = 5;

/// Between two alerts.
const GAP: &str = "\n\n";

/// The text of a message, and how many alerts it contains.
pub(super) fn text(notification: &Notification, now: SystemTime) -> (String, usize) {
    let (mut parts, rest) = fit(notification, IN_FULL, LIMIT - OTHERS, |alert, changes| {
        let header = Html::bold(&plain::<Html>(&headline(alert, changes), HEADER));
        let section = joined::<Html>(lines::<Html>(alert, changes, now), "\n", SECTION);
        let context = origin::<Html>(alert, CONTEXT);
        let text = format!("{header}\n{section}\n{context}");
        let size = Html::size(&text) + GAP.len();
        (text, size)
    });
    let mut named = parts.len();
    if !rest.is_empty() {
        let (titles, count) = others::<Html>(rest, OTHERS);
        named += count;
        parts.push(titles);
    }
    (parts.join(GAP), named)
}

/// Whether a message makes no sound: all of its alerts are resolved.
pub(super) fn is_silent(notification: &Notification) -> bool {
    notification.alerts.iter().all(|alert| alert.status == AlertStatus::Resolved)
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
