use std::time::{SystemTime, UNIX_EPOCH};

use crate::notify::receivers::chat::{
    render::Markup,
    text::{utc, utc_time_of_day},
};

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

    /// The time of day comes first, since Slack capitalizes the first letter, as in `Today`.
    fn date(time: SystemTime) -> String {
        let unix = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let (fallback, utc) = (utc(time), utc_time_of_day(time));
        format!("<!date^{unix}^{{time_secs}} {{date_short_pretty}}|{fallback}> ({utc})")
    }
}
