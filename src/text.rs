//! Limits and escapes untrusted text for messages, terminals and logs.

use std::{
    borrow::Cow,
    fmt::{self, Write},
    time::Duration,
};

/// Whether a character controls a terminal, ends a line, or changes the direction of the text
/// around it: C0, DEL and C1, line and paragraph separators, and bidirectional embeddings,
/// overrides and isolates.
pub(crate) fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes text as one line: each control character becomes an escape, such as `\n` or `\u{1b}`.
pub(crate) struct OneLine<W>(pub(crate) W);

impl<W: Write> Write for OneLine<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, control)) = rest.char_indices().find(|(_, c)| is_control(*c)) {
            let (clean, tail) = rest.split_at(at);
            self.0.write_str(clean)?;
            write!(self.0, "{}", control.escape_default())?;
            rest = &tail[control.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

/// The text as one line, escaped like [`OneLine`].
pub(crate) fn one_line(text: impl fmt::Display) -> String {
    let mut line = OneLine(String::new());
    // Writing to a string cannot fail. A failed `Display` keeps the text that it wrote before.
    let _ = write!(line, "{text}");
    line.0
}

/// A duration rounded to whole seconds, such as `1m 5s`.
pub(crate) fn whole_seconds(duration: Duration) -> impl fmt::Display {
    let seconds = duration.saturating_add(Duration::from_millis(500)).as_secs();
    humantime::format_duration(Duration::from_secs(seconds))
}

/// The start of a displayed text, up to `most` characters and about `bytes` bytes; a longer text
/// ends with `…`. The whole text is never in memory.
pub(crate) fn limited(text: impl fmt::Display, most: usize, bytes: usize) -> String {
    let mut limited = Limited { text: String::new(), characters: most, bytes, is_cut: false };
    // An error reports the limit.
    let _ = write!(limited, "{text}");
    limited.text
}

struct Limited {
    text: String,
    characters: usize,
    bytes: usize,
    is_cut: bool,
}

impl Write for Limited {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // A `Display` may continue after an error.
        if self.is_cut {
            return Err(fmt::Error);
        }
        for (at, character) in text.char_indices() {
            if self.characters == 0 || character.len_utf8() > self.bytes {
                self.text.push_str(&text[..at]);
                self.text.push('…');
                self.is_cut = true;
                return Err(fmt::Error);
            }
            self.characters -= 1;
            self.bytes -= character.len_utf8();
        }
        self.text.push_str(text);
        Ok(())
    }
}

/// A count with its noun, such as `1 request` or `2 requests`.
pub(crate) fn count(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// The start of a name, up to `most` characters; a longer name ends with `…`.
pub(crate) fn short(name: Cow<'static, str>, most: usize) -> Cow<'static, str> {
    match name.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &name[..end]).into(),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_characters_are_escaped_and_other_text_stays() {
        assert_eq!(one_line("é\t\u{1b}[31m\r\nx\u{7}"), "é\\t\\u{1b}[31m\\r\\nx\\u{7}");
        assert_eq!(one_line("\u{7f}\u{9b}\u{202e}\u{2066}"), r"\u{7f}\u{9b}\u{202e}\u{2066}");
        assert_eq!(one_line("größer: 5 € · 日本"), "größer: 5 € · 日本");
    }

    #[test]
    fn text_is_limited_in_characters_and_in_bytes() {
        assert_eq!(limited("short", 5, 5), "short");
        assert_eq!(limited("longer", 5, 100), "longe…");
        assert_eq!(limited("ééé", 100, 5), "éé…");
        assert_eq!(limited(format_args!("{}{}", "ab", "cd"), 3, 100), "abc…");
        assert_eq!(limited("", 0, 0), "");
    }

    #[test]
    fn a_longer_name_ends_with_an_ellipsis() {
        assert_eq!(short("Name".into(), 4), "Name");
        assert_eq!(short("Names".into(), 4), "Name…");
    }

    proptest! {
        #[test]
        fn one_line_has_no_control_character(text in any::<String>()) {
            prop_assert!(!one_line(&text).contains(is_control));
        }

        #[test]
        fn limited_text_is_a_prefix_of_the_text(text in any::<String>(), most in 0..20_usize, bytes in 0..40_usize) {
            let limited = limited(&text, most, bytes);
            let start = limited.strip_suffix('…').unwrap_or(&limited);
            prop_assert!(text.starts_with(start) || text == limited);
            prop_assert!(limited.chars().count() <= most + 1 && limited.len() <= bytes + '…'.len_utf8());
        }
    }
}
