use std::{error::Error, fmt, time::Duration};

use tower::BoxError;

use crate::causes::one_line;

/// A failed delivery: its cause, and its [kind](Self::kind), which decides how the worker reacts.
///
/// A notifier may return any type of error. The worker treats other types as
/// [temporary](DeliveryErrorKind::Temporary). An error means that no alert of the message was
/// delivered; if the receiver accepted some, return
/// [`Delivered::partial`](super::Delivered::partial) with the error.
///
/// The cause appears in logs, so it must not contain secrets.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_lookout::notify::{DeliveryError, DeliveryErrorKind};
///
/// let error = match 429_u16 {
///     429 => DeliveryError::retry_after(Duration::from_secs(7), "429 Too Many Requests"),
///     401 | 404 => DeliveryError::misconfigured("404 Not Found"),
///     400 | 413 => DeliveryError::rejected("400 Bad Request"),
///     _ => DeliveryError::temporary("503 Service Unavailable"),
/// };
/// assert_eq!(error.kind(), DeliveryErrorKind::RetryAfter(Duration::from_secs(7)));
/// ```
#[derive(Debug)]
pub struct DeliveryError {
    kind: DeliveryErrorKind,
    source: BoxError,
}

/// How the worker reacts to a failed delivery.
///
/// Kinds are ordered: the lesser the kind, the sooner a retry is likely to succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DeliveryErrorKind {
    /// The receiver is unavailable. The worker retries the delivery after 1 s, 2 s, 4 s … up to 30
    /// s, with jitter.
    Temporary,
    /// The receiver asked to wait, for example with `Retry-After`. The worker retries the delivery
    /// after that time, at least 1 s and at most 24 h.
    RetryAfter(Duration),
    /// The receiver rejects every message, for example because its webhook was revoked. The worker
    /// logs an error once, and retries the delivery every 30 s and when an alert changes.
    Misconfigured,
    /// The receiver rejects this message. The worker bisects it to find the rejected alert, logs
    /// that alert as an error and drops it. After three rejected alerts in a row it also drops the
    /// rest of the message.
    Rejected,
    /// The receiver rejects each of these alerts. The worker logs them as errors and drops them.
    Undeliverable,
}

impl DeliveryErrorKind {
    /// Whether the worker drops alerts: [`Rejected`](Self::Rejected) or
    /// [`Undeliverable`](Self::Undeliverable).
    pub const fn is_permanent(self) -> bool {
        matches!(self, Self::Rejected | Self::Undeliverable)
    }

    /// The kind of any notifier's error.
    pub(super) fn of(error: &BoxError) -> Self {
        error.downcast_ref().map_or(Self::Temporary, DeliveryError::kind)
    }
}

impl DeliveryError {
    /// An error of this kind.
    pub fn new(kind: DeliveryErrorKind, source: impl Into<BoxError>) -> Self {
        Self { kind, source: source.into() }
    }

    /// The receiver is unavailable: [`DeliveryErrorKind::Temporary`].
    pub fn temporary(source: impl Into<BoxError>) -> Self {
        Self::new(DeliveryErrorKind::Temporary, source)
    }

    /// The receiver asked to wait: [`DeliveryErrorKind::RetryAfter`].
    pub fn retry_after(wait: Duration, source: impl Into<BoxError>) -> Self {
        Self::new(DeliveryErrorKind::RetryAfter(wait), source)
    }

    /// The receiver rejects every message: [`DeliveryErrorKind::Misconfigured`].
    pub fn misconfigured(source: impl Into<BoxError>) -> Self {
        Self::new(DeliveryErrorKind::Misconfigured, source)
    }

    /// The receiver rejects this message: [`DeliveryErrorKind::Rejected`].
    pub fn rejected(source: impl Into<BoxError>) -> Self {
        Self::new(DeliveryErrorKind::Rejected, source)
    }

    /// The receiver rejects each of these alerts: [`DeliveryErrorKind::Undeliverable`].
    pub fn undeliverable(source: impl Into<BoxError>) -> Self {
        Self::new(DeliveryErrorKind::Undeliverable, source)
    }

    /// How the worker reacts.
    pub fn kind(&self) -> DeliveryErrorKind {
        self.kind
    }

    /// Changes the kind, for example after the alerts of a rejected message were rejected one by
    /// one.
    #[must_use]
    pub fn with_kind(self, kind: DeliveryErrorKind) -> Self {
        Self { kind, ..self }
    }

    /// Converts any notifier's error.
    pub(super) fn of(error: BoxError) -> Self {
        match error.downcast() {
            Ok(error) => *error,
            Err(error) => Self::temporary(error),
        }
    }

    /// A copy with the causes as text, since errors cannot be cloned.
    pub(super) fn copy_of(error: &(dyn Error + 'static)) -> Self {
        match error.downcast_ref::<Self>() {
            Some(delivery) => Self::new(delivery.kind, cause_of(error)),
            None => Self::temporary(cause_of(error)),
        }
    }
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            DeliveryErrorKind::Temporary => "not delivered",
            DeliveryErrorKind::RetryAfter(_) => "not delivered yet",
            DeliveryErrorKind::Misconfigured => "the notifier is misconfigured",
            DeliveryErrorKind::Rejected | DeliveryErrorKind::Undeliverable => {
                "the receiver rejected the message"
            }
        })
    }
}

impl Error for DeliveryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// The cause of a delivery error without the text of its kind, which log messages already contain;
/// and any other error with its causes.
pub(crate) fn cause_of(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref::<DeliveryError>() {
        Some(error) => one_line(&*error.source),
        None => one_line(error),
    }
}
