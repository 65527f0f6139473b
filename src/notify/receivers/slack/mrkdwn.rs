use std::time::{SystemTime, UNIX_EPOCH};

use crate::notify::receivers::chat::render::Markup;

/// Slack's markup: <https://docs.slack.dev/messaging/formatting-message-text>.
pub(super) struct Mrkdwn;

impl Markup for Mrkdwn {
    /// Escapes exactly three characters: Slack shows other escapes literally.
    fn escape(character: char, into: &mut String) {
        match character {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            other => into.push(other),
        }
    }

    fn bold(escaped: &str) -> String {
        format!("*{escaped}*")
    }

    fn italic(escaped: &str) -> String {
        format!("_{escaped}_")
    }

    fn code(escaped: &str) -> String {
        format!("`{escaped}`")
    }

    fn escape_address(character: char, into: &mut String) {
        match character {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("%3C"),
            '>' => into.push_str("%3E"),
            '|' => into.push_str("%7C"),
            other => into.push(other),
        }
    }

    fn link(address: &str, label: &str) -> String {
        format!("<{address}|{label}>")
    }

    /// The reader's local time, with UTC as the fallback.
    fn date(time: SystemTime) -> String {
        let unix = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let utc = humantime::format_rfc3339_seconds(time);
        format!("<!date^{unix}^{{date_short_pretty}} {{time_secs}}|{utc}>")
    }
}
