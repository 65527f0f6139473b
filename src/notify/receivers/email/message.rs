use std::time::{SystemTime, UNIX_EPOCH};

use lettre::{
    Message,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
};

use super::{html::html, plain_text::plain_text, section::sections};
use crate::{
    alert::{Alert, AlertStatus, Target},
    notify::{Notification, receivers::chat::text::cut_line},
    stable_hash::stable_hash,
};

/// The longest subject, in characters.
const LONGEST_SUBJECT: usize = 200;

/// The most threads that one mail joins.
const THREADS: usize = 20;

/// Headers that suppress automatic replies, such as out-of-office notices.
const NO_AUTO_REPLY: [(&str, &str); 2] =
    [("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All")];

/// The mail of a notification, as text and HTML, in the thread of its alerts.
pub(super) fn message(
    from: &Mailbox,
    to: &[Mailbox],
    notification: &Notification,
    now: SystemTime,
) -> Result<Message, lettre::error::Error> {
    let subject = cut_line(&notification.title(), LONGEST_SUBJECT);
    let thread = Thread::of(notification, from.email.domain(), now);
    let mut builder = Message::builder()
        .date(now)
        .from(from.clone())
        .subject(&*subject)
        .message_id(Some(thread.id));
    for recipient in to {
        builder = builder.to(recipient.clone());
    }
    if !thread.references.is_empty() {
        let references = thread.references.join(" ");
        builder = builder.in_reply_to(references.clone()).references(references);
    }
    for (name, value) in NO_AUTO_REPLY {
        let name = HeaderName::new_from_ascii_str(name);
        builder = builder.raw_header(HeaderValue::new(name, value.to_owned()));
    }
    let (sections, rest) = sections(notification, now);
    builder.multipart(MultiPart::alternative_plain_html(
        plain_text(&sections, &rest),
        html(&subject, &sections, &rest),
    ))
}

/// The headers that mail programs thread by.
struct Thread {
    id: String,
    references: Vec<String>,
}

impl Thread {
    /// The first mail of an alert starts its thread; later mails reply to the first. A mail of
    /// several alerts joins the thread of each. The ids depend on the alerts only, so a mail that
    /// is sent again keeps its id. Each repeat of an unchanged alert has an id of its own.
    fn of(notification: &Notification, domain: &str, now: SystemTime) -> Self {
        let begins = |alert| format!("<alert-{:016x}@{domain}>", stable_hash(&begin(alert)));
        match (notification.alerts.as_slice(), notification.changes.as_slice()) {
            ([alert], [changes]) if is_first(alert) && *changes > 0 => {
                Self { id: begins(alert), references: Vec::new() }
            }
            (alerts, changes) => {
                let of_one = |(alert, changes): (&Alert, &u32)| {
                    let again = (*changes == 0).then(|| nanoseconds(now));
                    change(alert).into_iter().chain(again)
                };
                let changes: Vec<_> = alerts.iter().zip(changes).flat_map(of_one).collect();
                Self {
                    id: format!("<change-{:016x}@{domain}>", stable_hash(&changes)),
                    references: alerts.iter().take(THREADS).map(begins).collect(),
                }
            }
        }
    }
}

/// Whether this is the first mail of an alert. Later mails also fire, when a failure is reported
/// again or the severity rises.
fn is_first(alert: &Alert) -> bool {
    let is_again = alert.failure().is_some_and(|failure| !failure.over.is_zero());
    alert.status == AlertStatus::Firing && !is_again && !alert.is_relabelled
}

/// Identifies an alert from its start to its end, independent of the release and of restarts.
fn begin(alert: &Alert) -> Vec<String> {
    let (kind, name) = match &alert.target {
        Target::Service => ("service", String::new()),
        Target::Operation(operation) => ("operation", operation.to_string()),
        Target::Route(name) => ("route", name.clone()),
        Target::Dependency(name) => ("dependency", name.clone()),
        Target::CallSite(site) => ("call site", site.clone()),
    };
    let origin = &alert.origin;
    let texts = [&*alert.name, kind, &name, alert.error_type(), &origin.service, &origin.instance];
    let group = Some(alert.group()).filter(|group| !group.is_empty());
    let texts = texts.into_iter().chain(group).map(str::to_owned);
    texts.chain([nanoseconds(alert.starts_at)]).collect()
}

/// Identifies one change of an alert.
fn change(alert: &Alert) -> Vec<String> {
    let total = alert.failure().map(|failure| failure.total.to_string());
    let mut texts = begin(alert);
    texts.extend([alert.status.to_string(), alert.severity.to_string()]);
    texts.extend(alert.labels.iter().flat_map(|(name, value)| [name.clone(), value.clone()]));
    texts.extend(total);
    texts
}

fn nanoseconds(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}

/// The id of an alert's last change, for the outbox.
pub(super) fn change_id(alert: &Alert) -> u64 {
    stable_hash(&change(alert))
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
