use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::{Entry, NotifierQueue, Waiting};
use crate::{
    alert::{Alert, SavedAlert},
    catch_panic::logged,
    notify::dispatch::repeats::saved::SavedRepeat,
};

/// A queue in the state file: undelivered changes, and repeats.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct SavedQueue {
    waiting: Vec<SavedEntry>,
    repeats: Vec<SavedRepeat>,
    /// The firing alerts that the notifier's matcher admitted.
    firing: Vec<SavedAlert>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct SavedEntry {
    alert: SavedAlert,
    changes: u32,
}

impl NotifierQueue {
    /// Sets the `Notify` that is woken when the state to be saved changes.
    pub(crate) fn keep_by(&self, keeper: Arc<Notify>) {
        // Called once, when the lookout starts.
        let _ = self.keeper.set(keeper);
    }

    /// Sets the key in the state file, which defaults to the notifier's name.
    pub(crate) fn keyed(self, kind: String, address: Option<String>) -> Self {
        Self { key: (kind, address), ..self }
    }

    /// The notifier's key in the state file.
    pub(crate) fn key(&self) -> (&str, Option<&str>) {
        (&self.key.0, self.key.1.as_deref())
    }

    /// The state for the next process; `None` if it is empty.
    pub(crate) fn saved(&self) -> Option<SavedQueue> {
        let waiting = self.lock();
        let in_flight = waiting.in_flight.iter().flat_map(|notification| notification.iter());
        // A repeat is saved with the repeats.
        let in_flight = in_flight.filter(|(_, changes)| *changes > 0);
        let entries = waiting.entries.iter().map(|entry| (&entry.alert, entry.changes));
        let entries = in_flight
            .chain(entries)
            .map(|(alert, changes)| SavedEntry { alert: SavedAlert(alert.clone()), changes });
        let saved = SavedQueue {
            waiting: entries.collect(),
            repeats: waiting.repeats.saved(),
            firing: self.route.saved().into_iter().map(SavedAlert).collect(),
        };
        let SavedQueue { waiting, repeats, firing } = &saved;
        let is_empty = waiting.is_empty() && repeats.is_empty() && firing.is_empty();
        (!is_empty).then_some(saved)
    }

    /// Restores the state of the previous process, before any change arrives.
    pub(crate) fn restore(&self, saved: SavedQueue) {
        self.route.restore(saved.firing.into_iter().map(|SavedAlert(alert)| alert));
        let mut waiting = self.lock();
        waiting.repeats.restore(saved.repeats);
        for SavedEntry { alert: SavedAlert(alert), changes } in saved.waiting {
            waiting.entries.add(alert, changes);
        }
        self.bound(waiting);
    }

    /// Records which of the alerts that still fire the previous process delivered.
    pub(crate) fn restore_delivered(&self, firing: &[Alert]) {
        let mut waiting = self.lock();
        let Waiting { entries, restored, .. } = &mut *waiting;
        let waits = |alert: &Alert| entries.get(alert).is_some();
        let delivered =
            firing.iter().filter(|alert| self.route.has_admitted(alert) && !waits(alert));
        restored.extend(delivered.cloned());
    }

    /// Logs the alerts that were not delivered in time and are saved.
    pub(crate) fn leave(&self) {
        for Entry { alert, changes } in self.lock().entries.iter() {
            logged(|| {
                tracing::warn!(
                    notifier = self.name,
                    %alert,
                    changes,
                    "alert not delivered before the shutdown's deadline, saved for the next start"
                );
            });
        }
    }
}

impl SavedQueue {
    /// Removes the details of reports, to make the file smaller.
    pub(crate) fn shorten(&mut self) {
        let Self { waiting, repeats, firing } = self;
        let waiting = waiting.iter_mut().map(|entry| &mut entry.alert);
        let repeats = repeats.iter_mut().map(|repeat| &mut repeat.alert);
        waiting.chain(repeats).chain(firing).for_each(|SavedAlert(alert)| alert.shorten());
    }

    /// The length of the longest list.
    pub(crate) fn longest(&self) -> usize {
        self.waiting.len().max(self.repeats.len()).max(self.firing.len())
    }

    /// Removes the newer half of the longest list. Returns the number of removed alerts.
    pub(crate) fn halve(&mut self) -> usize {
        let longest = self.longest();
        let Self { waiting, repeats, firing } = self;
        if repeats.len() == longest {
            repeats.truncate(longest / 2);
        } else if firing.len() == longest {
            firing.truncate(longest / 2);
        } else {
            waiting.truncate(longest / 2);
        }
        longest - longest / 2
    }

