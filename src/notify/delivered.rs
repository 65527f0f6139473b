use std::time::Duration;

use tower::BoxError;

use super::{DeliveryError, Notification};

/// A notifier's response to a delivery. `()` means that the receiver accepted every alert.
///
/// A response can leave alerts for the next message ([`partial`](Self::partial)), with an error if
/// their delivery failed ([`with_error`](Self::with_error)). It can also ask for repeats
/// ([`repeat_every`](Self::repeat_every)).
#[derive(Debug, Default)]
pub struct Delivered {
    pub(super) repeats: Option<RepeatPolicy>,
    /// Boxed, since responses are passed by value.
    left: Option<Box<Left>>,
    failed_attempts: usize,
}

#[derive(Debug)]
struct Left {
    alerts: Notification,
    error: Option<DeliveryError>,
}

/// Decides when an unchanged alert is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RepeatPolicy {
    pub(super) every: Duration,
    pub(super) resolved_for: Duration,
    /// Whether the receiver resolves an alert that is not repeated.
    pub(super) expires: bool,
}

impl Delivered {
    /// The longest interval between repeats: 365 days.
    pub const LONGEST_INTERVAL: Duration = Duration::from_secs(365 * 24 * 60 * 60);

    /// Asks for a repeat of each alert of this notification at that interval while it fires. For a
    /// receiver that resolves alerts that are not repeated, as Alertmanager does.
    ///
    /// The interval is at least 1 s and at most [`LONGEST_INTERVAL`](Self::LONGEST_INTERVAL). A
    /// repeat contains the alert's last change, and its entry in [`Notification::changes`] is 0.
    /// Changes are delivered immediately. Repeats end when the lookout shuts down.
    pub fn repeat_every(interval: Duration) -> Self {
        let every = interval.clamp(Duration::from_secs(1), Self::LONGEST_INTERVAL);
        let repeats = RepeatPolicy { every, resolved_for: Duration::ZERO, expires: true };
        Self { repeats: Some(repeats), ..Self::default() }
    }

    /// Also repeats a resolved alert, for this time, at most
    /// [`LONGEST_INTERVAL`](Self::LONGEST_INTERVAL). Defaults to 0: the resolve is delivered once.
    #[must_use]
    pub fn repeat_resolved_for(mut self, duration: Duration) -> Self {
        if let Some(repeats) = &mut self.repeats {
            repeats.resolved_for = duration.min(Self::LONGEST_INTERVAL);
        }
        self
    }

    /// The receiver accepted every alert except those in `left`, which did not fit into the
    /// message. The worker delivers these in the next message, as soon as the notifier is ready.
    ///
    /// This is not a failure: the worker does not wait, and a layer that retries errors, such as
    /// tower's, does not deliver the accepted alerts again. If the delivery of `left` failed, add
    /// [`with_error`](Self::with_error). Without an error, `left` must have fewer alerts than the
    /// notification.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower::service_fn;
    /// use tower_lookout::notify::{Delivered, DeliveryError, Notification};
    ///
    /// // A receiver whose messages can hold ten alerts.
    /// let pager = service_fn(|mut notification: Notification| async move {
    ///     let left = notification.split_off(10);
    ///     for alert in &notification.alerts {
    ///         println!("{alert}");
    ///     }
    ///     Ok::<_, DeliveryError>(Delivered::partial(left))
    /// });
    /// # let _ = tower_lookout::Lookout::builder().notify_as("pager", pager);
    /// ```
    pub fn partial(left: Notification) -> Self {
        Self::default().leaving(left, None)
    }

    /// The delivery of the [left](Self::partial) alerts failed with `error`. The worker reacts to
    /// its [kind](DeliveryError::kind), for these alerts only. Ignored if no alerts are left.
    ///
    /// With an error, all alerts of a notification may be left: the receiver delivered them to some
    /// recipients only.
    #[must_use]
    pub fn with_error(mut self, error: DeliveryError) -> Self {
        if let Some(left) = &mut self.left {
            left.error = Some(error);
        }
        self
    }

