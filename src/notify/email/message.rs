use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::SystemTime,
};

use lettre::{
    Message,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
};

use super::{
    facts::facts,
    html::html,
    text::{cut, one_line, text},
};
use crate::{
    alert::{Alert, AlertStatus},
    notify::Notification,
};

/// A subject, in characters.
const SUBJECT: usize = 200;

/// As many threads as a mail is put into.
const THREADS: usize = 20;

/// Nobody's holiday is told to an alert.
const FROM_A_MACHINE: [(&str, &str); 2] =
    [("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All")];

/// The mail of a notification: text and HTML, in the thread of its alert.
pub(super) fn message(
    from: &Mailbox,
    to: &[Mailbox],
    notification: &Notification,
    now: SystemTime,
) -> Result<Message, lettre::error::Error> {
    let subject = cut(&one_line(&notification.title()), SUBJECT);
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
    for (name, value) in FROM_A_MACHINE {
        let name = HeaderName::new_from_ascii_str(name);
        builder = builder.raw_header(HeaderValue::new(name, value.to_owned()));
    }
    let (told, rest) = facts(notification, now);
    builder.multipart(MultiPart::alternative_plain_html(
        text(&told, &rest),
        html(&subject, &told, &rest),
    ))
}

/// By which mail programs know what belongs together.
struct Thread {
    id: String,
    references: Vec<String>,
}

impl Thread {
    /// The first mail of an alert begins the thread; those that it fires on, or is resolved, answer it.
    /// A mail of several alerts is in the thread of each. All is a function of the alerts, so that a
    /// mail that is sent again, since its receipt was lost, is the same to whoever sorts them; but what
    /// has not changed and is told again is another mail each time.
    fn of(notification: &Notification, domain: &str, now: SystemTime) -> Self {
        let begins = |alert| format!("<alert-{:016x}@{domain}>", hash(begin(alert)));
        match (notification.alerts.as_slice(), notification.changes.as_slice()) {
            ([alert], [changes]) if is_first(alert) && *changes > 0 => {
                Self { id: begins(alert), references: Vec::new() }
            }
            (alerts, changes) => {
                let again = |changes: u32| (changes == 0).then_some(now);
                let changes = alerts.iter().zip(changes);
                let changes: Vec<_> =
                    changes.map(|(alert, changes)| (change(alert), again(*changes))).collect();
                Self {
                    id: format!("<change-{:016x}@{domain}>", hash(changes)),
                    references: alerts.iter().take(THREADS).map(begins).collect(),
                }
            }
        }
    }
}

/// What is told of a failure that is reported again fires, too, and so does what has got more urgent.
fn is_first(alert: &Alert) -> bool {
    let is_again = alert.failure.as_ref().is_some_and(|failure| !failure.over.is_zero());
    alert.status == AlertStatus::Firing && !is_again && !alert.is_retold
}

/// An alert from its begin to its end, in one process.
fn begin(alert: &Alert) -> impl Hash + '_ {
    (alert.identity(), alert.starts_at, &alert.origin.service, &alert.origin.instance)
}

/// One change of it.
fn change(alert: &Alert) -> impl Hash + '_ {
    let total = alert.failure.as_ref().map(|failure| failure.total);
    (begin(alert), alert.status, alert.severity.as_str(), &alert.labels, total)
}

/// Each change that a mail tells, so that it is known again.
pub(super) fn changes(notification: &Notification) -> Vec<u64> {
    notification.alerts.iter().map(|alert| hash(change(alert))).collect()
}

/// Whether an alert's change is among those that a mail has told.
pub(super) fn is_told(alert: &Alert, changes: &[u64]) -> bool {
    changes.contains(&hash(change(alert)))
}

fn hash(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
