use std::time::{SystemTime, UNIX_EPOCH};

use crate::notify::receivers::chat::{render::Markup, text::utc_time_of_day};

/// Discord's markup: <https://docs.discord.com/developers/reference#message-formatting>.
pub(super) struct Markdown;

impl Markup for Markdown {
    fn escape(character: char, into: &mut String) {
        let is_mark = matches!(
            character,
            '\\' | '*' | '_' | '~' | '`' | '|' | '<' | '>' | '#' | '[' | ']' | '@'
        );
        // An escaped slash keeps Discord from turning an address into a link.
        if is_mark || (character == '/' && into.ends_with(':')) {
            into.push('\\');
        }
        into.push(character);
    }

    /// A code span needs no escapes.
    fn escape_code(character: char, into: &mut String) {
        into.push(character);
    }

    fn italic(escaped: &str) -> String {
        format!("*{escaped}*")
    }

    fn code(escaped: &str) -> String {
        format!("`{escaped}`")
    }

    fn date(time: SystemTime) -> String {
        let unix = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        format!("<t:{unix}:T> <t:{unix}:d> ({})", utc_time_of_day(time))
    }
}
