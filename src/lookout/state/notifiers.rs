use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::notify::{NotifierQueue, SavedQueue};

/// A notifier in the file, identified without its order among the others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SavedNotifier {
    /// The name from the user, otherwise the word for its type.
    pub(super) kind: String,
    /// A hash of the receiver's address, if the notifier's type has one.
    pub(super) address: Option<String>,
    /// `None` if the queue is empty. The file still lists the notifier, so that another one of its kind
    /// does not get its place.
    pub(super) queue: Option<SavedQueue>,
}

impl SavedNotifier {
    pub(super) fn of(mailbox: &NotifierQueue) -> Self {
        let (kind, address) = mailbox.key();
        Self { kind: kind.to_owned(), address: address.map(str::to_owned), queue: mailbox.saved() }
    }
}

/// Restores the queue of each notifier: the one of its kind with its address, otherwise one of its kind
/// whose notifier no longer exists, since an address may change. Other queues are dropped.
pub(super) fn restore(mut saved: Vec<SavedNotifier>, mailboxes: &[Arc<NotifierQueue>]) {
    let mut waiting: Vec<_> = mailboxes.iter().collect();
    for needs_address in [true, false] {
        waiting.retain(|mailbox| {
            let (kind, address) = mailbox.key();
            let is_it = |saved: &SavedNotifier| {
                saved.kind == kind && (!needs_address || saved.address.as_deref() == address)
            };
            let Some(place) = saved.iter().position(is_it) else { return true };
            if let Some(queue) = saved.remove(place).queue {
                mailbox.restore(queue);
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

    fn mailbox(kind: &str, address: Option<&str>) -> Arc<NotifierQueue> {
        let mailbox = NotifierQueue::new(kind.to_owned(), None);
        Arc::new(mailbox.keyed(kind.to_owned(), address.map(str::to_owned)))
    }

    /// The alert in each queue after a restart, with one waiting for each of these before it.
    fn restarted(
        before: &[(&str, Option<&str>, &str)],
        after: &[Arc<NotifierQueue>],
    ) -> Vec<String> {
        let saved = before.iter().map(|(kind, address, rule)| {
            let mailbox = mailbox(kind, *address);
            if !rule.is_empty() {
                mailbox.put(test_alert(rule, AlertStatus::Firing));
            }
            SavedNotifier::of(&mailbox)
        });
        let text = serde_json::to_string(&saved.collect::<Vec<_>>()).unwrap();
        restore(serde_json::from_str(&text).unwrap(), after);
        let rules = after.iter().map(|mailbox| {
            let saved = serde_json::to_value(mailbox.saved()).unwrap();
            saved["waiting"][0]["alert"]["name"].as_str().unwrap_or_default().to_owned()
        });
        rules.collect()
    }

    #[test]
    fn each_notifier_gets_its_queue_back_in_any_order() {
        let before = [("slack", Some("1"), "A"), ("slack", Some("2"), "B"), ("log", None, "C")];
        let after =
            [mailbox("log", None), mailbox("slack", Some("2")), mailbox("slack", Some("1"))];
        assert_eq!(restarted(&before, &after), ["C", "B", "A"]);
    }

    #[test]
    fn a_notifier_with_a_new_address_keeps_its_queue() {
        let before = [("slack", Some("1"), "A"), ("slack", Some("2"), "B")];
        let after = [mailbox("slack", Some("3")), mailbox("slack", Some("1"))];
        assert_eq!(restarted(&before, &after), ["B", "A"]);
    }

    #[test]
    fn no_other_notifier_gets_the_queue_of_a_removed_one() {
        let before = [("slack", Some("1"), "A"), ("slack", Some("2"), "")];
        assert_eq!(restarted(&before, &[mailbox("slack", Some("2"))]), [""]);
    }
}
