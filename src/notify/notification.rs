use std::time::SystemTime;

use tokio::time::Instant;

use super::test_delivery::TestResults;
use crate::{
    alert::{Alert, AlertStatus},
    text::one_line,
};

/// One message for a receiver: changes of alerts, each alert once.
///
/// # Examples
///
/// Test a notifier of your own:
///
/// ```
/// use tower_lookout::{alert::Alert, notify::Notification};
///
/// fn subject(alerts: Vec<Alert>) -> String {
///     Notification::new(alerts).title()
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Notification {
    /// The changes, in the order in which they were queued; never empty. To remove some, use
    /// [`retain`](Self::retain) or [`split_off`](Self::split_off), which keep
    /// [`changes`](Self::changes) in step.
    pub alerts: Vec<Alert>,
    /// The number of changes of each alert. It is more than 1 if the alert changed several times
    /// while it was queued; the notification contains the last change. It is 0 for a
    /// [repeat](super::Delivered::repeat_every).
    pub changes: Vec<u32>,
    /// The alerts that the receiver got from the previous process, and that still fire. Set only in
    /// the first message after a start with a [state file](crate::LookoutBuilder::state_path).
    ///
    /// A receiver that identifies alerts by their labels needs them: if the labels have changed, it
    /// must resolve the alert under its old labels.
    pub restored: Vec<Alert>,
    /// The deadline of a delivery that several notifiers share; `None` outside of a combinator.
    pub(super) deadline: Option<Instant>,
    /// Collects the results, if this is a test.
    pub(super) test_results: Option<TestResults>,
}

impl Notification {
    /// Creates a notification with one change of each alert, for tests of a notifier. To set the
    /// [number of changes](Self::changes), collect an iterator of `(Alert, u32)`.
    pub fn new(alerts: impl IntoIterator<Item = Alert>) -> Self {
        alerts.into_iter().map(|alert| (alert, 1)).collect()
    }

    /// `changes` has one number for each alert.
    pub(crate) fn with_changes(alerts: Vec<Alert>, changes: Vec<u32>) -> Self {
        Self { alerts, changes, ..Self::empty() }
    }

    /// A notification without alerts, which is never passed to a notifier.
    pub(super) const fn empty() -> Self {
        Self {
            alerts: Vec::new(),
            changes: Vec::new(),
            restored: Vec::new(),
            deadline: None,
            test_results: None,
        }
    }

    /// The title of the only alert; or the number of firing and of resolved alerts, with the names
    /// of their rules. `STILL FIRING` marks repeats. Control characters are escaped.
    pub fn title(&self) -> String {
        if let ([alert], [changes]) = (self.alerts.as_slice(), self.changes.as_slice()) {
            return Self::title_of(alert, *changes);
        }
        let is_repeat = self.changes.iter().all(|changes| *changes == 0);
        let firing = self.alerts.iter().filter(|alert| alert.status == AlertStatus::Firing).count();
        let resolved = self.alerts.len() - firing;
        let mut names: Vec<&str> = Vec::new();
        for alert in &self.alerts {
            if !names.contains(&&*alert.name) {
                names.push(&alert.name);
            }
        }
        let counts = match (firing, resolved) {
            (firing, 0) if is_repeat => format!("[STILL FIRING: {firing}]"),
            (firing, 0) => format!("[FIRING: {firing}]"),
            (0, resolved) => format!("[RESOLVED: {resolved}]"),
            (firing, resolved) => format!("[FIRING: {firing}, RESOLVED: {resolved}]"),
        };
        one_line(format_args!("{counts} {}", names.join(", ")))
    }

    /// [`Alert::title`], which begins with `[STILL FIRING]` for a repeat: an alert that fires, with
    /// 0 changes.
    pub fn title_of(alert: &Alert, changes: u32) -> String {
        mark_repeat(alert.title(), changes)
    }

    /// The alert in one line, which begins with `[STILL FIRING]` for a repeat.
    pub fn line_of(alert: &Alert, changes: u32) -> String {
        mark_repeat(alert.to_string(), changes)
    }

