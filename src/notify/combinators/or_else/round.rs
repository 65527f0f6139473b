use tower::BoxError;

use super::delivery_log::DeliveryLog;
use crate::notify::{Delivered, DeliveryError, DeliveryErrorKind, Notification};

/// One delivery by the first notifier and, if needed, by the fallback.
pub(crate) struct Round {
    by_first: Attempt,
    /// The resolves that the first notifier did not accept, and the fallback accepted in an earlier
    /// round.
    resolved_at_fallback: Notification,
    /// The alerts that the fallback needs in any case: the first notifier accepted them, or does
    /// not need them.
    for_fallback: Notification,
    /// The number of alerts in the notification.
    total: usize,
}

/// The result of a notification at one notifier.
struct Attempt {
    /// Does not contain the alerts in `left`.
    delivered: Delivered,
    left: Notification,
    /// Why the delivery of `left` failed; `None` if they did not fit into the message.
    error: Option<DeliveryError>,
}

impl Attempt {
    fn new(result: Result<Delivered, BoxError>, sent: &Notification) -> Self {
        match result {
            Ok(mut delivered) => {
                let (left, error) = delivered.take_left();
                Self { delivered, left, error }
            }
            Err(error) => Self {
                delivered: Delivered::default(),
                left: sent.clone(),
                error: Some(DeliveryError::of(error)),
            },
        }
    }
}

impl Round {
    /// Records the first notifier's result for `notification`. `for_fallback` contains the other
    /// alerts of the round, which only the fallback needs.
    pub(crate) fn new(
        by_first: Result<Delivered, BoxError>,
        notification: Notification,
        mut for_fallback: Notification,
        total: usize,
        log: &mut DeliveryLog,
    ) -> Self {
        let by_first = Attempt::new(by_first, &notification);
        let mut accepted = notification;
        accepted.remove(&by_first.left);
        for_fallback.append(&log.accepted_by_first(&accepted));
        let resolved_at_fallback = log.resolved_at_fallback(&by_first.left);
        Self { by_first, resolved_at_fallback, for_fallback, total }
    }

    /// The changes that the first notifier failed to deliver, and the alerts that only the fallback
    /// needs. Alerts that did not fit into the first notifier's message wait for its next one.
    pub(crate) fn for_fallback(&self) -> Option<Notification> {
        let mut sent = Notification::empty();
        if self.by_first.error.is_some() {
            sent.append(&self.by_first.left);
            sent.retain_changes(|_, changes| changes > 0);
        }
        sent.remove(&self.resolved_at_fallback);
        sent.append(&self.for_fallback);
        Some(sent).filter(|sent| !sent.alerts.is_empty())
    }

    /// Removes these repeats, so that a failure of the fallback does not return them: they become
    /// due again by themselves.
    pub(crate) fn forget_repeats(&mut self, repeats: &Notification) {
        self.for_fallback.remove(repeats);
    }

    /// The result if the fallback was not called.
    pub(crate) fn end(self, log: &mut DeliveryLog) -> Result<Delivered, BoxError> {
        let Attempt { delivered, left, error } = self.by_first;
        let Some(error) = error else { return Ok(delivered.leaving(left, None)) };
        let mut undelivered = left.clone();
        undelivered.remove(&self.resolved_at_fallback);
        if undelivered.alerts.is_empty() {
            return Ok(needed_by_first(delivered, left, error, log));
        }
        Ok(delivered.except(left, self.total, error)?)
    }

    /// The result if the fallback was called with `sent`, where the alerts in `new` were new to it.
    pub(crate) fn end_with(
        self,
        by_fallback: Result<Delivered, BoxError>,
        sent: Notification,
        mut new: Notification,
        log: &mut DeliveryLog,
    ) -> Result<Delivered, BoxError> {
        let by_fallback = Attempt::new(by_fallback, &sent);
        let mut accepted = sent;
        accepted.remove(&by_fallback.left);
        new.remove(&accepted);
        log.accepted_by_fallback(&accepted);
        let Attempt { delivered, left: left_by_fallback, error } = by_fallback;
        let Some(error) = error else {
            log.rejected_by_fallback(&new);
            return self.end_delivered(delivered, left_by_fallback, accepted, log);
        };
        // After a temporary error, the fallback may have accepted the alerts.
        if error.kind() != DeliveryErrorKind::Temporary {
            log.rejected_by_fallback(&new);
        }
        let Self { by_first, for_fallback, total, .. } = self;
        let mut left = by_first.left;
        let next_message = !left.alerts.is_empty();
        left.append(&for_fallback);
        left.remove(&accepted);
        Ok(match by_first.error {
            // The worker sends the next message immediately, and that calls the fallback again.
            None if next_message => by_first.delivered.with_failed_attempts(1).leaving(left, None),
            None => by_first.delivered.except(left, total, error)?,
            Some(first_error) if first_error.kind() <= error.kind() => {
                by_first.delivered.except(left, total, first_error)?
            }
            Some(_) => delivered.except(left, total, error)?,
        })
    }

    /// The result if the fallback `accepted` alerts, and the others did not fit into its message.
    fn end_delivered(
        self,
        by_fallback: Delivered,
        left_by_fallback: Notification,
        accepted: Notification,
        log: &mut DeliveryLog,
    ) -> Result<Delivered, BoxError> {
        let Attempt { delivered, mut left, error } = self.by_first;
        let Some(error) = error else {
            left.append(&left_by_fallback);
            return Ok(delivered.leaving(left, None));
        };
        log.accepted_by_fallback_only(&accepted);
        left.remove(&left_by_fallback);
        let mut needed = log.needed_by_first(&left);
        let delivered = by_fallback.with_failed_attempts(1);
        if !left_by_fallback.alerts.is_empty() {
            needed.append(&left_by_fallback);
            return Ok(delivered.leaving(needed, None));
        }
        Ok(needed_by_first(delivered, needed, error, log))
    }
}

/// The result if only resolves are left that the fallback accepted and the first notifier still
/// needs. The worker retries them every 30 s and with each change, unless the first notifier
/// rejects them.
fn needed_by_first(
    delivered: Delivered,
    resolves: Notification,
    error: DeliveryError,
    log: &mut DeliveryLog,
) -> Delivered {
    let error = if error.kind().is_permanent() {
        log.rejected_by_first(&resolves);
        error
    } else {
        DeliveryError::misconfigured(error)
    };
    delivered.leaving(resolves, Some(error))
}
