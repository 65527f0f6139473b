#[cfg(feature = "state")]
pub(crate) mod saved;

use tokio::time::Instant;

use crate::alert::{Alert, AlertStatus};
use crate::notify::{Delivered, delivered::Again};

/// The alerts that a notifier is told again, each in its last state.
#[derive(Debug, Default)]
pub(crate) struct Repeats(Vec<Repeat>);

#[derive(Debug)]
struct Repeat {
    alert: Alert,
    again: Again,
    due: Instant,
    /// Of a resolved alert.
    until: Option<Instant>,
}

impl Repeats {
    /// An alert has changed: what is told again is that.
    pub(crate) fn change(&mut self, alert: &Alert) {
        if let Some(repeat) = self.find(alert) {
            repeat.turn_to(alert.clone(), Instant::now());
        }
    }

    /// An alert was delivered; `newest` is its last state, which may be told yet.
    pub(crate) fn delivered(&mut self, newest: &Alert, delivered: &Delivered) {
        // Whoever took it in the place of another does not know what that one has asked for.
        let Some(again) = delivered.again else { return self.postpone(newest) };
        let now = Instant::now();
        let due = now + again.every;
        if let Some(repeat) = self.find(newest) {
            (repeat.again, repeat.due) = (again, due);
        } else {
            let mut repeat = Repeat { alert: newest.clone(), again, due, until: None };
            repeat.turn_to(newest.clone(), now);
            self.0.push(repeat);
        }
    }

    /// A message with this alert is settled otherwise: it is told again in its turn.
    pub(crate) fn postpone(&mut self, alert: &Alert) {
        if let Some(repeat) = self.find(alert) {
            repeat.due = Instant::now() + repeat.again.every;
        }
    }

    /// When the next one is due.
    pub(crate) fn next(&mut self) -> Option<Instant> {
        self.0.retain(|repeat| repeat.until.is_none_or(|until| repeat.due <= until));
        self.0.iter().map(|repeat| repeat.due).min()
    }

    /// Those that are due; they stay so until they are delivered or postponed.
    pub(crate) fn due(&mut self) -> impl Iterator<Item = &Alert> {
        let now = Instant::now();
        self.next();
        self.0.iter().filter(move |repeat| repeat.due <= now).map(|repeat| &repeat.alert)
    }

    fn find(&mut self, alert: &Alert) -> Option<&mut Repeat> {
        self.0.iter_mut().find(|repeat| repeat.alert.identity() == alert.identity())
    }
}

impl Repeat {
    fn turn_to(&mut self, alert: Alert, now: Instant) {
        self.until = (alert.status == AlertStatus::Resolved).then(|| now + self.again.resolved_for);
        self.alert = alert;
    }
}

#[cfg(test)]
#[path = "repeats_tests.rs"]
mod tests;
