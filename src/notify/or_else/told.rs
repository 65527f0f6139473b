use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{
    alert::{Alert, AlertStatus},
    notify::Notification,
};

/// What the other notifier was told fires, and is to be told the resolve of, whoever hears it first.
pub(super) type Told = Mutex<ToldAlerts>;

#[derive(Debug, Default)]
pub(super) struct ToldAlerts(Vec<ToldAlert>);

#[derive(Debug)]
struct ToldAlert {
    alert: Alert,
    /// Whether the first notifier took the resolve, and it is left to the other one alone.
    is_owed: bool,
}

/// Alerts that are never resolved, since their resolve was dropped, give way to new ones.
const CAPACITY: usize = 1_000;

pub(super) fn lock(told: &Told) -> MutexGuard<'_, ToldAlerts> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ToldAlerts {
    /// Takes the resolves out that the first notifier took in an earlier round.
    pub(super) fn take_owed(&mut self, notification: &mut Notification) -> Notification {
        let mut owed = notification.clone();
        owed.retain(|alert| {
            is_resolved(alert) && self.find(alert).is_some_and(|told| told.is_owed)
        });
        notification.without(&owed);
        owed
    }

    /// Of what the first notifier took, the resolves that the other one is to hear, too.
    pub(super) fn taken_by_first(&mut self, taken: &Notification) -> Notification {
        let mut owed = taken.clone();
        owed.retain(|alert| {
            self.find(alert).is_some_and(|told| {
                told.is_owed = is_resolved(alert);
                told.is_owed
            })
        });
        owed
    }

    /// The other one is asked now; gives what fires that it was not told of before.
    pub(super) fn asked(&mut self, asked: &Notification) -> Notification {
        let mut new = asked.clone();
        new.retain(|alert| {
            !is_resolved(alert) && self.find(alert).map(|told| told.is_owed = false).is_none()
        });
        let told =
            new.alerts.iter().map(|alert| ToldAlert { alert: alert.clone(), is_owed: false });
        self.0.extend(told);
        let excess = self.0.len().saturating_sub(CAPACITY);
        self.0.drain(..excess);
        new
    }

    /// The other one took it, and knows no more of what is resolved.
    pub(super) fn taken_by_other(&mut self, taken: &Notification) {
        self.forget(is_resolved, taken);
    }

    /// The other one did not take what it was told of for the first time.
    pub(super) fn refused(&mut self, new: &Notification) {
        self.forget(|_| true, new);
    }

    fn forget(&mut self, is_over: impl Fn(&Alert) -> bool, of: &Notification) {
        for alert in of.alerts.iter().filter(|alert| is_over(alert)) {
            self.0.retain(|told| told.alert.identity() != alert.identity());
        }
    }

    fn find(&mut self, alert: &Alert) -> Option<&mut ToldAlert> {
        self.0.iter_mut().find(|told| told.alert.identity() == alert.identity())
    }
}

fn is_resolved(alert: &Alert) -> bool {
    alert.status == AlertStatus::Resolved
}
