//! The text of an alert in a chat: the same words for each receiver, in its own markup.

use std::time::SystemTime;

use super::text::{escaped, impact, time_line};
use crate::notify::Notification;
use crate::{
    alert::{Alert, AlertStatus},
    rule::Severity,
    text::{count, is_control, whole_seconds},
};

/// The longest measured value, which may be an error with its causes. All limits here count
/// characters after escaping.
const MAX_MEASURED: usize = 1_000;

/// The longest text from a user, such as a summary.
const MAX_TEXT: usize = 600;

/// The longest route, label or other name.
const MAX_NAME: usize = 200;

/// The longest text in a list of reported errors.
const MAX_REPORT_TEXT: usize = 120;

/// The markup of one receiver. Defaults to Markdown. `escape*` functions make text safe; the other
/// functions expect text that is escaped already.
pub(crate) trait Markup {
    /// Appends a character, escaped so that it has no special meaning.
    fn escape(character: char, into: &mut String);

    /// Appends a character inside a code span.
    fn escape_code(character: char, into: &mut String) {
        Self::escape(character, into);
    }

    /// Bold text.
    fn bold(escaped: &str) -> String {
        format!("**{escaped}**")
    }

    /// Italic text.
    fn italic(escaped: &str) -> String;

    /// A code span.
    fn code(escaped: &str) -> String;

    /// Appends a character of a URL, encoded so that it can't end the link.
    fn escape_address(character: char, into: &mut String) {
        match character {
            '(' => into.push_str("%28"),
            ')' => into.push_str("%29"),
            '<' => into.push_str("%3C"),
            '>' => into.push_str("%3E"),
            '\\' => into.push_str("%5C"),
            other => into.push(other),
        }
    }

    /// A link to a URL.
    fn link(address: &str, label: &str) -> String {
        format!("[{label}]({address})")
    }

    /// A time, in the reader's time zone if the receiver supports that, and in UTC.
    fn date(time: SystemTime) -> String;

    /// The size of a text, in the unit of the receiver's limits. Defaults to its characters, markup
    /// included.
    fn size(text: &str) -> usize {
        text.chars().count()
    }
}

/// Escapes a text and cuts it to `most` characters.
pub(crate) fn plain<M: Markup>(text: &str, most: usize) -> String {
    escaped(text, most, M::escape)
}

fn code<M: Markup>(name: &str) -> String {
    // A code span can contain neither.
    M::code(&escaped(&name.replace('`', "'").replace('\n', " "), MAX_NAME, M::escape_code))
}

/// A link. A text that is not an HTTP URL, or too long to stay whole, is shown as text.
fn link<M: Markup>(url: &str, label: &str) -> String {
    let is_address = url.starts_with("http://") || url.starts_with("https://");
    if !is_address || url.contains(|part: char| part.is_whitespace() || is_control(part)) {
        return plain::<M>(url, MAX_TEXT);
    }
    let address = escaped(url, usize::MAX, M::escape_address);
    if address.len() > MAX_TEXT {
        return plain::<M>(url, MAX_TEXT);
    }
    M::link(&address, &plain::<M>(label, MAX_NAME))
}

/// A coloured mark for the state, and the title. The text is not escaped.
pub(crate) fn headline(alert: &Alert, changes: u32) -> String {
    let mark = match alert.status {
        AlertStatus::Firing => "🔴",
        AlertStatus::Resolved => "🟢",
    };
    format!("{mark} {}", Notification::title_of(alert, changes))
}

/// The body of an alert: the measured value and the condition, the summary, the time, the impact, the
/// top routes, the reported errors, notes and links.
pub(crate) fn lines<M: Markup>(alert: &Alert, changes: u32, now: SystemTime) -> Vec<String> {
    let mut lines = vec![measured_line::<M>(alert)];
    // The summary describes the problem, which is over once the alert is resolved.
    if let (AlertStatus::Firing, Some(summary)) = (alert.status, &alert.summary) {
        lines.push(plain::<M>(summary, MAX_TEXT));
    }
    lines.push(time_line(alert, now, M::date));
    lines.extend(impact(alert).map(|tally| plain::<M>(&tally, MAX_NAME)));
    lines.extend(top_lines::<M>(alert));
    let texts = alert.text_counts();
    if !texts.is_empty() {
        lines.push(M::bold("Reported errors"));
        lines.extend(texts.iter().map(|text| {
            let text = plain::<M>(&text.replace('\n', " "), MAX_REPORT_TEXT);
            format!("• {text}")
        }));
    }
    lines.extend(notes::<M>(alert, changes));
    let links = [("Runbook", &alert.runbook), ("Dashboard", &alert.dashboard)];
    let links: Vec<_> = links
        .into_iter()
        .filter_map(|(label, url)| Some(link::<M>(url.as_ref()?, label)))
        .collect();
    if !links.is_empty() {
        lines.push(links.join(" · "));
    }
    lines
}

