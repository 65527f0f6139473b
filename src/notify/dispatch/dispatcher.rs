use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::{task::yield_now, time::Instant};

use super::stats::count;
use crate::notify::{DeliveryError, NotifierQueue, NotifierStatus, TestDelivery};
use crate::{
    alert::{Alert, Notice, Origin},
    catch_panic::{guarded, logged},
    collect::Export,
    deadline::by,
    facade::{Counter, Facade, UNROUTED},
};

/// Hands each change of an alert to the notifiers that it is for.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    mailboxes: Vec<Arc<NotifierQueue>>,
    origin: Arc<Origin>,
    unrouted: AtomicU64,
    counter: Mutex<Counter>,
    /// The rules whose alerts were told to be for nobody.
    told: Mutex<HashSet<Arc<str>>>,
}

impl Dispatcher {
    pub(crate) fn new(mailboxes: Vec<Arc<NotifierQueue>>, origin: Arc<Origin>) -> Self {
        Self {
            mailboxes,
            origin,
            unrouted: AtomicU64::new(0),
            counter: Mutex::new(Counter::new(UNROUTED, Vec::new())),
            told: Mutex::default(),
        }
    }

    /// Nothing is known of the alerts before this start: since a state was lost, or since there is none.
    pub(crate) fn note_unknown(&self, start: SystemTime, is_lost: bool) {
        self.mailboxes.iter().for_each(|mailbox| mailbox.note_unknown(start, is_lost));
    }

    pub(crate) fn mailboxes(&self) -> &[Arc<NotifierQueue>] {
        &self.mailboxes
    }

    /// What became of each notifier's messages.
    pub(crate) fn statuses(&self) -> Vec<NotifierStatus> {
        self.mailboxes.iter().map(|mailbox| status(mailbox)).collect()
    }

    /// Puts changes into the mailboxes. The workers run meanwhile, on the same thread: so a mailbox is
    /// drained while many alerts change in one tick.
    pub(crate) async fn hand_over(&self, changes: Vec<Alert>) {
        for (number, alert) in changes.into_iter().enumerate() {
            self.put(alert);
            if (number + 1) % AT_ONCE == 0 {
                yield_now().await;
            }
        }
    }

    /// Puts a change into the mailboxes that it is for.
    pub(crate) fn put(&self, alert: Alert) {
        // A panic at one of them must not keep the others from it.
        let takes =
            |mailbox: &&Arc<NotifierQueue>| guarded(|| mailbox.admit(&alert)).unwrap_or(true);
        let receivers: Vec<_> = self.mailboxes.iter().filter(takes).collect();
        if receivers.is_empty() && !self.mailboxes.is_empty() {
            return self.unrouted(&alert);
        }
        for mailbox in receivers {
            let _ = guarded(|| mailbox.put(alert.clone()));
        }
    }

    /// Sends a test to each notifier, all at the same time, whatever it is for.
    pub(crate) async fn send_test(&self) -> Vec<TestDelivery> {
        let deadline = Instant::now() + TEST_DEADLINE;
        let test = Alert::notice_at(Notice::Test, SystemTime::now(), Arc::clone(&self.origin));
        let asked: Vec<_> =
            self.mailboxes.iter().map(|mailbox| mailbox.put_test(test.clone())).collect();
        let mut deliveries = Vec::with_capacity(asked.len());
        for (mailbox, answered) in self.mailboxes.iter().zip(asked) {
            match by(deadline, answered).await {
                Ok(Ok(results)) => {
                    deliveries.extend(
                        results.into_iter().map(|result| result.into_delivery(&mailbox.name)),
                    );
                }
                Ok(Err(_)) => {
                    let error = DeliveryError::rejected(HAS_ENDED);
                    deliveries.push(failed(mailbox, error, Duration::ZERO));
                }
                Err(elapsed) => {
                    let error = DeliveryError::temporary(elapsed);
                    deliveries.push(failed(mailbox, error, TEST_DEADLINE));
                }
            }
        }
        deliveries
    }

    /// The result of a test that was not sent.
    pub(crate) fn untested(&self, reason: &str) -> Vec<TestDelivery> {
        let test = |mailbox: &Arc<NotifierQueue>| {
            failed(mailbox, DeliveryError::rejected(reason.to_owned()), Duration::ZERO)
        };
        self.mailboxes.iter().map(test).collect()
    }

    fn unrouted(&self, alert: &Alert) {
        count(&self.unrouted, 1);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(Arc::clone(&alert.name)) {
            logged(|| {
                tracing::warn!(
                    %alert,
                    "no notifier is for the alerts of this rule: add one without .when(..)"
                );
            });
        }
    }
}

