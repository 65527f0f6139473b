use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::{Notification, Stats, stats::count};
use crate::alert::Alert;

/// What waits for one notifier: each alert at most once, and at most [`Mailbox::CAPACITY`] of them.
#[derive(Debug)]
pub(crate) struct Mailbox {
    pub(crate) name: String,
    pub(crate) stats: Arc<Stats>,
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    is_closed: bool,
    /// Grows with each arrival, so that a waiter knows what is new to it.
    arrivals: u64,
}

/// The last change of an alert, and how many changes it stands for.
#[derive(Debug)]
struct Entry {
    alert: Alert,
    changes: u32,
}

impl Mailbox {
    const CAPACITY: usize = 1_000;

    pub(crate) fn new(name: String) -> Self {
        Self {
            stats: Arc::new(Stats::new(&name)),
            name,
            waiting: Mutex::default(),
            changed: Notify::new(),
        }
    }

    pub(crate) fn put(&self, alert: Alert) {
        let mut waiting = self.lock();
        waiting.arrivals += 1;
        match waiting.entries.iter_mut().find(|entry| entry.alert.identity() == alert.identity()) {
            Some(entry) => {
                entry.alert = alert;
                entry.changes += 1;
            }
            None => waiting.entries.push_back(Entry { alert, changes: 1 }),
        }
        self.bound(&mut waiting);
        drop(waiting);
        self.changed.notify_waiters();
    }

    /// Puts back what could not be delivered, before what came since; what changed again is told
    /// with its newer state.
    pub(super) fn put_back(&self, notification: &Notification) {
        let mut waiting = self.lock();
        for (alert, changes) in notification.iter().collect::<Vec<_>>().into_iter().rev() {
            let newer =
                waiting.entries.iter_mut().find(|entry| entry.alert.identity() == alert.identity());
            match newer {
                Some(newer) => newer.changes += changes,
                None => waiting.entries.push_front(Entry { alert: alert.clone(), changes }),
            }
        }
        self.bound(&mut waiting);
    }

    /// Takes all that waits, up to `most` alerts.
    pub(super) fn take(&self, most: usize) -> Option<Notification> {
        let mut waiting = self.lock();
        let most = most.min(waiting.entries.len());
        let (alerts, changes) =
            waiting.entries.drain(..most).map(|entry| (entry.alert, entry.changes)).unzip();
        Some(Notification { alerts, changes }).filter(|taken| !taken.alerts.is_empty())
    }

    /// Lets nothing more in; the worker ends when all is delivered.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_waiters();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Counts and names in the log what was not delivered in time.
    pub(crate) fn give_up(&self) {
        for entry in self.lock().entries.drain(..) {
            self.dropped(
                &entry.alert,
                entry.changes,
                "not delivered before the shutdown's deadline",
            );
        }
    }

    pub(super) fn dropped(&self, alert: &Alert, changes: u32, reason: &str) {
        count(&self.stats.dropped, changes as usize);
        tracing::error!(notifier = self.name, %alert, changes, reason, "alert dropped");
    }

    /// Waits for something to deliver; `false` if nothing will come.
    pub(super) async fn wait(&self) -> bool {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let waiting = self.lock();
                if !waiting.entries.is_empty() {
                    return true;
                }
                if waiting.is_closed {
                    return false;
                }
            }
            changed.await;
        }
    }

    /// Waits for an arrival after the first `arrivals`, or for the close.
    pub(super) async fn wait_for_news(&self, arrivals: u64) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let waiting = self.lock();
                if waiting.arrivals > arrivals || waiting.is_closed {
                    return;
                }
            }
            changed.await;
        }
    }

    /// Waits for the close.
    pub(super) async fn wait_for_close(&self) {
        self.wait_for_news(u64::MAX).await;
    }

    pub(super) fn arrivals(&self) -> u64 {
        self.lock().arrivals
    }

    fn bound(&self, waiting: &mut Waiting) {
        while waiting.entries.len() > Self::CAPACITY {
            if let Some(entry) = waiting.entries.pop_front() {
                let reason = "more alerts wait for the notifier than it can hold";
                self.dropped(&entry.alert, entry.changes, reason);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::alert::{AlertStatus, test_alert};

    fn told(notification: &Notification) -> Vec<(String, u32)> {
        notification.iter().map(|(alert, changes)| (alert.title(), changes)).collect()
    }

    #[test]
    fn of_several_changes_of_an_alert_the_last_is_told_with_their_number() {
        let mailbox = Mailbox::new("test".to_owned());
        mailbox.put(test_alert("A", AlertStatus::Firing));
        mailbox.put(test_alert("B", AlertStatus::Firing));
        mailbox.put(test_alert("A", AlertStatus::Resolved));
        let taken = mailbox.take(10).unwrap();
        assert_eq!(
            told(&taken),
            [("[RESOLVED] A · orders".to_owned(), 2), ("[FIRING] B · orders".to_owned(), 1)]
        );
        assert!(mailbox.take(10).is_none());
    }

    #[test]
    fn what_was_not_delivered_comes_first_again_in_its_newest_state() {
        let mailbox = Mailbox::new("test".to_owned());
        mailbox.put(test_alert("A", AlertStatus::Firing));
        mailbox.put(test_alert("B", AlertStatus::Firing));
        let failed = mailbox.take(10).unwrap();
        mailbox.put(test_alert("C", AlertStatus::Firing));
        mailbox.put(test_alert("B", AlertStatus::Resolved));
        mailbox.put_back(&failed);
        assert_eq!(
            told(&mailbox.take(10).unwrap()),
            [
                ("[FIRING] A · orders".to_owned(), 1),
                ("[FIRING] C · orders".to_owned(), 1),
                ("[RESOLVED] B · orders".to_owned(), 2),
            ]
        );
    }

    #[test]
    fn past_the_capacity_the_oldest_is_dropped_and_counted() {
        let mailbox = Mailbox::new("test".to_owned());
        for n in 0..Mailbox::CAPACITY + 5 {
            mailbox.put(test_alert(&format!("R{n}"), AlertStatus::Firing));
        }
        assert_eq!(mailbox.stats.dropped.load(Ordering::Relaxed), 5);
        let taken = mailbox.take(usize::MAX).unwrap();
        assert_eq!(taken.alerts.len(), Mailbox::CAPACITY);
        assert_eq!(taken.alerts[0].title(), "[FIRING] R5 · orders");
    }
}
