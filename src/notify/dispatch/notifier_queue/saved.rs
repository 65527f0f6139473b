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
    /// Sets the notification for changes of the state.
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
        let under_way = waiting.under_way.iter().flat_map(|notification| notification.iter());
        // A repeat is saved with the repeats.
        let under_way = under_way.filter(|(_, changes)| *changes > 0);
        let entries = waiting.entries.iter().map(|entry| (&entry.alert, entry.changes));
        let entries = under_way
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
        let told = firing.iter().filter(|alert| self.route.has_admitted(alert) && !waits(alert));
        restored.extend(told.cloned());
    }

    /// Logs the alerts that were not delivered in time and are saved.
    pub(crate) fn leave(&self) {
        for Entry { alert, changes } in self.lock().entries.iter() {
            logged(|| {
                tracing::warn!(
                    notifier = self.name,
                    %alert,
                    changes,
                    "alert not delivered before the shutdown's deadline, is saved for the next start"
                );
            });
        }
    }
}

impl SavedQueue {
    /// Removes the details of reports, if the file gets too large.
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

    fn told(queue: &NotifierQueue) -> Vec<(String, u32)> {
        let taken = queue.take(10);
        taken
            .iter()
            .flat_map(|taken| taken.iter())
            .map(|(alert, changes)| (alert.title(), changes))
            .collect()
    }

    #[test]
    fn what_waits_and_what_is_under_way_waits_after_a_restart_in_its_order() {
        let queue = queue();
        queue.put(test_alert("A", AlertStatus::Firing));
        queue.put(test_alert("B", AlertStatus::Firing));
        queue.take(10).unwrap();
        queue.put(test_alert("C", AlertStatus::Firing));
        queue.put(test_alert("A", AlertStatus::Resolved));
        assert_eq!(
            told(&restarted(&queue)),
            [
                ("[RESOLVED] A · orders".to_owned(), 2),
                ("[FIRING] B · orders".to_owned(), 1),
                ("[FIRING] C · orders".to_owned(), 1),
            ]
        );
    }

    #[test]
    fn what_was_delivered_or_rejected_is_not_saved() {
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
    fn of_a_message_that_was_delivered_in_part_the_rest_is_saved() {
        let queue = queue();
        queue.put(test_alert("A", AlertStatus::Firing));
        queue.put(test_alert("B", AlertStatus::Firing));
        let mut left = queue.take(10).unwrap();
        left.retain(|alert| &*alert.name == "B");
        queue.delivered(Delivered::partial(left));
        assert_eq!(told(&restarted(&queue)), [("[FIRING] B · orders".to_owned(), 1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_told_again_is_due_after_a_restart_when_it_was_before() {
        let queue = queue();
        queue.put(test_alert("A", AlertStatus::Firing));
        queue.take(10).unwrap();
        queue.delivered(Delivered::repeat_every(Duration::from_secs(60)));
        tokio::time::advance(Duration::from_secs(30)).await;
        let next = restarted(&queue);
        tokio::time::advance(Duration::from_secs(29)).await;
        assert!(next.take(10).is_none(), "it is not due yet");
        assert!(next.wait().await);
        assert_eq!(told(&next).len(), 1);
        let next = restarted(&next);
        assert!(next.wait().await, "under way is not delivered");
        let taken = next.take(10).unwrap();
        assert_eq!((taken.alerts.len(), taken.changes), (1, vec![0]));
    }

    #[tokio::test(start_paused = true)]
    async fn what_became_due_while_no_process_ran_is_told_again_at_once_and_a_resolve_no_more() {
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
    fn a_resolve_by_the_instance_of_old_takes_the_place_of_no_alert_of_the_new_one() {
        let queue = queue();
        queue.put(test_alert("A", AlertStatus::Resolved));
        let next = restarted(&queue);
        let mut alert = test_alert("A", AlertStatus::Firing);
        Arc::make_mut(&mut alert.origin).instance = "host-1:43".to_owned();
        next.put(alert);
        assert_eq!(
            told(&next),
            [("[RESOLVED] A · orders".to_owned(), 1), ("[FIRING] A · orders".to_owned(), 1)]
        );
    }

    #[test]
    fn who_was_told_of_an_alert_hears_its_end_from_the_next_process_whatever_the_rule_is_by_then() {
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
    fn each_change_is_told_to_whoever_keeps_the_state() {
        let (queue, keeper) = (queue(), Arc::new(Notify::new()));
        queue.keep_by(Arc::clone(&keeper));
        let has_heard = || {
            let mut heard = std::pin::pin!(keeper.notified());
            heard.as_mut().enable()
        };
        assert!(!has_heard());
        queue.put(test_alert("A", AlertStatus::Firing));
        assert!(has_heard() && !has_heard());
        queue.take(10).unwrap();
        queue.delivered(Delivered::default());
        assert!(has_heard());
    }
}
