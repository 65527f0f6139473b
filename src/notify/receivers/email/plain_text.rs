//! The plain text part of a mail.

use super::section::Section;

pub(super) fn plain_text(sections: &[Section], rest: &[String]) -> String {
    let mut parts: Vec<_> = sections.iter().map(text_of).collect();
    if !rest.is_empty() {
        parts.push(format!("And {} more:\n{}\n", rest.len(), rest.join("\n")));
    }
    parts.join("\n----\n\n")
}

fn text_of(section: &Section) -> String {
    let mut lines = vec![
        section.title.clone(),
        String::new(),
        format!("{} · {}", section.measured, section.condition),
    ];
    lines.extend(section.summary.clone());
    lines.push(section.when.clone());
    lines.extend(section.impact.clone());
    if !section.texts.is_empty() {
        lines.extend([String::new(), "Reported errors:".to_owned()]);
        lines.extend(section.texts.iter().map(|text| format!("- {text}")));
    }
    if !section.top.is_empty() {
        lines.extend([String::new(), "Top operations:".to_owned()]);
        lines.extend(section.top.iter().map(|(operation, adds)| format!("- {operation} · {adds}")));
    }
    lines.extend(section.remarks.iter().cloned());
    if !section.links.is_empty() {
        lines.push(String::new());
    }
    lines.extend(section.links.iter().map(|(label, url)| format!("{label}: {url}")));
    lines.push(String::new());
    lines.extend(section.origin.iter().map(|(name, value)| format!("{name}: {value}")));
    lines.push(String::new());
    lines.join("\n")
}
