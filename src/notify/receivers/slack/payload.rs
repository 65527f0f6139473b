use std::time::SystemTime;

use serde_json::{Value, json};

use super::mrkdwn::Mrkdwn;
use crate::notify::{
    Notification,
    receivers::chat::{
        render::{fit, headline, joined, lines, origin, others, plain},
        text::cut,
    },
};

/// Slack's limits, in characters: <https://docs.slack.dev/reference/block-kit/blocks>.
const HEADER: usize = 150;
const SECTION: usize = 3_000;
const FALLBACK: usize = 4_000;
const CONTEXT: usize = 2_000;

/// All texts of a message together. Slack rejects longer ones with `msg_blocks_too_long`, but does
/// not document the limit. Observed: `chat.postMessage` accepts 9,597 characters and rejects
/// 11,341; a webhook rejects 13,200.
const TOTAL: usize = 9_500;

/// The part of `TOTAL` that is reserved for the titles of alerts that are not shown in full.
const OTHERS: usize = 2_000;

/// How many alerts a message shows in full. At three blocks each, they stay below Slack's limit of
/// 50 blocks.
const IN_FULL: usize = 10;

/// The body of a post, and how many alerts it contains. The fallback text is for notifications on a
/// phone.
pub(super) fn payload(notification: &Notification, now: SystemTime) -> (Value, usize) {
    let (parts, rest) = fit(notification, IN_FULL, TOTAL - OTHERS, |alert, changes| {
        // A header shows plain text, so nothing is escaped.
        let header = cut(&headline(alert, changes), HEADER);
        let section = joined::<Mrkdwn>(lines::<Mrkdwn>(alert, changes, now), "\n", SECTION);
        let context = origin::<Mrkdwn>(alert, CONTEXT);
        let size = [&header, &section, &context].map(|text| text.chars().count()).iter().sum();
        let header = json!({"type": "plain_text", "text": header});
        let blocks = [
            json!({"type": "header", "text": header}),
            json!({"type": "section", "text": mrkdwn(&section)}),
            json!({"type": "context", "elements": [mrkdwn(&context)]}),
        ];
        (blocks, size)
    });
    let mut named = parts.len();
    let mut blocks = parts.concat();
    if !rest.is_empty() {
        let (titles, count) = others::<Mrkdwn>(rest, OTHERS);
        named += count;
        blocks.push(json!({"type": "section", "text": mrkdwn(&titles)}));
    }
    let message = json!({
        "text": fallback(notification),
        "blocks": blocks,
        "unfurl_links": false,
        "unfurl_media": false,
    });
    (message, named)
}

fn fallback(notification: &Notification) -> String {
    let text = match (notification.alerts.as_slice(), notification.changes.as_slice()) {
        ([alert], [changes]) => Notification::line_of(alert, *changes),
        _ => notification.title(),
    };
    plain::<Mrkdwn>(&text, FALLBACK)
}

/// A text in which Slack creates no links on its own.
fn mrkdwn(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text, "verbatim": true})
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
