//! Text as Slack reads it: <https://docs.slack.dev/messaging/formatting-message-text>.

/// Escapes the three characters that mean something; nothing else may be, or it shows escaped.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Text in a code span, which a backtick within would end.
pub(super) fn code(text: &str) -> String {
    format!("`{}`", escape(&text.replace('`', "'").replace('\n', " ")))
}

/// A link; an address that could break out of it, or that is none, is shown as text.
pub(super) fn link(url: &str, label: &str) -> String {
    let is_address = url.starts_with("http://") || url.starts_with("https://");
    if !is_address || url.contains(char::is_whitespace) {
        return escape(url);
    }
    let url = url.replace('&', "&amp;").replace('<', "%3C").replace('>', "%3E").replace('|', "%7C");
    format!("<{url}|{}>", escape(label))
}

/// At most `most` characters. What is cut is replaced by `…`, no escape is cut in the middle, and a
/// code span or fence that was open is closed.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    // Room for the mark and for the longest end of a fence.
    let room = most.saturating_sub(1 + "\n```".len());
    let mut kept: String = text.chars().take(room).collect();
    for opening in ['&', '<'] {
        let closing = if opening == '&' { ';' } else { '>' };
        if let Some(at) = kept.rfind(opening)
            && !kept[at..].contains(closing)
        {
            kept.truncate(at);
        }
    }
    kept.truncate(kept.trim_end_matches('`').len().max(kept.len().saturating_sub(2)));
    kept.push('…');
    let fences = kept.matches("```").count();
    if fences % 2 == 1 {
        kept.push_str("\n```");
    } else if kept.replace("```", "").matches('`').count() % 2 == 1 {
        kept.push('`');
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_means_something_is_escaped() {
        assert_eq!(
            escape("<!channel> & \"quotes\" 'n' *stars*"),
            "&lt;!channel&gt; &amp; \"quotes\" 'n' *stars*"
        );
    }

    #[test]
    fn a_code_span_can_not_be_left() {
        assert_eq!(code("GET /a`<!here>`"), "`GET /a'&lt;!here&gt;'`");
    }

    #[test]
    fn a_link_can_not_be_left() {
        assert_eq!(
            link("https://a/b?x>1|y&z", "run<book"),
            "<https://a/b?x%3E1%7Cy&amp;z|run&lt;book>"
        );
        assert_eq!(link("javascript:alert(1)", "x"), "javascript:alert(1)");
        assert_eq!(link("https://a b", "x"), "https://a b");
    }

    #[test]
    fn what_is_cut_is_closed() {
        assert_eq!(cut("short", 10), "short");
        assert_eq!(cut("```\nlong code in a fence\n```", 20), "```\nlong code i…\n```");
        assert_eq!(cut("`a span that is long`", 15), "`a span th…`");
        assert_eq!(cut("12345678&amp;90123", 16), "12345678…");
    }

    proptest! {
        #[test]
        fn a_cut_text_is_short_and_closed(text in "[a`<>&\n é]{0,200}", most in 10..100_usize) {
            let cut = cut(&escape(&text), most);
            prop_assert!(cut.chars().count() <= most);
            prop_assert_eq!(cut.matches('&').count(), cut.matches(';').count());
            if escape(&text).chars().count() > most {
                prop_assert_eq!(cut.matches("```").count() % 2, 0);
            }
        }
    }
}
