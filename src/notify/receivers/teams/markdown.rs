use std::time::SystemTime;

use crate::notify::receivers::chat::{render::Markup, text::utc_time_of_day};

/// The subset of Markdown in an adaptive card's text blocks:
/// <https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-format>.
pub(super) struct Markdown;

impl Markup for Markdown {
    fn escape(character: char, into: &mut String) {
        match character {
            // A single line end shows as a space.
            '\n' => into.push_str("\n\n"),
            '\\' | '*' | '_' | '~' | '`' | '<' | '&' | '[' | ']' => into.extend(['\\', character]),
            other => into.push(other),
        }
    }

    fn italic(escaped: &str) -> String {
        format!("_{escaped}_")
    }

    /// Plain text: cards support no code spans.
    fn code(escaped: &str) -> String {
        escaped.to_owned()
    }

    fn date(time: SystemTime) -> String {
        let utc = humantime::format_rfc3339_seconds(time);
        let time_of_day = utc_time_of_day(time);
        format!("{{{{TIME({utc})}}}} {{{{DATE({utc}, SHORT)}}}} ({time_of_day})")
    }
}