fn status(queue: &NotifierQueue) -> NotifierStatus {
    let stats = &queue.stats;
    NotifierStatus {
        name: queue.name.clone(),
        waiting: queue.waiting(),
        sent: stats.sent.load(Ordering::Relaxed),
        failed: stats.failed.load(Ordering::Relaxed),
        retried: stats.retried.load(Ordering::Relaxed),
        dropped: stats.dropped.load(Ordering::Relaxed),
    }
}

/// The changes that are handed over before the workers run.
const AT_ONCE: usize = 100;

/// A little longer than a delivery may take, so that the notifier's own failure is told.
const TEST_DEADLINE: Duration = Duration::from_secs(12);

fn failed(mailbox: &NotifierQueue, error: DeliveryError, took: Duration) -> TestDelivery {
    TestDelivery { notifier: mailbox.name.clone(), result: Err(error), took }
}

/// The reason of a test that nobody sends.
pub(crate) const HAS_ENDED: &str = "the lookout has ended";

impl Export for Dispatcher {
    fn export(&self, facade: &Facade) {
        let mut counter = self.counter.lock().unwrap_or_else(PoisonError::into_inner);
        counter.set(facade, self.unrouted.load(Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        alert::{AlertStatus, test_alert},
        notify::Matcher,
    };

    fn dispatcher(matchers: impl IntoIterator<Item = Option<Matcher>>) -> Dispatcher {
        let mailbox = |matcher| Arc::new(NotifierQueue::new("test".to_owned(), matcher));
        let mailboxes = matchers.into_iter().map(mailbox).collect();
        Dispatcher::new(mailboxes, test_alert("A", AlertStatus::Firing).origin)
    }

    /// What waits in each mailbox, and how many changes were for nobody.
    fn put(dispatcher: &Dispatcher, rule: &str) -> (Vec<usize>, u64) {
        dispatcher.put(test_alert(rule, AlertStatus::Firing));
        let waits =
            |mailbox: &Arc<NotifierQueue>| mailbox.take(10).map_or(0, |taken| taken.alerts.len());
        let waiting = dispatcher.mailboxes().iter().map(waits).collect();
        (waiting, dispatcher.unrouted.load(Ordering::Relaxed))
    }

    #[test]
    fn a_change_waits_for_those_that_it_is_for_and_is_counted_where_there_is_none() {
        let rule = |name: &str| Some(Matcher::new().rule(name));
        let routed = dispatcher([rule("A"), None, rule("B")]);
        assert_eq!(put(&routed, "A"), (vec![1, 1, 0], 0));
        assert_eq!(put(&routed, "C"), (vec![0, 1, 0], 0));
        let with_a_gap = dispatcher([rule("A"), rule("B")]);
        assert_eq!(put(&with_a_gap, "C"), (vec![0, 0], 1));
        assert_eq!(put(&with_a_gap, "C"), (vec![0, 0], 2));
        assert_eq!(put(&with_a_gap, "B"), (vec![0, 1], 2));
    }

    #[test]
    fn an_alert_that_no_notifier_gets_leaves_the_word_on_earlier_ones_to_the_next() {
        let dispatcher =
            dispatcher([Some(Matcher::new().rule("B")), Some(Matcher::new().rule("C"))]);
        dispatcher.note_unknown(SystemTime::UNIX_EPOCH, true);
        for rule in ["A", "B", "C"] {
            dispatcher.put(test_alert(rule, AlertStatus::Firing));
        }
        for mailbox in dispatcher.mailboxes() {
            assert!(mailbox.take(10).unwrap().alerts[0].unknown_before.is_some());
        }
    }

    #[tokio::test]
    async fn a_worker_drains_its_mailbox_while_many_alerts_are_handed_over() {
        let dispatcher = Arc::new(dispatcher([None]));
        let mailbox = Arc::clone(&dispatcher.mailboxes()[0]);
        let worker = tokio::spawn(async move {
            assert!(mailbox.wait().await);
            mailbox.take(usize::MAX).unwrap().alerts.len()
        });
        let name = |n: usize| test_alert(&format!("R{n}"), AlertStatus::Firing);
        dispatcher.hand_over((0..5 * AT_ONCE).map(name).collect()).await;
        assert!(worker.await.unwrap() < 5 * AT_ONCE);
    }

    #[test]
    fn where_there_are_no_notifiers_nothing_is_missed() {
        assert_eq!(put(&dispatcher([]), "A"), (vec![], 0));
    }
}
