//! The rule file as data, and its form in YAML.

use std::fmt::{self, Write};

use super::template;
use crate::generate::promql::{is_plain, string};

/// Indents the lines of a block scalar.
const INDENT: &str = "      ";

#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) name: String,
    /// Such as `15s`.
    pub(super) interval: String,
    pub(super) entries: Vec<Entry>,
}

#[derive(Debug)]
pub(super) enum Entry {
    /// A comment in place of a rule.
    Comment(String),
    Record {
        name: String,
        expr: String,
    },
    Alert(Box<Alert>),
}

#[derive(Debug, Default)]
pub(super) struct Alert {
    pub(super) name: String,
    /// Comments above the alert, a sentence each.
    pub(super) notes: Vec<String>,
    pub(super) expr: String,
    /// Such as `1m`; none is at once.
    pub(super) hold_for: Option<String>,
    pub(super) keep_firing_for: Option<String>,
    /// Names and templates.
    pub(super) labels: Vec<(String, String)>,
    /// Names and templates.
    pub(super) annotations: Vec<(&'static str, String)>,
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "- name: {}", scalar(&self.name))?;
        writeln!(f, "  interval: {}", self.interval)?;
        if self.entries.iter().all(|entry| matches!(entry, Entry::Comment(_))) {
            writeln!(f, "  rules: []")?;
        } else {
            writeln!(f, "  rules:")?;
        }
        self.entries.iter().try_for_each(|entry| write!(f, "{entry}"))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Comment(text) => comment(f, "  ", text),
            Self::Record { name, expr } => {
                writeln!(f, "  - record: {name}")?;
                expression(f, expr)
            }
            Self::Alert(alert) => write!(f, "{alert}"),
        }
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.notes.iter().try_for_each(|note| comment(f, "  ", note))?;
        writeln!(f, "  - alert: {}", scalar(&self.name))?;
        expression(f, &self.expr)?;
        for (key, duration) in [("for", &self.hold_for), ("keep_firing_for", &self.keep_firing_for)]
        {
            if let Some(duration) = duration {
                writeln!(f, "    {key}: {duration}")?;
            }
        }
        writeln!(f, "    labels:")?;
        for (name, value) in &self.labels {
            writeln!(f, "{INDENT}{}: {}", scalar(name), scalar(value))?;
        }
        writeln!(f, "    annotations:")?;
        for (name, value) in &self.annotations {
            writeln!(f, "{INDENT}{name}: {}", scalar(value))?;
        }
        Ok(())
    }
}

/// Writes PromQL as a block scalar. Its strings contain no character that needs an escape there.
fn expression(f: &mut fmt::Formatter<'_>, expr: &str) -> fmt::Result {
    writeln!(f, "    expr: |-")?;
    expr.lines().try_for_each(|line| writeln!(f, "{INDENT}{line}"))
}

/// The widest line of a comment, without its indent.
const WIDTH: usize = 96;

/// Writes a comment, with breaks between words.
pub(super) fn comment(f: &mut impl Write, indent: &str, text: &str) -> fmt::Result {
    let mut line = String::new();
    for word in text.split(' ') {
        // A control character would end the comment.
        let word: String = word.chars().map(|c| if is_plain(c) { c } else { '\u{fffd}' }).collect();
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            writeln!(f, "{indent}# {line}")?;
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    writeln!(f, "{indent}# {line}")
}

/// Returns a scalar: plain if it is a name, otherwise quoted.
fn scalar(text: &str) -> String {
    const RESERVED: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_name && !RESERVED.contains(&&*text.to_ascii_lowercase()) {
        text.to_owned()
    } else {
        string(text)
    }
}

impl Alert {
    /// Adds a label with a value that is no template.
    pub(super) fn label(&mut self, name: &str, value: &str) {
        self.labels.push((name.to_owned(), template::literal(value)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_plain_and_other_scalars_are_quoted() {
        for (text, written) in [
            ("HighErrorRatio", "HighErrorRatio"),
            ("a b", r#""a b""#),
            ("5", r#""5""#),
            ("", r#""""#),
            ("No", r#""No""#),
            ("null", r#""null""#),
            ("größe: \"5\" # \\", r#""größe: \"5\" # \\""#),
            ("a\nb\u{85}\u{2028}", r#""a\nb\u0085\u2028""#),
        ] {
            assert_eq!(scalar(text), written);
        }
    }

    #[test]
    fn a_long_comment_has_several_lines() {
        let mut text = String::new();
        comment(&mut text, "", &"word ".repeat(30)).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(text.lines().all(|line| line.starts_with("# ") && line.len() <= WIDTH + 2));
    }

    proptest! {
        #[test]
        fn a_comment_has_comment_lines_only(text in any::<String>()) {
            let mut written = String::new();
            comment(&mut written, "  ", &text).unwrap();
            prop_assert!(written.lines().all(|line| line.starts_with("  # ")));
            prop_assert!(written.chars().all(|c| is_plain(c) || c == '\n'));
        }

        #[test]
        fn a_scalar_is_one_line(text in any::<String>()) {
            let scalar = scalar(&text);
            prop_assert!(scalar.chars().all(is_plain));
            prop_assert!(scalar.starts_with('"') || scalar == text);
        }
    }
}
