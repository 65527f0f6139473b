use std::time::SystemTime;

use crate::notify::receivers::chat::{render::Markup, text::utc};

/// Telegram's HTML: <https://core.telegram.org/bots/api#html-style>.
pub(super) struct Html;

impl Markup for Html {
    fn escape(character: char, into: &mut String) {
        match character {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '"' => into.push_str("&quot;"),
            other => into.push(other),
        }
    }

    fn bold(escaped: &str) -> String {
        format!("<b>{escaped}</b>")
    }

    fn italic(escaped: &str) -> String {
        format!("<i>{escaped}</i>")
    }

    fn code(escaped: &str) -> String {
        format!("<code>{escaped}</code>")
    }

    /// The address is an attribute in double quotes.
    fn escape_address(character: char, into: &mut String) {
        Self::escape(character, into);
    }

    fn link(address: &str, label: &str) -> String {
        format!("<a href=\"{address}\">{label}</a>")
    }

    /// In UTC: Telegram converts no times.
    fn date(time: SystemTime) -> String {
        utc(time)
    }

    /// UTF-16 code units of the text that readers see: Telegram applies its limit after it has
    /// parsed tags and escapes.
    fn size(text: &str) -> usize {
        let mut size = 0;
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            match character {
                '<' => {
                    rest.find(|end| *end == '>');
                }
                '&' => {
                    rest.find(|end| *end == ';');
                    size += 1;
                }
                other => size += other.len_utf16(),
            }
        }
        size
    }
}

/// Parses a text as Telegram does: the text that readers see, with the links' addresses. Panics if
/// a tag is unknown or not closed in its order, or if a character is not escaped.
#[cfg(test)]
#[allow(clippy::panic, reason = "for tests")]
pub(super) fn parsed(html: &str) -> (String, Vec<String>) {
    let (mut text, mut links, mut open) = (String::new(), Vec::new(), Vec::new());
    let mut rest = html;
    while let Some(start) = rest.find(['<', '>', '&']) {
        text.push_str(&rest[..start]);
        let end = |mark| rest[start..].find(mark).map(|end| start + end + 1);
        let (part, after) =
            match rest.as_bytes()[start] {
                b'<' => rest[start..]
                    .split_at(end('>').unwrap_or_else(|| panic!("open: {html}")) - start),
                b'&' => rest[start..]
                    .split_at(end(';').unwrap_or_else(|| panic!("cut: {html}")) - start),
                _ => panic!("a bare > in {html}"),
            };
        rest = after;
        match part {
            "&amp;" => text.push('&'),
            "&lt;" => text.push('<'),
            "&gt;" => text.push('>'),
            "&quot;" => text.push('"'),
            "<b>" | "<i>" | "<code>" => open.push(part.trim_matches(['<', '>'])),
            part if part.starts_with("</") => {
                let name = part.trim_matches(['<', '/', '>']);
                assert_eq!(open.pop(), Some(name), "{html}");
            }
            part => {
                let address =
                    part.strip_prefix("<a href=\"").and_then(|rest| rest.strip_suffix("\">"));
                let address = address.unwrap_or_else(|| panic!("{part} in {html}"));
                assert!(!address.contains(['"', '<']), "{html}");
                links.push(parsed(address).0);
                open.push("a");
            }
        }
    }
    text.push_str(rest);
    assert!(open.is_empty(), "{open:?} are open in {html}");
    (text, links)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::notify::receivers::chat::{render::plain, text::cut};

    const TEXT: &str = "[a<>&\";/é🔴]{0,60}|(<b>|&amp;|&lt|\">|<a href=\"x\">|\\PC){0,20}";

    proptest! {
        #[test]
        fn readers_see_a_text_as_it_was(text in TEXT) {
            let html = plain::<Html>(&text, usize::MAX);
            prop_assert_eq!(parsed(&html).0, cut(&text, usize::MAX));
        }

        #[test]
        fn a_cut_text_stays_valid(text in TEXT, most in 1..80_usize) {
            let html = Html::bold(&plain::<Html>(&text, most));
            let seen = parsed(&html).0;
            let begins = cut(&text, usize::MAX);
            prop_assert!(begins.starts_with(seen.trim_end_matches('…')), "{} {}", seen, begins);
        }

        #[test]
        fn the_size_is_that_of_the_parsed_text(text in TEXT) {
            let html = Html::link(&plain::<Html>(&text, usize::MAX), &plain::<Html>(&text, 50));
            let (seen, links) = parsed(&html);
            prop_assert_eq!(Html::size(&html), seen.encode_utf16().count());
            prop_assert_eq!(links, [cut(&text, usize::MAX)]);
        }
    }
}