    /// Logs the alerts of a notifier that no longer exists as dropped.
    pub(crate) fn drop_for(self, notifier: &str) {
        for SavedEntry { alert: SavedAlert(alert), changes } in self.waiting {
            let reason = "its notifier no longer exists";
            logged(|| tracing::error!(notifier, %alert, changes, reason, "alert dropped"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        alert::{AlertStatus, test_alert},
        notify::{Delivered, Matcher},
        rule::Severity,
    };

    fn queue() -> NotifierQueue {
        NotifierQueue::new("test".to_owned(), None)
    }

    /// The queue of the next process.
    fn restarted(queue: &NotifierQueue) -> NotifierQueue {
        let next = self::queue();
        if let Some(saved) = queue.saved() {
            let text = serde_json::to_string(&saved).unwrap();
            next.restore(serde_json::from_str(&text).unwrap());
        }
        next
    }

    fn queued(queue: &NotifierQueue) -> Vec<(String, u32)> {
        let taken = queue.take(10);
        taken
            .iter()
            .flat_map(|taken| taken.iter())
            .map(|(alert, changes)| (alert.title(), changes))
            .collect()
    }

    #[test]
    fn queued_and_in_flight_alerts_are_queued_in_order_after_a_restart() {
        let queue = queue();
        queue.put(test_alert("A", AlertStatus::Firing));
        queue.put(test_alert("B", AlertStatus::Firing));
        queue.take(10).unwrap();
        queue.put(test_alert("C", AlertStatus::Firing));
        queue.put(test_alert("A", AlertStatus::Resolved));
        assert_eq!(
            queued(&restarted(&queue)),
            [
                ("[RESOLVED] A · orders".to_owned(), 2),
                ("[FIRING] B · orders".to_owned(), 1),
                ("[FIRING] C · orders".to_owned(), 1),
            ]
        );
    }

    #[test]
    fn delivered_and_rejected_alerts_are_not_saved() {
        let queue = queue();
        queue.put(test_alert("A", AlertStatus::Firing));
        queue.take(10).unwrap();
        queue.delivered(Delivered::default());
        assert!(queue.saved().is_none());
        queue.put(test_alert("B", AlertStatus::Firing));
        queue.take(10).unwrap();
        queue.rejected("no");
        assert!(queue.saved().is_none());
    }

    #[test]
    fn after_a_partial_delivery_the_undelivered_alerts_are_saved() {
        let queue = queue();
        queue.put(test_alert("A", AlertStatus::Firing));
        queue.put(test_alert("B", AlertStatus::Firing));
        let mut left = queue.take(10).unwrap();
        left.retain(|alert| &*alert.name == "B");
        queue.delivered(Delivered::partial(left));
        assert_eq!(queued(&restarted(&queue)), [("[FIRING] B · orders".to_owned(), 1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_repeat_is_due_at_the_same_time_after_a_restart() {
        let queue = queue();
        queue.put(test_alert("A", AlertStatus::Firing));
        queue.take(10).unwrap();
        queue.delivered(Delivered::repeat_every(Duration::from_secs(60)));
        tokio::time::advance(Duration::from_secs(30)).await;
        let next = restarted(&queue);
        tokio::time::advance(Duration::from_secs(29)).await;
        assert!(next.take(10).is_none(), "it is not due yet");
        assert!(next.wait().await);
        assert_eq!(queued(&next).len(), 1);
        let next = restarted(&next);
        assert!(next.wait().await, "an alert in flight is not delivered yet");
        let taken = next.take(10).unwrap();
        assert_eq!((taken.alerts.len(), taken.changes), (1, vec![0]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_repeat_that_became_due_between_processes_is_sent_at_once_unless_its_resolve_has_expired()
     {
        let queue = queue();
        let minute = Duration::from_secs(60);
        queue.put(test_alert("A", AlertStatus::Firing));
        queue.put(test_alert("B", AlertStatus::Resolved));
        queue.take(10).unwrap();
        queue.delivered(Delivered::repeat_every(minute).repeat_resolved_for(2 * minute));
        let mut saved = serde_json::to_value(queue.saved().unwrap()).unwrap();
        for repeat in saved["repeats"].as_array_mut().unwrap() {
            repeat["due"] = "2001-01-01T00:00:00Z".into();
            if !repeat["until"].is_null() {
                repeat["until"] = "2000-12-31T23:59:59Z".into();
            }
        }
        let next = self::queue();
        next.restore(serde_json::from_value(saved).unwrap());
        let taken = next.take(10).unwrap();
        let rules: Vec<_> = taken.alerts.iter().map(|alert| &*alert.name).collect();
        assert_eq!(rules, ["A"]);
    }

    #[test]
    fn a_resolve_of_the_old_instance_is_not_merged_with_an_alert_of_the_new_one() {
        let queue = queue();
        queue.put(test_alert("A", AlertStatus::Resolved));
        let next = restarted(&queue);
        let mut alert = test_alert("A", AlertStatus::Firing);
        Arc::make_mut(&mut alert.origin).instance = "host-1:43".to_owned();
        next.put(alert);
        assert_eq!(
            queued(&next),
            [("[RESOLVED] A · orders".to_owned(), 1), ("[FIRING] A · orders".to_owned(), 1)]
        );
    }

    #[test]
    fn a_notifier_gets_the_resolve_of_a_delivered_alert_from_the_next_process_despite_a_new_severity()
     {
        let critical = || Some(Matcher::new().severity(Severity::Critical));
        let pager = NotifierQueue::new("test".to_owned(), critical());
        let firing = test_alert("A", AlertStatus::Firing);
        assert!(pager.admit(&firing));
        let text = serde_json::to_string(&pager.saved().unwrap()).unwrap();
        let next = NotifierQueue::new("test".to_owned(), critical());
        next.restore(serde_json::from_str(&text).unwrap());
        let warning = Severity::Warning;
        let resolved = Alert { severity: warning, ..test_alert("A", AlertStatus::Resolved) };
        assert!(next.admit(&resolved) && !next.admit(&resolved));
        assert!(next.saved().is_none());
    }

    #[test]
    fn each_change_notifies_the_state_keeper() {
        let (queue, keeper) = (queue(), Arc::new(Notify::new()));
        queue.keep_by(Arc::clone(&keeper));
        let is_notified = || {
            let mut notified = std::pin::pin!(keeper.notified());
            notified.as_mut().enable()
        };
        assert!(!is_notified());
        queue.put(test_alert("A", AlertStatus::Firing));
        assert!(is_notified() && !is_notified());
        queue.take(10).unwrap();
        queue.delivered(Delivered::default());
        assert!(is_notified());
    }
}
