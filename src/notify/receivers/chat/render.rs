//! What people read of an alert in a chat: the same words everywhere, each receiver in its markup.

use std::time::{Duration, SystemTime};

use super::text::escaped;
use crate::notify::{
    Notification,
    notification::{TOLD_AGAIN, still, unknown_before},
};
use crate::{
    alert::{Alert, AlertStatus, whole_seconds},
    rule::Severity,
    text::is_control,
};

/// What was measured, which may be an error and its causes; in characters as they are sent, as are
/// the others.
const MEASURED: usize = 1_000;

/// A user's own words, each.
const WORDS: usize = 600;

/// A route, a label, or another name.
const NAME: usize = 200;

/// One of the texts of several reports.
const TEXT: usize = 120;

/// What one receiver takes for markup: that of Markdown, unless it says otherwise. What is not escaped
/// by it is by whom it is given.
pub(crate) trait Markup {
    /// Adds a character so that it means nothing but itself.
    fn escape(character: char, into: &mut String);

    /// Adds a character of a code span.
    fn escape_code(character: char, into: &mut String) {
        Self::escape(character, into);
    }

    /// Text that stands out.
    fn bold(escaped: &str) -> String {
        format!("**{escaped}**")
    }

    /// A remark.
    fn italic(escaped: &str) -> String;

    /// A name as it is in code.
    fn code(escaped: &str) -> String;

    /// Adds a character of an address, so that it can't leave the link.
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

    /// A link to an address.
    fn link(address: &str, label: &str) -> String {
        format!("[{label}]({address})")
    }

    /// A moment in the reader's own time zone.
    fn date(time: SystemTime) -> String;
}

/// At most so many characters of text, escaped.
pub(crate) fn plain<M: Markup>(text: &str, most: usize) -> String {
    escaped(text, most, M::escape)
}

fn code<M: Markup>(name: &str) -> String {
    // Neither of the two could be in a code span.
    M::code(&escaped(&name.replace('`', "'").replace('\n', " "), NAME, M::escape_code))
}

/// A link; what is no address, or too long for a link that leads somewhere, is shown as text.
fn link<M: Markup>(url: &str, label: &str) -> String {
    let is_address = url.starts_with("http://") || url.starts_with("https://");
    if !is_address || url.contains(|part: char| part.is_whitespace() || is_control(part)) {
        return plain::<M>(url, WORDS);
    }
    let address = escaped(url, usize::MAX, M::escape_address);
    if address.len() > WORDS {
        return plain::<M>(url, WORDS);
    }
    M::link(&address, &plain::<M>(label, NAME))
}

/// The state at a glance and the title, not escaped.
pub(crate) fn headline(alert: &Alert, changes: u32) -> String {
    let mark = match alert.status {
        AlertStatus::Firing => "🔴",
        AlertStatus::Resolved => "🟢",
    };
    format!("{mark} {}", still(alert.title(), changes))
}

