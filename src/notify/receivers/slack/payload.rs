use std::time::SystemTime;

use serde_json::{Value, json};

use super::mrkdwn::Mrkdwn;
use crate::notify::{
    Notification,
    notification::still,
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

/// All texts of a message together. Where Slack refuses it (`msg_blocks_too_long`) is not documented:
/// `chat.postMessage` was seen to take 9,597 and to refuse 11,341, a webhook to refuse 13,200.
const TOTAL: usize = 9_500;

/// Of those, what is kept for the titles of the alerts that are not told in full.
const OTHERS: usize = 2_000;

/// How many alerts a message tells in full; three blocks each stay below Slack's 50.
const IN_FULL: usize = 10;

/// The body of a post: a fallback text for notifications on a phone, and the blocks.
pub(super) fn payload(notification: &Notification, now: SystemTime) -> (Value, usize) {
    let (told, rest) = fit(notification, IN_FULL, TOTAL - OTHERS, |alert, changes| {
        // A header takes no escapes, and shows text as it is.
        let header = cut(&headline(alert, changes), HEADER);
        let section = joined(lines::<Mrkdwn>(alert, changes, now), "\n", SECTION);
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
    let mut named = told.len();
    let mut blocks = told.concat();
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
        ([alert], [changes]) => still(alert.to_string(), *changes),
        _ => notification.title(),
    };
    plain::<Mrkdwn>(&text, FALLBACK)
}

/// A text of which Slack makes no links of its own.
fn mrkdwn(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text, "verbatim": true})
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
