use std::time::Duration;

/// What a notifier says of a delivery that went well; `()` says no more than that.
///
/// A receiver that forgets what it does not hear again, as Alertmanager does, asks for it here: what
/// is told again is the alert's last change, in a [`Notification`](super::Notification) where it
/// stands for no change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    pub(super) again: Option<Again>,
    /// Whether it was taken by another one than that which is asked first, and failed.
    pub(super) first_failed: bool,
}

/// When an alert that has not changed is told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Again {
    pub(super) every: Duration,
    pub(super) resolved_for: Duration,
    /// Whether the receiver takes what it does not hear again for resolved.
    pub(super) forgets: bool,
}

/// Nothing is waited for longer, so that no instant is beyond what the clock can say.
pub(super) const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl Delivered {
    /// Each alert of this notification is to be told again when that has passed, a second at least and
    /// a year at most, while it fires and until the lookout shuts down. A change is told at once, as
    /// always.
    pub fn again_every(every: Duration) -> Self {
        let every = every.clamp(Duration::from_secs(1), LONGEST);
        let again = Again { every, resolved_for: Duration::ZERO, forgets: true };
        Self { again: Some(again), ..Self::default() }
    }

    /// Whether the receiver takes what it does not hear again for resolved.
    pub(super) fn forgets(self) -> bool {
        self.again.is_some_and(|again| again.forgets)
    }

    /// The same where the receiver asked for nothing: people are to be told again.
    pub(super) fn or_again_every(self, every: Duration) -> Self {
        let every = every.min(LONGEST);
        let again = Again { every, resolved_for: Duration::ZERO, forgets: false };
        Self { again: self.again.or(Some(again)), ..self }
    }

    /// For how long a resolved alert is told again, too, a year at most. Defaults to 0: it is told once.
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
