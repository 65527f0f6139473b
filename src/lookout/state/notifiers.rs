use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::notify::{NotifierQueue, SavedQueue};

/// A notifier in the file. Its kind and its address identify it, so the order of notifiers may
/// change.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SavedNotifier {
    /// The name from the user, otherwise the word for its type.
    pub(super) kind: String,
    /// A hash of the receiver's address, if the notifier's type has one.
    pub(super) address: Option<String>,
    /// `None` if the queue is empty. The file still lists the notifier, so that another one of its
    /// kind does not take over its entry.
    pub(super) queue: Option<SavedQueue>,
}

impl SavedNotifier {
    pub(super) fn of(queue: &NotifierQueue) -> Self {
        let (kind, address) = queue.key();
        Self { kind: kind.to_owned(), address: address.map(str::to_owned), queue: queue.saved() }
    }
}

/// Restores the queue of each notifier: first by kind and address, then by kind alone, since an
/// address may change. Queues of notifiers that no longer exist are dropped.
pub(super) fn restore(mut saved: Vec<SavedNotifier>, queues: &[Arc<NotifierQueue>]) {
    let mut unmatched: Vec<_> = queues.iter().collect();
    for needs_address in [true, false] {
        unmatched.retain(|queue| {
            let (kind, address) = queue.key();
            let matches = |saved: &SavedNotifier| {
                saved.kind == kind && (!needs_address || saved.address.as_deref() == address)
            };
            let Some(index) = saved.iter().position(matches) else { return true };
            if let Some(alerts) = saved.remove(index).queue {
                queue.restore(alerts);
            }
            false
        });
    }
    for SavedNotifier { kind, queue, .. } in saved {
        if let Some(queue) = queue {
            queue.drop_for(&kind);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{AlertStatus, test_alert};

    fn queue(kind: &str, address: Option<&str>) -> Arc<NotifierQueue> {
        let queue = NotifierQueue::new(kind.to_owned(), None);
        Arc::new(queue.keyed(kind.to_owned(), address.map(str::to_owned)))
    }

    /// Puts an alert into each queue of `before`, restarts, and returns the alert in each queue of
    /// `after`.
    fn restarted(
        before: &[(&str, Option<&str>, &str)],
        after: &[Arc<NotifierQueue>],
    ) -> Vec<String> {
        let saved = before.iter().map(|(kind, address, rule)| {
            let queue = queue(kind, *address);
            if !rule.is_empty() {
                queue.put(test_alert(rule, AlertStatus::Firing));
            }
            SavedNotifier::of(&queue)
        });
        let text = serde_json::to_string(&saved.collect::<Vec<_>>()).unwrap();
        restore(serde_json::from_str(&text).unwrap(), after);
        let rules = after.iter().map(|queue| {
            let saved = serde_json::to_value(queue.saved()).unwrap();
            saved["waiting"][0]["alert"]["name"].as_str().unwrap_or_default().to_owned()
        });
        rules.collect()
    }

    #[test]
    fn each_notifier_gets_its_queue_back_in_any_order() {
        let before = [("slack", Some("1"), "A"), ("slack", Some("2"), "B"), ("log", None, "C")];
        let after = [queue("log", None), queue("slack", Some("2")), queue("slack", Some("1"))];
        assert_eq!(restarted(&before, &after), ["C", "B", "A"]);
    }

    #[test]
    fn a_notifier_with_a_new_address_keeps_its_queue() {
        let before = [("slack", Some("1"), "A"), ("slack", Some("2"), "B")];
        let after = [queue("slack", Some("3")), queue("slack", Some("1"))];
        assert_eq!(restarted(&before, &after), ["B", "A"]);
    }

    #[test]
    fn no_other_notifier_gets_the_queue_of_a_removed_one() {
        let before = [("slack", Some("1"), "A"), ("slack", Some("2"), "")];
        assert_eq!(restarted(&before, &[queue("slack", Some("2"))]), [""]);
    }
}
