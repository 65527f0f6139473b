//! The HTML part of a mail. It loads no images, styles or other resources.

use super::section::Section;
use crate::alert::AlertStatus;

pub(super) fn html(title: &str, sections: &[Section], rest: &[String]) -> String {
    let mut body: String = sections.iter().map(html_of).collect();
    if !rest.is_empty() {
        let titles: String =
            rest.iter().map(|title| format!("<li>{}</li>\n", escape(title))).collect();
        body.push_str(&format!("<p>And {} more:</p>\n<ul>\n{titles}</ul>\n", rest.len()));
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n</head>\n\
         <body style=\"margin:0;padding:12px;font:16px/1.4 sans-serif;overflow-wrap:anywhere\">\n\
         {body}</body>\n</html>\n",
        escape(title)
    )
}

fn html_of(section: &Section) -> String {
    let color = match section.status {
        AlertStatus::Firing => "#d22",
        AlertStatus::Resolved => "#2a4",
    };
    let mut lines = vec![
        format!(
            "<div style=\"max-width:600px;margin:0 0 24px;padding-left:12px;\
             border-left:4px solid {color}\">"
        ),
        format!("<h2 style=\"margin:0;font-size:18px\">{}</h2>", escape(&section.title)),
        format!(
            "<p><strong>{}</strong> · {}</p>",
            escape(&section.measured),
            escape(&section.condition)
        ),
    ];
    lines.extend(section.summary.iter().map(|summary| paragraph(summary)));
    lines.push(paragraph(&section.when));
    lines.extend(section.impact.iter().map(|impact| paragraph(impact)));
    if !section.texts.is_empty() {
        let head = "<p style=\"margin-bottom:0\"><strong>Reported errors</strong></p>\n<ul>";
        lines.push(head.to_owned());
        lines.extend(section.texts.iter().map(|text| format!("<li>{}</li>", escape(text))));
        lines.push("</ul>".to_owned());
    }
    if !section.top.is_empty() {
        lines.push(
            "<p style=\"margin-bottom:0\"><strong>Top operations</strong></p>\n<ul>".to_owned(),
        );
        lines.extend(section.top.iter().map(|(operation, adds)| {
            format!("<li><code>{}</code> · {}</li>", escape(operation), escape(adds))
        }));
        lines.push("</ul>".to_owned());
    }
    lines.extend(section.remarks.iter().map(|remark| paragraph(remark)));
    if !section.links.is_empty() {
        let links: Vec<_> = section.links.iter().map(|(label, url)| link(label, url)).collect();
        lines.push(format!("<p>{}</p>", links.join(" · ")));
    }
    let origin = section.origin.iter();
    let origin: Vec<_> = origin
        .map(|(name, value)| format!("{} <code>{}</code>", escape(name), escape(value)))
        .collect();
    lines.push(format!("<p style=\"font-size:13px\">{}</p>\n</div>\n", origin.join(" · ")));
    lines.join("\n")
}

fn paragraph(text: &str) -> String {
    format!("<p>{}</p>", escape(text).replace('\n', "<br>\n"))
}

/// A link. A text that is not a whole HTTP URL is shown as text.
fn link(label: &str, url: &str) -> String {
    let is_address = url.starts_with("http://") || url.starts_with("https://");
    if !is_address || url.contains(char::is_whitespace) || url.ends_with('…') {
        return format!("{label}: {}", escape(url));
    }
    format!("<a href=\"{}\">{label}</a>", escape(url))
}

/// Escapes a text for an element or a quoted attribute.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
