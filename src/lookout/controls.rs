//! Silences and acknowledgements of a running lookout.

use super::Lookout;
use crate::{
    alert::Alert,
    suppress::{ControlError, Silence},
};

/// Controls of a running lookout. They work on any runtime, and take effect at the next tick at the
/// latest. Each leaves a line in the log, and survives a restart with a [state
/// file](crate::LookoutBuilder::state_path). See the
/// [guide](crate::guide::operations#silence-inhibit-and-acknowledge-alerts).
impl Lookout {
    /// Silences alerts, or adds a [maintenance window](Silence::maintenance). Returns an id for
    /// [`end_silence`](Self::end_silence).
    ///
    /// # Errors
    ///
    /// A [`ControlError`] that names the field, the value and the fix.
    #[doc(alias("mute", "snooze", "maintenance"))]
    pub fn silence(&self, silence: Silence) -> Result<u64, ControlError> {
        self.check_running()?;
        if silence.is_until_resolved() && !self.fires(|alert| silence.matcher().matches(alert)) {
            return Err(ControlError::setting(
                "matcher",
                format!("no alert of {} fires: set a duration", silence.matcher()),
            ));
        }
        self.inner.suppressor.silence(silence)
    }

    /// Ends a silence or a maintenance window before its time. `by` is the person who ends it.
    /// Alerts that still fire are sent at the next tick.
    ///
    /// # Errors
    ///
    /// A [`ControlError`] if the silence has ended, or if `by` is empty.
    pub fn end_silence(&self, id: u64, by: &str) -> Result<(), ControlError> {
        self.check_running()?;
        self.inner.suppressor.end_silence(id, by)
    }

    /// Acknowledges a firing alert by its [fingerprint](Alert::fingerprint): `by` is the person who
    /// handles it, `reason` a comment. The lookout sends no repeats of it and no further reports of
    /// the same failure, until it resolves. It still sends the resolve, other changes, and the
    /// repeats for a receiver that resolves an alert without them, such as Alertmanager.
    ///
    /// The acknowledgement stays in the lookout. It does not acknowledge an incident in PagerDuty or
    /// Opsgenie.
    ///
    /// # Errors
    ///
    /// A [`ControlError`] if the alert does not fire, or if a text is empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::{Lookout, suppress::ControlError};
    ///
    /// fn acknowledge_all(lookout: &Lookout) -> Result<(), ControlError> {
    ///     for alert in lookout.status().alerts.iter() {
    ///         lookout.acknowledge(alert.fingerprint(), "anna", "looking")?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn acknowledge(
        &self,
        fingerprint: u64,
        by: &str,
        reason: &str,
    ) -> Result<(), ControlError> {
        self.check_running()?;
        let snapshot = self.inner.snapshots.borrow().clone();
        let alert = snapshot.alerts.iter().find(|alert| alert.fingerprint() == fingerprint);
        let alert = alert.ok_or(ControlError::NotFiring { fingerprint })?;
        self.inner.suppressor.acknowledge(alert, by, reason)
    }

    fn fires(&self, matches: impl Fn(&Alert) -> bool) -> bool {
        self.inner.snapshots.borrow().alerts.iter().any(matches)
    }

    fn check_running(&self) -> Result<(), ControlError> {
        if self.inner.commands.is_closed() { Err(ControlError::Ended) } else { Ok(()) }
    }
}