    /// Returns notes for the reader of an alert: that several changes were merged, that it is a
    /// repeat, and that [earlier alerts are unknown](Alert::unknown_before). `date` formats a time.
    pub fn notes_on(
        alert: &Alert,
        changes: u32,
        date: impl Fn(SystemTime) -> String,
    ) -> Vec<String> {
        let is_firing = alert.status == AlertStatus::Firing;
        let on_changes = match changes {
            0 if is_firing => {
                Some("Still firing. The figures are from the last change.".to_owned())
            }
            0 | 1 => None,
            _ => Some(format!(
                "{changes} changes were merged into this message. It shows the last one."
            )),
        };
        let on_earlier = alert.unknown_before.map(|start| {
            let start = date(start);
            format!(
                "The first alert since the service started at {start}. Earlier alerts may have ended \
                 without a resolve."
            )
        });
        on_changes.into_iter().chain(on_earlier).collect()
    }

    /// Each alert with its number of changes.
    pub fn iter(&self) -> impl Iterator<Item = (&Alert, u32)> {
        self.alerts.iter().zip(self.changes.iter().copied())
    }

    /// Whether it contains a change of this alert.
    pub fn contains(&self, alert: &Alert) -> bool {
        self.alerts.iter().any(|other| other.identity() == alert.identity())
    }

    /// Keeps the alerts for which `keep` returns true.
    pub fn retain(&mut self, mut keep: impl FnMut(&Alert) -> bool) {
        self.retain_changes(|alert, _| keep(alert));
    }

    /// Keeps the alerts for which `keep` returns true; it also gets the number of changes.
    pub fn retain_changes(&mut self, mut keep: impl FnMut(&Alert, u32) -> bool) {
        (self.alerts, self.changes) = std::mem::take(&mut self.alerts)
            .into_iter()
            .zip(std::mem::take(&mut self.changes))
            .filter(|(alert, changes)| keep(alert, *changes))
            .unzip();
    }

    /// Removes the alerts from index `at`, and returns them. Returns none if there are fewer.
    pub fn split_off(&mut self, at: usize) -> Self {
        let at = at.min(self.alerts.len());
        Self {
            alerts: self.alerts.split_off(at),
            changes: self.changes.split_off(at),
            ..Self::empty()
        }
    }

    /// Adds the alerts of another notification.
    pub fn append(&mut self, other: &Self) {
        self.alerts.extend_from_slice(&other.alerts);
        self.changes.extend_from_slice(&other.changes);
    }

    /// Removes the alerts that another notification contains.
    pub fn remove(&mut self, other: &Self) {
        self.retain(|alert| !other.contains(alert));
    }
}

impl FromIterator<(Alert, u32)> for Notification {
    fn from_iter<I: IntoIterator<Item = (Alert, u32)>>(alerts: I) -> Self {
        let (alerts, changes) = alerts.into_iter().unzip();
        Self { alerts, changes, ..Self::empty() }
    }
}

fn mark_repeat(text: String, changes: u32) -> String {
    match text.strip_prefix("[FIRING]") {
        Some(rest) if changes == 0 => format!("[STILL FIRING]{rest}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::test_alert;

    #[test]
    fn the_title_of_several_alerts_names_each_rule_once() {
        let alerts = ["B", "A", "B"].map(|rule| test_alert(rule, AlertStatus::Firing));
        assert_eq!(Notification::new(alerts).title(), "[FIRING: 3] B, A");
    }

    #[test]
    fn the_title_of_several_alerts_is_one_line() {
        let alerts = ["A\r\n\u{1b}[2J", "B"].map(|rule| test_alert(rule, AlertStatus::Firing));
        let title = Notification::new(alerts).title();
        assert_eq!(title, r"[FIRING: 2] A\r\n\u{1b}[2J, B");
    }

    #[test]
    fn a_notification_is_split_without_losing_alerts() {
        let alerts = ["A", "B", "C"].map(|rule| test_alert(rule, AlertStatus::Firing));
        let mut notification = Notification::new(alerts);
        let left = notification.split_off(2);
        assert_eq!([&notification, &left].map(|part| part.changes.len()), [2, 1]);
        assert_eq!(left.title(), "[FIRING] C · orders");
        assert!(notification.split_off(9).alerts.is_empty());
        notification.append(&left);
        assert_eq!(notification.title(), "[FIRING: 3] A, B, C");
        notification.remove(&left);
        assert!(notification.alerts.len() == 2 && !notification.contains(&left.alerts[0]));
    }
}