/// What happened, how bad it is, since when, and who adds the most to it.
pub(crate) fn lines<M: Markup>(alert: &Alert, changes: u32, now: SystemTime) -> Vec<String> {
    let measured = M::bold(&plain::<M>(&alert.measured().replace('\n', " "), MEASURED));
    let condition = plain::<M>(&alert.condition(), NAME);
    let mut lines = vec![match (alert.status, alert.breach().and_then(|breach| breach.window)) {
        (AlertStatus::Firing, Some((over, requests))) => {
            format!("{measured} · {condition} · {requests} requests in {}", whole_seconds(over))
        }
        _ => format!("{measured} · {condition}"),
    }];
    // A summary says what is wrong, and nothing is any more once it is resolved.
    if let (AlertStatus::Firing, Some(summary)) = (alert.status, &alert.summary) {
        lines.push(plain::<M>(summary, WORDS));
    }
    let since = M::date(alert.starts_at);
    match alert.status {
        AlertStatus::Firing => {
            let lasted = alert.lasted(now);
            let for_so_long = if lasted < Duration::from_secs(1) {
                String::new()
            } else {
                format!(" ({})", whole_seconds(lasted))
            };
            // What repeats says how often it did in all.
            let in_all = match alert.failure() {
                Some(failure) if failure.total > failure.count => format!(" · {}", alert.tally()),
                _ => String::new(),
            };
            lines.push(format!("since {since}{for_so_long}{in_all}"));
        }
        AlertStatus::Resolved => lines.push(format!(
            "lasted {} from {since} · {}",
            whole_seconds(alert.lasted(now)),
            plain::<M>(&alert.tally(), NAME)
        )),
    }
    if !alert.top().is_empty() {
        lines.push(M::bold(match alert.status {
            AlertStatus::Firing => "Top routes",
            AlertStatus::Resolved => "Top routes while it fired",
        }));
        lines.extend(alert.top().iter().map(|top| {
            let operation = code::<M>(&top.operation.to_string());
            let detail = plain::<M>(&top.detail, NAME);
            format!("• {operation} · {detail}")
        }));
    }
    let texts = alert.text_counts();
    if !texts.is_empty() {
        lines.push(M::bold("What the reports said"));
        lines.extend(
            texts.iter().map(|text| format!("• {}", plain::<M>(&text.replace('\n', " "), TEXT))),
        );
    }
    if changes > 1 {
        let remark = format!("{changes} changes while this message waited; this is the last.");
        lines.push(M::italic(&remark));
    }
    if changes == 0 && alert.status == AlertStatus::Firing {
        lines.push(M::italic(TOLD_AGAIN));
    }
    if let Some(start) = alert.unknown_before {
        lines.push(M::italic(&unknown_before(&M::date(start))));
    }
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

/// Whether one of the first alerts, which a message names, is critical and news: a repeat or a resolve wakes
/// nobody.
pub(crate) fn is_urgent(notification: &Notification, named: usize) -> bool {
    notification.iter().take(named).any(|(alert, changes)| {
        let fires = alert.status == AlertStatus::Firing && changes > 0;
        fires && alert.severity == Severity::Critical
    })
}

/// Where it comes from, and as many of the labels as `most` characters hold.
pub(crate) fn origin<M: Markup>(alert: &Alert, most: usize) -> String {
    let named =
        |name: &str, value: &str| format!("{} {}", plain::<M>(name, NAME), code::<M>(value));
    let mut parts =
        vec![named("service", &alert.origin.service), named("instance", &alert.origin.instance)];
    parts.extend(alert.origin.version.iter().map(|version| named("version", version)));
    parts.push(format!("severity {}", alert.severity));
    parts.extend(alert.labels.iter().map(|(name, value)| named(name, value)));
    joined(parts, " · ", most)
}

/// The titles of the alerts that a message has no room to tell in full, and how many of them: what is not
/// named is told by the next message.
pub(crate) fn others<M: Markup>(alerts: &[Alert], most: usize) -> (String, usize) {
    const HEAD: usize = 60;
    let mut room = most.saturating_sub(HEAD);
    let fits = |title: &String| {
        let size = title.chars().count() + 1;
        let has_room = size <= room;
        room = room.saturating_sub(size);
        has_room
    };
    let titles = alerts.iter().map(|alert| plain::<M>(&alert.title(), NAME));
    let titles: Vec<_> = titles.take_while(fits).collect();
    let (named, left) = (titles.len(), alerts.len() - titles.len());
    let head = match left {
        0 => format!("And {named} more:"),
        _ => format!("And {named} more, {left} in the next message:"),
    };
    (format!("{}\n{}", M::bold(&head), titles.join("\n")), named)
}

/// As many of the parts as fit into `most` characters; an end that is left out is told by `…`.
pub(crate) fn joined(parts: Vec<String>, between: &str, most: usize) -> String {
    let mut text = String::new();
    let mut room = most;
    let mut left = parts.len();
    for part in parts {
        left -= 1;
        let between = if text.is_empty() { "" } else { between };
        let size = between.chars().count() + part.chars().count();
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

/// As many alerts as fit, each with what it takes of the room, the first in any case; and the rest.
pub(crate) fn fit<T>(
    notification: &Notification,
    most: usize,
    mut room: usize,
    tell: impl Fn(&Alert, u32) -> (T, usize),
) -> (Vec<T>, &[Alert]) {
    let mut told = Vec::new();
    for (alert, changes) in notification.iter().take(most) {
        let (part, size) = tell(alert, changes);
        if size > room && !told.is_empty() {
            break;
        }
        room = room.saturating_sub(size);
        told.push(part);
    }
    let rest = &notification.alerts[told.len()..];
    (told, rest)
}