    /// The delivery of the alerts in `left` failed with `error`; the receiver accepted the others
    /// of `total`.
    ///
    /// # Errors
    ///
    /// Returns `error` if the receiver accepted none.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower::service_fn;
    /// use tower_lookout::notify::{Delivered, DeliveryError, Notification};
    ///
    /// // A receiver that accepts one alert per message, and rejects some of them.
    /// let pager = service_fn(|mut left: Notification| async move {
    ///     let total = left.alerts.len();
    ///     left.retain(|alert| alert.runbook.is_none());
    ///     if left.alerts.is_empty() {
    ///         return Ok(Delivered::default());
    ///     }
    ///     Delivered::default().except(left, total, DeliveryError::undeliverable("no runbook"))
    /// });
    /// # let _ = tower_lookout::Lookout::builder().notify_as("pager", pager);
    /// ```
    pub fn except(
        self,
        left: Notification,
        total: usize,
        error: DeliveryError,
    ) -> Result<Self, DeliveryError> {
        if left.alerts.len() >= total { Err(error) } else { Ok(self.leaving(left, Some(error))) }
    }

    /// Counts failed attempts of a delivery that succeeded, such as those at some members of a
    /// cluster, in `lookout_notifications_failed_total`. Defaults to 0.
    #[must_use]
    pub fn with_failed_attempts(self, attempts: usize) -> Self {
        Self { failed_attempts: self.failed_attempts + attempts, ..self }
    }

    /// The alerts that the receiver did not accept; `None` if it accepted all.
    pub fn left(&self) -> Option<&Notification> {
        self.left.as_deref().map(|left| &left.alerts)
    }

    /// Why the delivery of the [left](Self::left) alerts failed; `None` if they wait for the next
    /// message.
    pub fn error(&self) -> Option<&DeliveryError> {
        self.left.as_ref()?.error.as_ref()
    }

    /// The number of attempts that failed although the delivery succeeded.
    pub fn failed_attempts(&self) -> usize {
        self.failed_attempts
    }

    /// Takes the alerts that were left, and the error.
    pub(super) fn take_left(&mut self) -> (Notification, Option<DeliveryError>) {
        match self.left.take() {
            Some(left) => (left.alerts, left.error),
            None => (Notification::empty(), None),
        }
    }

    /// Replaces the alerts that are left.
    pub(super) fn leaving(self, left: Notification, error: Option<DeliveryError>) -> Self {
        let is_any = !left.alerts.is_empty();
        Self { left: is_any.then(|| Box::new(Left { alerts: left, error })), ..self }
    }

    /// The response to `notification`: only its alerts can be left. Leaving all of them without an
    /// error fails, since the next message would be the same.
    pub(super) fn in_response_to(mut self, notification: &Notification) -> Result<Self, BoxError> {
        let (mut left, error) = self.take_left();
        left.retain(|alert| notification.contains(alert));
        let is_all = !left.alerts.is_empty() && left.alerts.len() >= notification.alerts.len();
        if is_all && error.is_none() {
            return Err(DeliveryError::temporary("the notifier accepted no alert").into());
        }
        Ok(self.leaving(left, error))
    }

    /// Whether the receiver resolves an alert that is not repeated.
    pub(super) fn expires(&self) -> bool {
        self.repeats.is_some_and(|repeats| repeats.expires)
    }

    /// Asks for repeats on behalf of the user, unless the receiver asked for repeats itself.
    pub(super) fn or_repeat_every(self, interval: Duration) -> Self {
        let every = interval.min(Self::LONGEST_INTERVAL);
        let repeats = RepeatPolicy { every, resolved_for: Duration::ZERO, expires: false };
        Self { repeats: self.repeats.or(Some(repeats)), ..self }
    }
}

impl From<()> for Delivered {
    fn from((): ()) -> Self {
        Self::default()
    }
}
