#[cfg(feature = "state")]
pub(crate) mod saved;

use std::{collections::HashSet, sync::Arc};

use tokio::time::Instant;

use crate::alert::{Alert, AlertStatus};
use crate::notify::{Delivered, delivered::RepeatPolicy};

/// The alerts that a notifier repeats, each in its last state.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    all: Vec<Repeat>,
    /// The fingerprints of the alerts that are not repeated for people.
    muted: Arc<HashSet<u64>>,
}

#[derive(Debug)]
struct Repeat {
    alert: Alert,
    policy: RepeatPolicy,
    due: Instant,
    /// The time when the repeats of a resolved alert end.
    until: Option<Instant>,
}

impl Repeats {
    /// Records that an alert changed. Its repeats contain this change from now on.
    pub(crate) fn change(&mut self, alert: &Alert) {
        if let Some(repeat) = self.find(alert) {
            repeat.update(alert.clone(), Instant::now());
        }
    }

    /// Records that an alert was delivered. `newest` is its last state, which may still be queued.
    pub(crate) fn delivered(&mut self, newest: &Alert, delivered: &Delivered) {
        // A fallback that delivered a repeat does not know the policy of the first notifier.
        let Some(policy) = delivered.repeats else { return self.postpone(newest) };
        let now = Instant::now();
        let due = now + policy.every;
        if let Some(repeat) = self.find(newest) {
            (repeat.policy, repeat.due) = (policy, due);
        } else {
            let mut repeat = Repeat { alert: newest.clone(), policy, due, until: None };
            repeat.update(newest.clone(), now);
            self.all.push(repeat);
        }
    }

    /// Starts the interval of an alert again.
    pub(crate) fn postpone(&mut self, alert: &Alert) {
        if let Some(repeat) = self.find(alert) {
            repeat.due = Instant::now() + repeat.policy.every;
        }
    }

    /// The time when the next repeat is due.
    pub(crate) fn next(&mut self) -> Option<Instant> {
        self.all.retain(|repeat| repeat.until.is_none_or(|until| repeat.due <= until));
        self.active().map(|repeat| repeat.due).min()
    }

    /// The repeats that are due. They stay due until they are delivered or postponed.
    pub(crate) fn due(&mut self) -> impl Iterator<Item = &Alert> {
        let now = Instant::now();
        self.next();
        self.active().filter(move |repeat| repeat.due <= now).map(|repeat| &repeat.alert)
    }

    /// Stops the repeats of these alerts, until the next call. A receiver that resolves an alert
    /// without repeats still gets them.
    pub(crate) fn mute(&mut self, fingerprints: Arc<HashSet<u64>>) {
        self.muted = fingerprints;
    }

    fn active(&self) -> impl Iterator<Item = &Repeat> {
        self.all.iter().filter(|repeat| {
            let is_muted = || self.muted.contains(&repeat.alert.fingerprint());
            self.muted.is_empty() || repeat.policy.expires || !is_muted()
        })
    }

    fn find(&mut self, alert: &Alert) -> Option<&mut Repeat> {
        self.all.iter_mut().find(|repeat| repeat.alert.identity() == alert.identity())
    }
}

impl Repeat {
    fn update(&mut self, alert: Alert, now: Instant) {
        let is_resolved = alert.status == AlertStatus::Resolved;
        self.until = is_resolved.then(|| now + self.policy.resolved_for);
        self.alert = alert;
    }
}

#[cfg(test)]
#[path = "repeats_tests.rs"]
mod tests;
