use tokio::time::Instant;

use super::dispatch::test_delivery::Answers;
use crate::{
    alert::{Alert, AlertStatus},
    text::one_line,
};

/// One message: the changes of alerts that wait to be told, each alert once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Notification {
    /// The changes, in the order in which their alerts came to wait; never empty. To leave some out,
    /// [`retain`](Self::retain) the others, which keeps `changes` in step.
    pub alerts: Vec<Alert>,
    /// For each, how many changes it stands for: more than one where the notifier was slow, of which
    /// only the last is told; none where it is told again as the notifier has
    /// [asked](super::Delivered::again_every).
    pub changes: Vec<u32>,
    /// What the receiver was told by an earlier process and fires yet; with the first message alone.
    #[cfg_attr(
        not(any(feature = "alertmanager", feature = "webhook")),
        expect(dead_code, reason = "only these two know alerts by their labels")
    )]
    pub(super) restored: Vec<Alert>,
    /// Until when several notifiers share the time that a delivery may take; the worker's, where none
    /// of them has divided it yet.
    pub(super) deadline: Option<Instant>,
    /// Of a test: where each of several receivers says what became of it.
    pub(super) answers: Option<Answers>,
}

/// The note on a repeat of an alert that has not changed.
#[cfg(any(feature = "_chat", feature = "email"))]
pub(super) const REPEAT_NOTE: &str = "Still firing. The figures are from the last change.";

/// The note on the first alert after a start without saved state.
#[cfg(any(feature = "_chat", feature = "email"))]
pub(super) fn unknown_before(start: &str) -> String {
    format!("The first alert since the start at {start}. The state of earlier alerts is unknown.")
}

impl Notification {
    /// The title of the only alert, or how many alerts fire and are resolved. `STILL FIRING` is what is
    /// told again and has not changed. Control characters are escaped.
    pub fn title(&self) -> String {
        if let ([alert], [changes]) = (self.alerts.as_slice(), self.changes.as_slice()) {
            return still(alert.title(), *changes);
        }
        let is_still = self.changes.iter().all(|changes| *changes == 0);
        let firing = self.alerts.iter().filter(|alert| alert.status == AlertStatus::Firing).count();
        let resolved = self.alerts.len() - firing;
        let mut names: Vec<&str> = Vec::new();
        for alert in &self.alerts {
            if !names.contains(&&*alert.name) {
                names.push(&alert.name);
            }
        }
        let counts = match (firing, resolved) {
            (firing, 0) if is_still => format!("[STILL FIRING: {firing}]"),
            (firing, 0) => format!("[FIRING: {firing}]"),
            (0, resolved) => format!("[RESOLVED: {resolved}]"),
            (firing, resolved) => format!("[FIRING: {firing}, RESOLVED: {resolved}]"),
        };
        one_line(format_args!("{counts} {}", names.join(", ")))
    }

    /// So many changes of each alert.
    pub(crate) const fn new(alerts: Vec<Alert>, changes: Vec<u32>) -> Self {
        Self { alerts, changes, restored: Vec::new(), deadline: None, answers: None }
    }

    /// No alert yet; no message is sent like that.
    pub(super) const fn none() -> Self {
        Self::new(Vec::new(), Vec::new())
    }

    /// What is not only told again.
    pub(super) fn changed(self) -> Self {
        let all = self.alerts.into_iter().zip(self.changes);
        let (alerts, changes): (Vec<_>, Vec<_>) = all.filter(|(_, changes)| *changes > 0).unzip();
        Self { alerts, changes, ..self }
    }

    /// What is only told again, while it fires.
    #[cfg(feature = "slack")]
    pub(super) fn unchanged(mut self) -> Self {
        self.keep_again(|alert| alert.status == AlertStatus::Firing);
        self
    }

    /// Keeps what is only told again, and of that what `keep` says.
    pub(super) fn keep_again(&mut self, mut keep: impl FnMut(&Alert) -> bool) {
        let all =
            std::mem::take(&mut self.alerts).into_iter().zip(std::mem::take(&mut self.changes));
        (self.alerts, self.changes) =
            all.filter(|(alert, changes)| *changes == 0 && keep(alert)).unzip();
    }

    /// Keeps the alerts that `keep` says, such as those that were not delivered.
    pub fn retain(&mut self, mut keep: impl FnMut(&Alert) -> bool) {
        (self.alerts, self.changes) = std::mem::take(&mut self.alerts)
            .into_iter()
            .zip(std::mem::take(&mut self.changes))
            .filter(|(alert, _)| keep(alert))
            .unzip();
    }

    /// What comes after the first ones.
    #[cfg(feature = "_chat")]
    pub(super) fn after(mut self, first: usize) -> Self {
        Self::new(self.alerts.split_off(first), self.changes.split_off(first))
    }

    /// Adds the alerts of another one.
    pub(super) fn append(&mut self, other: &Self) {
        self.alerts.extend_from_slice(&other.alerts);
        self.changes.extend_from_slice(&other.changes);
    }

    /// Keeps the alerts that are not in another one.
    pub(super) fn without(&mut self, other: &Self) {
        self.retain(|alert| !other.has(alert));
    }

    /// Keeps the alerts that are in another one, too.
    pub(super) fn only_of(&mut self, other: &Self) {
        self.retain(|alert| other.has(alert));
    }

    fn has(&self, alert: &Alert) -> bool {
        self.alerts.iter().any(|other| other.identity() == alert.identity())
    }

    /// Each alert with the number of changes that it stands for.
    pub fn iter(&self) -> impl Iterator<Item = (&Alert, u32)> {
        self.alerts.iter().zip(self.changes.iter().copied())
    }
}

/// A text that begins with an alert's state, which says so where it is only told again.
pub(super) fn still(text: String, changes: u32) -> String {
    match text.strip_prefix("[FIRING]") {
        Some(rest) if changes == 0 => format!("[STILL FIRING]{rest}"),
        _ => text,
    }
}

#[cfg(test)]
mod title_tests {
    use super::*;
    use crate::alert::test_alert;

    #[test]
    fn the_title_of_several_alerts_names_each_rule_once() {
        let alerts = ["B", "A", "B"].map(|rule| test_alert(rule, AlertStatus::Firing));
        let title = Notification::new(alerts.to_vec(), vec![1; 3]).title();
        assert_eq!(title, "[FIRING: 3] B, A");
    }

    #[test]
    fn the_title_of_several_alerts_is_one_line() {
        let alerts = ["A\r\n\u{1b}[2J", "B"].map(|rule| test_alert(rule, AlertStatus::Firing));
        let title = Notification::new(alerts.to_vec(), vec![1, 1]).title();
        assert_eq!(title, r"[FIRING: 2] A\r\n\u{1b}[2J, B");
    }
}
