use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{
    alert::{Alert, AlertStatus},
    notify::Notification,
};

/// What either notifier was told fires, and is to be told the resolve of, whoever hears it first.
pub(crate) type Told = Mutex<ToldAlerts>;

#[derive(Debug, Default)]
pub(crate) struct ToldAlerts {
    by_other: Vec<ToldAlert>,
    by_first: Vec<ToldAlert>,
    /// What the other one alone took last: who asked for it again is to have it again.
    of_other: Vec<Alert>,
}

#[derive(Debug)]
struct ToldAlert {
    alert: Alert,
    /// Whether one notifier took the resolve, and it is left to this one alone.
    is_owed: bool,
}

/// Alerts that are never resolved, since their resolve was dropped, give way to new ones.
const CAPACITY: usize = 1_000;

pub(crate) fn lock(told: &Told) -> MutexGuard<'_, ToldAlerts> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ToldAlerts {
    /// Takes out what is only told again, of what the other one took.
    pub(crate) fn take_again(&mut self, notification: &mut Notification) -> Notification {
        let mut again = notification.clone();
        again.keep_again(|alert| has(&self.of_other, alert));
        notification.without(&again);
        again
    }

    /// What fires anew never ceased where its resolve was owed.
    pub(crate) fn fires(&mut self, notification: &Notification) {
        for alert in notification.alerts.iter().filter(|alert| !is_resolved(alert)) {
            find(&mut self.by_first, alert).into_iter().for_each(|told| told.is_owed = false);
        }
    }

    /// Of what the first one did not take, the resolves that the other one has heard already.
    pub(crate) fn heard_by_other(&mut self, left: &Notification) -> Notification {
        let mut heard = left.clone();
        heard.retain(|alert| {
            is_resolved(alert) && find(&mut self.by_first, alert).is_some_and(|told| told.is_owed)
        });
        heard
    }

    /// Of what the other one took, the resolves that the first one is to hear, too.
    pub(crate) fn owed_to_first(&mut self, taken: &Notification) -> Notification {
        let mut owed = taken.clone();
        owed.retain(|alert| {
            is_resolved(alert)
                && find(&mut self.by_first, alert).map(|told| told.is_owed = true).is_some()
        });
        owed
    }

    /// The first one will never take these.
    pub(crate) fn refused_by_first(&mut self, refused: &Notification) {
        forget(&mut self.by_first, is_resolved, refused);
    }

    /// Takes the resolves out that the first notifier took in an earlier round.
    pub(crate) fn take_owed(&mut self, notification: &mut Notification) -> Notification {
        let mut owed = notification.clone();
        owed.retain(|alert| {
            is_resolved(alert) && find(&mut self.by_other, alert).is_some_and(|told| told.is_owed)
        });
        notification.without(&owed);
        owed
    }

    /// Of what the first notifier took, the resolves that the other one is to hear, too.
    pub(crate) fn taken_by_first(&mut self, taken: &Notification) -> Notification {
        forget(&mut self.by_first, |_| true, taken);
        let fires = taken.alerts.iter().filter(|alert| !is_resolved(alert));
        note(&mut self.by_first, fires);
        self.of_other.retain(|alert| !has(&taken.alerts, alert));
        let mut owed = taken.clone();
        owed.retain(|alert| {
            find(&mut self.by_other, alert).is_some_and(|told| {
                told.is_owed = is_resolved(alert);
                told.is_owed
            })
        });
        owed
    }

    /// The other one is asked now; gives what fires that it was not told of before.
    pub(crate) fn asked(&mut self, asked: &Notification) -> Notification {
        let mut new = asked.clone();
        new.retain(|alert| {
            !is_resolved(alert)
                && find(&mut self.by_other, alert).map(|told| told.is_owed = false).is_none()
        });
        note(&mut self.by_other, new.alerts.iter());
        new
    }

    /// The other one took it, and knows no more of what is resolved.
    pub(crate) fn taken_by_other(&mut self, taken: &Notification) {
        forget(&mut self.by_other, is_resolved, taken);
    }

    /// The other one did not take what it was told of for the first time.
    pub(crate) fn refused(&mut self, new: &Notification) {
        forget(&mut self.by_other, |_| true, new);
    }

    /// The other one took these, and the first one did not.
    pub(crate) fn taken_by_other_alone(&mut self, taken: &Notification) {
        self.of_other.retain(|alert| !has(&taken.alerts, alert));
        self.of_other.extend_from_slice(&taken.alerts);
        let excess = self.of_other.len().saturating_sub(CAPACITY);
        self.of_other.drain(..excess);
    }
}

fn has(alerts: &[Alert], alert: &Alert) -> bool {
    alerts.iter().any(|other| other.identity() == alert.identity())
}

fn note<'a>(told: &mut Vec<ToldAlert>, new: impl Iterator<Item = &'a Alert>) {
    told.extend(new.map(|alert| ToldAlert { alert: alert.clone(), is_owed: false }));
    let excess = told.len().saturating_sub(CAPACITY);
    told.drain(..excess);
}

fn forget(told: &mut Vec<ToldAlert>, is_over: impl Fn(&Alert) -> bool, of: &Notification) {
    for alert in of.alerts.iter().filter(|alert| is_over(alert)) {
        told.retain(|told| told.alert.identity() != alert.identity());
    }
}

fn find<'a>(told: &'a mut [ToldAlert], alert: &Alert) -> Option<&'a mut ToldAlert> {
    told.iter_mut().find(|told| told.alert.identity() == alert.identity())
}

fn is_resolved(alert: &Alert) -> bool {
    alert.status == AlertStatus::Resolved
}
