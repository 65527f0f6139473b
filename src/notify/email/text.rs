//! The part of a mail that is plain text, and what becomes of users' words in any part.

use super::facts::Facts;
use crate::text::is_control;

/// The text of a mail.
pub(super) fn text(told: &[Facts], rest: &[String]) -> String {
    let mut parts: Vec<_> = told.iter().map(alert).collect();
    if !rest.is_empty() {
        parts.push(format!("And {} more:\n{}\n", rest.len(), rest.join("\n")));
    }
    parts.join("\n----\n\n")
}

fn alert(facts: &Facts) -> String {
    let mut lines = vec![
        facts.title.clone(),
        String::new(),
        format!("{} · {}", facts.measured, facts.condition),
    ];
    lines.extend(facts.summary.clone());
    lines.push(facts.when.clone());
    if !facts.texts.is_empty() {
        lines.extend([String::new(), "What the reports said:".to_owned()]);
        lines.extend(facts.texts.iter().map(|text| format!("- {text}")));
    }
    if !facts.top.is_empty() {
        lines.extend([String::new(), "Top routes:".to_owned()]);
        lines.extend(facts.top.iter().map(|(operation, adds)| format!("- {operation} · {adds}")));
    }
    lines.extend(facts.remarks.iter().cloned());
    if !facts.links.is_empty() {
        lines.push(String::new());
    }
    lines.extend(facts.links.iter().map(|(label, url)| format!("{label}: {url}")));
    lines.push(String::new());
    lines.extend(facts.origin.iter().map(|(name, value)| format!("{name}: {value}")));
    lines.push(String::new());
    lines.join("\n")
}

/// Without what controls a terminal, or ends a header.
pub(super) fn one_line(text: &str) -> String {
    text.replace(is_control, " ")
}

/// The same, but for the ends of lines.
pub(super) fn clean(text: &str) -> String {
    text.replace(|c: char| is_control(c) && c != '\n', " ")
}

/// At most `most` characters; what is cut is replaced by `…`.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}
