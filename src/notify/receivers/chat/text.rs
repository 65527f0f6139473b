//! Texts that chats and mails share, and texts from users and services, cut to the length that a
//! receiver accepts.

use std::time::{Duration, SystemTime};

use crate::{
    alert::{Alert, AlertStatus, Cause},
    text::{is_control, whole_seconds},
};

/// Since when the alert fires, or how long it lasted. `date` formats a time.
pub(crate) fn time_line(
    alert: &Alert,
    now: SystemTime,
    date: impl FnOnce(SystemTime) -> String,
) -> String {
    let (since, lasted) = (date(alert.starts_at), alert.lasted(now));
    match alert.status {
        AlertStatus::Firing if lasted < Duration::from_secs(1) => format!("firing since {since}"),
        AlertStatus::Firing => format!("firing since {since}, for {}", whole_seconds(lasted)),
        AlertStatus::Resolved => format!("lasted {}, from {since}", whole_seconds(lasted)),
    }
}

/// The [tally](Alert::tally), if it adds to the figures of this change.
pub(crate) fn impact(alert: &Alert) -> Option<String> {
    let adds = match (&alert.cause, alert.status) {
        (Cause::Notice(_), _) => false,
        (_, AlertStatus::Resolved) => true,
        (Cause::Report(failure), AlertStatus::Firing) => failure.total > failure.count,
        (Cause::Rule(_), AlertStatus::Firing) => false,
    };
    adds.then(|| alert.tally())
}

/// A time in UTC, such as `2026-11-18 11:06:40 UTC`.
pub(crate) fn utc(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string().replace('T', " ").replace('Z', " UTC")
}

/// The time of day in UTC, such as `11:06:40 UTC`, to add to a time in the reader's time zone: logs
/// and other readers use another one.
pub(crate) fn utc_time_of_day(time: SystemTime) -> String {
    let utc = utc(time);
    utc.split_once(' ').map_or(String::new(), |(_, time)| time.to_owned())
}

/// Cuts a text to `most` characters. `…` replaces the rest. Control characters other than line ends
/// become spaces.
pub(crate) fn cut(text: &str, most: usize) -> String {
    escaped(text, most, |character, into| into.push(character))
}

/// Cuts a text like [`cut`], and turns line ends into spaces.
pub(crate) fn cut_line(text: &str, most: usize) -> String {
    escaped(text, most, |character, into| {
        into.push(if character == '\n' { ' ' } else { character });
    })
}

/// Escapes each character, and cuts the result to `most` characters without splitting an escape.
/// `…` replaces the rest. Control characters other than line ends become spaces.
pub(crate) fn escaped(text: &str, most: usize, escape: impl Fn(char, &mut String)) -> String {
    let mut kept = String::with_capacity(text.len().min(most));
    let (mut length, mut end_before_mark) = (0, 0);
    for character in text.chars() {
        let from = kept.len();
        let is_blank = is_control(character) && character != '\n';
        escape(if is_blank { ' ' } else { character }, &mut kept);
        length += kept[from..].chars().count();
        if length < most {
            end_before_mark = kept.len();
        } else if length > most {
            kept.truncate(end_before_mark);
            kept.push('…');
            break;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cut_is_marked() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("longer", 5), "long…");
        assert_eq!(cut("über\tall", 20), "über all");
    }

    #[test]
    fn a_cut_line_contains_no_line_end() {
        assert_eq!(cut("a\r\nb\u{2028}c", 20), "a \nb c");
        assert_eq!(cut_line("a\r\nb\u{2028}c", 20), "a  b c");
        assert_eq!(cut_line("long\ner", 5), "long…");
    }

    proptest! {
        #[test]
        fn a_cut_splits_no_escape(text in "[a*\\\\é]{0,60}", most in 1..80_usize) {
            let cut = escaped(&text, most, |character, into| {
                if character == '*' {
                    into.push_str("<*>");
                } else {
                    into.push(character);
                }
            });
            prop_assert!(cut.chars().count() <= most);
            prop_assert_eq!(cut.matches('<').count(), cut.matches('>').count());
            prop_assert_eq!(cut.matches('<').count(), cut.matches('*').count());
        }
    }
}
