use std::{error::Error, fmt, time::Duration};

use tower::BoxError;

use super::{Delivered, Notification};
use crate::causes::one_line;

/// Why a notification was not delivered, and what is to be done about it.
///
/// A notifier may fail with any error: one that is no `DeliveryError` is tried again with backoff.
/// The text goes into logs, so it must hold no secret.
#[derive(Debug)]
pub struct DeliveryError {
    remedy: Remedy,
    source: BoxError,
    /// Apart, since a failure is passed on by value.
    left: Option<Box<Notification>>,
    /// What is to be known of the alerts that did arrive, if only some are left.
    others: Delivered,
    /// Whether a part of the message may be taken, though the whole is refused.
    is_divisible: bool,
    /// Whether other people of the same receiver got the message.
    is_for_some: bool,
}

/// What may help after a failed delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// The same again, in a while.
    Retry,
    /// The same again, not before this has passed.
    RetryAfter(Duration),
    /// A person: the receiver does not take anything from here.
    Misconfigured,
    /// Nothing: the receiver does not take this message.
    Rejected,
}

impl DeliveryError {
    fn new(remedy: Remedy, source: impl Into<BoxError>) -> Self {
        let (others, is_divisible) = (Delivered::default(), remedy == Remedy::Rejected);
        Self { remedy, source: source.into(), left: None, others, is_divisible, is_for_some: false }
    }

    /// A passing failure: tried again with backoff.
    pub fn retry(source: impl Into<BoxError>) -> Self {
        Self::new(Remedy::Retry, source)
    }

    /// The receiver asked to wait: tried again when that has passed.
    pub fn retry_after(wait: Duration, source: impl Into<BoxError>) -> Self {
        Self::new(Remedy::RetryAfter(wait), source)
    }

    /// The receiver takes nothing, such as a webhook that was revoked: logged as an error once, and
    /// tried again every 30 s, or as soon as there is something new to tell.
    pub fn broken(source: impl Into<BoxError>) -> Self {
        Self::new(Remedy::Misconfigured, source)
    }

    /// The receiver will never take this message: of several alerts each half is tried by itself, until
    /// the one is found that is refused; that is logged as an error, counted as dropped. Where three
    /// were refused in a row, the rest of the message is dropped with them.
    pub fn rejected(source: impl Into<BoxError>) -> Self {
        Self::new(Remedy::Rejected, source)
    }

    /// Taken by something that is not what was meant, which never answers as it should.
    #[cfg(feature = "slack")]
    pub(super) fn astray(source: impl Into<BoxError>) -> Self {
        Self { is_divisible: false, ..Self::rejected(source) }
    }

    /// Only these alerts failed: the worker retries or drops no others. Defaults to all.
    ///
    /// For a receiver that accepts one alert at a time; see [`Notification::retain`]. If nothing failed,
    /// and the message had no room for some, answer [`Delivered::partial`].
    #[must_use]
    pub fn only(self, left: Notification) -> Self {
        Self { is_divisible: false, ..self.only_together(left) }
    }

    /// The same, where these were refused together, and a part of them may be taken.
    pub(super) fn only_together(self, left: Notification) -> Self {
        Self { left: Some(Box::new(left)), ..self }
    }

    /// The same, where some recipients got the message: they get the next change without a wait for the
    /// others.
    #[cfg(feature = "email")]
    pub(super) fn for_some(self) -> Self {
        Self { is_for_some: true, ..self }
    }

    pub(super) fn is_for_some(error: &BoxError) -> bool {
        error.downcast_ref().is_some_and(|error: &Self| error.is_for_some)
    }

    /// What the notifier says of the alerts that it did deliver, where [`only`](Self::only) names the
    /// others. Defaults to no more than that they arrived.
    #[must_use]
    pub fn others_delivered(self, others: Delivered) -> Self {
        Self { others, ..self }
    }

    /// The alerts that failed, if [`only`](Self::only) named them; `None` if all did. For a layer that
    /// retries by itself, such as tower's: it repeats delivered alerts unless it asks for these alone.
    pub fn left(&self) -> Option<&Notification> {
        self.left.as_deref()
    }

    /// Any notifier's error as one of these.
    pub(super) fn of(error: BoxError) -> Self {
        match error.downcast() {
            Ok(error) => *error,
            Err(error) => Self::retry(error),
        }
    }

    /// The same failure, for whoever else is to be told of it.
    pub(super) fn again(error: &BoxError) -> Self {
        let reason = match error.downcast_ref::<Self>() {
            Some(error) => chain(&*error.source),
            None => chain(&**error),
        };
        Self::new(Self::remedy_of(error), reason)
    }

    /// What was not delivered, if it is not all.
    pub(super) fn left_of(error: &mut BoxError) -> Option<Notification> {
        error.downcast_mut::<Self>()?.left.take().map(|left| *left)
    }

    /// Whether a part of what is left may be taken.
    pub(super) fn is_divisible(error: &BoxError) -> bool {
        error.downcast_ref().is_some_and(|error: &Self| error.is_divisible)
    }

    /// What is to be known of the alerts that were delivered though others are left.
    pub(super) fn take_others(&mut self) -> Delivered {
        std::mem::take(&mut self.others)
    }

    /// The same of any notifier's error.
    pub(super) fn others_of(error: &mut BoxError) -> Delivered {
        error.downcast_mut().map_or_else(Delivered::default, Self::take_others)
    }

    pub(super) fn remedy(&self) -> Remedy {
        self.remedy
    }

    /// Of several failures, the one with the least of this is that after which another try helps
    /// soonest.
    pub(super) fn hope(&self) -> (u8, Duration) {
        match self.remedy {
            Remedy::Retry => (0, Duration::ZERO),
            Remedy::RetryAfter(wait) => (1, wait),
            Remedy::Misconfigured => (2, Duration::ZERO),
            Remedy::Rejected => (3, Duration::ZERO),
        }
    }

    pub(crate) fn remedy_of(error: &BoxError) -> Remedy {
        error.downcast_ref().map_or(Remedy::Retry, Self::remedy)
    }
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.remedy {
            Remedy::Retry => "not delivered",
            Remedy::RetryAfter(_) => "not delivered yet",
            Remedy::Misconfigured => "the receiver takes nothing",
            Remedy::Rejected => "the receiver does not take this message",
        })
    }
}

impl Error for DeliveryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// An error with its causes, in one line of bounded length.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    one_line(error)
}
