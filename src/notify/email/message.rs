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
    let thread = Thread::of(notification, from.email.domain());
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
    /// A mail of one alert that fires begins the thread, and the one that it is resolved answers it. A
    /// mail of several alerts is in the thread of each. All is a function of the alerts, so that a mail
    /// that is sent again, since its receipt was lost, is the same to whoever sorts them.
    fn of(notification: &Notification, domain: &str) -> Self {
        let begins = |alert| format!("<alert-{}@{domain}>", key(alert));
        match notification.alerts.as_slice() {
            [alert] if alert.status == AlertStatus::Firing => {
                Self { id: begins(alert), references: Vec::new() }
            }
            [alert] => Self {
                id: format!("<resolved-{}@{domain}>", key(alert)),
                references: vec![begins(alert)],
            },
            alerts => {
                let mut hasher = DefaultHasher::new();
                for alert in alerts {
                    (key(alert), alert.status).hash(&mut hasher);
                }
                Self {
                    id: format!("<alerts-{:016x}@{domain}>", hasher.finish()),
                    references: alerts.iter().take(THREADS).map(begins).collect(),
                }
            }
        }
    }
}

/// An alert from its first breach to its recovery, in one process.
fn key(alert: &Alert) -> String {
    let mut hasher = DefaultHasher::new();
    (alert.identity(), alert.starts_at).hash(&mut hasher);
    (&alert.origin.service, &alert.origin.instance).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
