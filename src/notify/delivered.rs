use std::time::Duration;

use tower::BoxError;

use super::{DeliveryError, Notification};

/// A notifier's answer to a delivery that succeeded. `()` means that the receiver accepted every alert and asks for
/// nothing.
///
/// It may ask for repeats ([`again_every`](Self::again_every)), for a receiver that forgets an alert it
/// does not hear again, as Alertmanager does; and it may leave alerts for the next message
/// ([`partial`](Self::partial)).
#[derive(Clone, Debug, Default)]
pub struct Delivered {
    pub(super) again: Option<Again>,
    /// Apart, since an answer is passed on by value.
    left: Option<Box<Notification>>,
    /// How many receivers failed in a delivery that succeeded, as the first of an `or_else`.
    pub(super) failed: usize,
}

/// When to repeat an alert that has not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Again {
    pub(super) every: Duration,
    pub(super) resolved_for: Duration,
    /// Whether the receiver resolves an alert that it does not hear again.
    pub(super) forgets: bool,
}

/// Nothing is waited for longer, so that no instant is beyond what the clock can say.
pub(super) const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl Delivered {
    /// Asks to repeat each alert of this notification after that time, a second at least and a year at
    /// most, while it fires and until the lookout shuts down. A repeat has the alert's last change, in a
    /// [`Notification`] where it stands for no change. A change is delivered at once, as always.
    pub fn again_every(every: Duration) -> Self {
        let every = every.clamp(Duration::from_secs(1), LONGEST);
        let again = Again { every, resolved_for: Duration::ZERO, forgets: true };
        Self { again: Some(again), ..Self::default() }
    }

    /// The receiver accepted every alert but these, which had no room in the message: the worker delivers
    /// them with the next message, as soon as the notifier is ready.
    ///
    /// It is no failure: nothing counts as failed, nothing waits for a backoff, and a layer that retries
    /// errors, such as tower's, repeats no alert that was delivered. Use [`DeliveryError::only`] where
    /// the others failed. If it leaves every alert, the delivery has failed.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower::service_fn;
    /// use tower_lookout::notify::{Delivered, DeliveryError, Notification};
    ///
    /// // A receiver whose messages have room for ten alerts.
    /// let pager = service_fn(|mut notification: Notification| async move {
    ///     for alert in notification.alerts.iter().take(10) {
    ///         println!("{alert}");
    ///     }
    ///     let mut place = 0..;
    ///     notification.retain(|_| place.next() >= Some(10));
    ///     Ok::<_, DeliveryError>(Delivered::partial(notification))
    /// });
    /// # let _ = tower_lookout::Lookout::builder().notify_as("pager", pager);
    /// ```
    pub fn partial(left: Notification) -> Self {
        let left = (!left.alerts.is_empty()).then(|| Box::new(left));
        Self { left, ..Self::default() }
    }

    /// The alerts that wait for the next message; `None` if the receiver accepted all.
    pub fn left(&self) -> Option<&Notification> {
        self.left.as_deref()
    }

    /// Takes the alerts that wait for the next message.
    pub(super) fn take_left(&mut self) -> Option<Notification> {
        self.left.take().map(|left| *left)
    }

    /// The same, with these alerts for the next message.
    pub(super) fn leaving(self, left: Notification) -> Self {
        Self { left: Self::partial(left).left, ..self }
    }

    /// The same, where so many other receivers failed.
    pub(super) fn after_failures(self, failed: usize) -> Self {
        Self { failed: self.failed + failed, ..self }
    }

    /// The answer to `asked`: only its alerts can be left. Leaving all of them fails, since the next
    /// message would be the same.
    pub(super) fn to(mut self, asked: &Notification) -> Result<Self, BoxError> {
        let Some(mut left) = self.take_left() else { return Ok(self) };
        left.only_of(asked);
        if left.alerts.len() >= asked.alerts.len() {
            return Err(DeliveryError::retry("the notifier left out every alert").into());
        }
        Ok(self.leaving(left))
    }

    /// Whether the receiver resolves an alert that it does not hear again.
    pub(super) fn forgets(&self) -> bool {
        self.again.is_some_and(|again| again.forgets)
    }

    /// The same where the receiver asked for nothing: people get repeats.
    pub(super) fn or_again_every(self, every: Duration) -> Self {
        let every = every.min(LONGEST);
        let again = Again { every, resolved_for: Duration::ZERO, forgets: false };
        Self { again: self.again.or(Some(again)), ..self }
    }

    /// For how long a resolved alert is repeated, too, a year at most. Defaults to 0: it is delivered once.
    pub fn resolved_for(mut self, duration: Duration) -> Self {
        if let Some(again) = &mut self.again {
            again.resolved_for = duration.min(LONGEST);
        }
        self
    }
}

impl From<()> for Delivered {
    fn from((): ()) -> Self {
        Self::default()
    }
}