fn measured_line<M: Markup>(alert: &Alert) -> String {
    let measured = M::bold(&plain::<M>(&alert.measured().replace('\n', " "), MAX_MEASURED));
    let condition = plain::<M>(&alert.condition(), MAX_NAME);
    match (alert.status, alert.breach().and_then(|breach| breach.window)) {
        (AlertStatus::Firing, Some((over, requests))) => {
            format!(
                "{measured} · {condition} · {} in {}",
                count(requests, "request"),
                whole_seconds(over)
            )
        }
        _ => format!("{measured} · {condition}"),
    }
}

fn top_lines<M: Markup>(alert: &Alert) -> Vec<String> {
    if alert.top().is_empty() {
        return Vec::new();
    }
    let head = M::bold(match alert.status {
        AlertStatus::Firing => "Top operations",
        AlertStatus::Resolved => "Top operations while firing",
    });
    let routes = alert.top().iter().map(|top| {
        let operation = code::<M>(&top.operation.to_string());
        let detail = plain::<M>(&top.detail, MAX_NAME);
        format!("• {operation} · {detail}")
    });
    std::iter::once(head).chain(routes).collect()
}

/// Notes on merged changes, on a repeat, on the state before a restart, and on silences and
/// acknowledgements.
fn notes<M: Markup>(alert: &Alert, changes: u32) -> Vec<String> {
    let escape = |text: &str| plain::<M>(text, MAX_NAME);
    let mut notes = Notification::notes_on(alert, changes, M::date);
    notes.extend(alert.suppressed.iter().map(|suppressed| suppressed.note(M::date, escape)));
    notes.extend(alert.acknowledged.iter().map(|acknowledged| acknowledged.note(M::date, escape)));
    notes.iter().map(|note| M::italic(note)).collect()
}

/// Whether one of the first `named` alerts is critical and has started to fire. Repeats and
/// resolves don't mention anybody.
pub(crate) fn is_urgent(notification: &Notification, named: usize) -> bool {
    notification.iter().take(named).any(|(alert, changes)| {
        let is_new = alert.status == AlertStatus::Firing && changes > 0;
        is_new && alert.severity == Severity::Critical
    })
}

/// The service, the instance, the version and the severity, and as many labels as fit into `most`,
/// a [size](Markup::size).
pub(crate) fn origin<M: Markup>(alert: &Alert, most: usize) -> String {
    let named =
        |name: &str, value: &str| format!("{} {}", plain::<M>(name, MAX_NAME), code::<M>(value));
    let mut parts =
        vec![named("service", &alert.origin.service), named("instance", &alert.origin.instance)];
    parts.extend(alert.origin.version.iter().map(|version| named("version", version)));
    parts.push(format!("severity {}", alert.severity));
    parts.extend(alert.labels.iter().map(|(name, value)| named(name, value)));
    joined::<M>(parts, " · ", most)
}

/// The titles of alerts for which a message has no room in full, and how many titles fit into
/// `most`, a [size](Markup::size). The next message contains the rest.
pub(crate) fn others<M: Markup>(alerts: &[Alert], most: usize) -> (String, usize) {
    const HEAD: usize = 60;
    let mut room = most.saturating_sub(HEAD);
    let fits = |title: &String| {
        let size = M::size(title) + 1;
        let has_room = size <= room;
        room = room.saturating_sub(size);
        has_room
    };
    let titles = alerts.iter().map(|alert| plain::<M>(&alert.title(), MAX_NAME));
    let titles: Vec<_> = titles.take_while(fits).collect();
    let (named, left) = (titles.len(), alerts.len() - titles.len());
    let head = match left {
        0 => format!("And {named} more:"),
        _ => format!("And {named} more, {left} in the next message:"),
    };
    (format!("{}\n{}", M::bold(&head), titles.join("\n")), named)
}

/// Joins as many parts as fit into `most`, a [size](Markup::size). `…` replaces the rest.
pub(crate) fn joined<M: Markup>(parts: Vec<String>, between: &str, most: usize) -> String {
    let mut text = String::new();
    let mut room = most;
    let mut left = parts.len();
    for part in parts {
        left -= 1;
        let between = if text.is_empty() { "" } else { between };
        let size = M::size(between) + M::size(&part);
        let for_mark = if left > 0 { 2 } else { 0 };
        if size + for_mark > room {
            text.push_str(" …");
            break;
        }
        room -= size;
        text.push_str(between);
        text.push_str(&part);
    }
    text
}

/// Renders alerts until `most` are rendered or their sizes exceed `room`, and returns the rest.
/// `render` returns a part with its size. The first alert is always rendered.
pub(crate) fn fit<T>(
    notification: &Notification,
    most: usize,
    mut room: usize,
    render: impl Fn(&Alert, u32) -> (T, usize),
) -> (Vec<T>, &[Alert]) {
    let mut parts = Vec::new();
    for (alert, changes) in notification.iter().take(most) {
        let (part, size) = render(alert, changes);
        if size > room && !parts.is_empty() {
            break;
        }
        room = room.saturating_sub(size);
        parts.push(part);
    }
    let rest = &notification.alerts[parts.len()..];
    (parts, rest)
}
