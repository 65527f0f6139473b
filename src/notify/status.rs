use std::{fmt, time::SystemTime};

/// A notifier's deliveries since the start.
///
/// Its [`Display`](fmt::Display) is one line, such as `slack: 3 sent, 0 failed, 0 dropped, 0
/// waiting`, with the last error until a delivery succeeds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotifierStatus {
    /// The notifier's name.
    pub name: String,
    /// Alerts whose last change has not been delivered yet.
    pub waiting: usize,
    /// Messages that were delivered.
    pub sent: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Attempts that were retries.
    pub retried: u64,
    /// Changes of alerts that were dropped.
    pub dropped: u64,
    /// Whether the last attempt failed.
    pub is_failing: bool,
    /// When the receiver last accepted a message.
    pub last_sent_at: Option<SystemTime>,
    /// When an attempt last failed.
    pub last_failed_at: Option<SystemTime>,
    /// The error of that attempt with its causes, in one line.
    pub last_error: Option<String>,
}

impl fmt::Display for NotifierStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, waiting, sent, failed, dropped, .. } = self;
        write!(f, "{name}: {sent} sent, {failed} failed, {dropped} dropped, {waiting} waiting")?;
        match &self.last_error {
            Some(error) if self.is_failing => write!(f, ", last error: {error}"),
            _ => Ok(()),
        }
    }
}
