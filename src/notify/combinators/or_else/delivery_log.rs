use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{
    alert::{Alert, AlertStatus},
    notify::Notification,
};

/// Records which of two notifiers accepted which firing alerts. Each must get the resolve of every
/// alert that it accepted, even if the other one accepts the resolve first.
#[derive(Debug, Default)]
pub(crate) struct SharedDeliveryLog(Mutex<DeliveryLog>);

#[derive(Debug, Default)]
pub(crate) struct DeliveryLog {
    first: Vec<FiringAlert>,
    fallback: Vec<FiringAlert>,
    /// The alerts whose last change only the fallback accepted. Their repeats go to the fallback.
    only_fallback: Vec<Alert>,
}

#[derive(Debug)]
struct FiringAlert {
    alert: Alert,
    /// Whether the other notifier accepted the resolve, and this one still needs it.
    needs_resolve: bool,
}

/// The maximum number of alerts. If a resolve is dropped, its alert stays until newer alerts push
/// it out.
const CAPACITY: usize = 1_000;

impl SharedDeliveryLog {
    pub(crate) fn lock(&self) -> MutexGuard<'_, DeliveryLog> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeliveryLog {
    /// Removes the repeats of alerts that only the fallback accepted, and returns them.
    pub(crate) fn take_fallback_repeats(&self, notification: &mut Notification) -> Notification {
        let mut repeats = notification.clone();
        repeats
            .retain_changes(|alert, changes| changes == 0 && contains(&self.only_fallback, alert));
        notification.remove(&repeats);
        repeats
    }

    /// Records that alerts fire again, so the first notifier no longer needs their previous
    /// resolve.
    pub(crate) fn fire_again(&mut self, notification: &Notification) {
        for alert in notification.alerts.iter().filter(|alert| !is_resolved(alert)) {
            set_needs_resolve(&mut self.first, alert, false);
        }
    }

    /// The resolves in `left` that the fallback accepted in an earlier round.
    pub(crate) fn resolved_at_fallback(&mut self, left: &Notification) -> Notification {
        let mut resolved = left.clone();
        resolved.retain(|alert| {
            is_resolved(alert)
                && find(&mut self.first, alert).is_some_and(|firing| firing.needs_resolve)
        });
        resolved
    }

    /// The resolves that the fallback `accepted` and the first notifier still needs.
    pub(crate) fn needed_by_first(&mut self, accepted: &Notification) -> Notification {
        let mut needed = accepted.clone();
        needed.retain(|alert| {
            is_resolved(alert) && set_needs_resolve(&mut self.first, alert, true).is_some()
        });
        needed
    }

    /// Records that the first notifier will never accept these resolves.
    pub(crate) fn rejected_by_first(&mut self, rejected: &Notification) {
        forget(&mut self.first, is_resolved, rejected);
    }

    /// Removes the resolves that the first notifier accepted in an earlier round, and returns them.
    pub(crate) fn take_needed_by_fallback(
        &mut self,
        notification: &mut Notification,
    ) -> Notification {
        let mut needed = notification.clone();
        needed.retain(|alert| {
            is_resolved(alert)
                && find(&mut self.fallback, alert).is_some_and(|firing| firing.needs_resolve)
        });
        notification.remove(&needed);
        needed
    }

    /// Records the alerts that the first notifier accepted. Returns the resolves that the fallback
    /// also needs.
    pub(crate) fn accepted_by_first(&mut self, accepted: &Notification) -> Notification {
        forget(&mut self.first, |_| true, accepted);
        let firing = accepted.alerts.iter().filter(|alert| !is_resolved(alert));
        record(&mut self.first, firing);
        self.only_fallback.retain(|alert| !contains(&accepted.alerts, alert));
        let mut needed = accepted.clone();
        needed.retain(|alert| {
            let known = set_needs_resolve(&mut self.fallback, alert, is_resolved(alert));
            known.is_some() && is_resolved(alert)
        });
        needed
    }

    /// Records that the fallback is about to get these alerts. Returns the firing ones that are new
    /// to it.
    pub(crate) fn sent_to_fallback(&mut self, sent: &Notification) -> Notification {
        let mut new = sent.clone();
        new.retain(|alert| {
            !is_resolved(alert) && set_needs_resolve(&mut self.fallback, alert, false).is_none()
        });
        record(&mut self.fallback, new.alerts.iter());
        new
    }

    /// Records the alerts that the fallback accepted.
    pub(crate) fn accepted_by_fallback(&mut self, accepted: &Notification) {
        forget(&mut self.fallback, is_resolved, accepted);
    }

    /// Records that the fallback did not accept these alerts, which were new to it.
    pub(crate) fn rejected_by_fallback(&mut self, new: &Notification) {
        forget(&mut self.fallback, |_| true, new);
    }

    /// Records the alerts that only the fallback accepted.
    pub(crate) fn accepted_by_fallback_only(&mut self, accepted: &Notification) {
        self.only_fallback.retain(|alert| !contains(&accepted.alerts, alert));
        self.only_fallback.extend_from_slice(&accepted.alerts);
        let excess = self.only_fallback.len().saturating_sub(CAPACITY);
        self.only_fallback.drain(..excess);
    }
}

fn contains(alerts: &[Alert], alert: &Alert) -> bool {
    alerts.iter().any(|other| other.identity() == alert.identity())
}

fn record<'a>(firing: &mut Vec<FiringAlert>, new: impl Iterator<Item = &'a Alert>) {
    firing.extend(new.map(|alert| FiringAlert { alert: alert.clone(), needs_resolve: false }));
    let excess = firing.len().saturating_sub(CAPACITY);
    firing.drain(..excess);
}

fn forget(
    firing: &mut Vec<FiringAlert>,
    is_forgotten: impl Fn(&Alert) -> bool,
    notification: &Notification,
) {
    for alert in notification.alerts.iter().filter(|alert| is_forgotten(alert)) {
        firing.retain(|firing| firing.alert.identity() != alert.identity());
    }
}

/// `None` if the alert is not in the log.
fn set_needs_resolve(firing: &mut [FiringAlert], alert: &Alert, needs_resolve: bool) -> Option<()> {
    find(firing, alert).map(|firing| firing.needs_resolve = needs_resolve)
}

fn find<'a>(firing: &'a mut [FiringAlert], alert: &Alert) -> Option<&'a mut FiringAlert> {
    firing.iter_mut().find(|firing| firing.alert.identity() == alert.identity())
}

fn is_resolved(alert: &Alert) -> bool {
    alert.status == AlertStatus::Resolved
}
