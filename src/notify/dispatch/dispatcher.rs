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

/// Routes each change of an alert to the queues of the notifiers that match it.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    queues: Vec<Arc<NotifierQueue>>,
    origin: Arc<Origin>,
    unrouted: AtomicU64,
    counter: Mutex<Counter>,
    /// The rules for which an unrouted alert was logged.
    logged_rules: Mutex<HashSet<Arc<str>>>,
}

impl Dispatcher {
    pub(crate) fn new(queues: Vec<Arc<NotifierQueue>>, origin: Arc<Origin>) -> Self {
        Self {
            queues,
            origin,
            unrouted: AtomicU64::new(0),
            counter: Mutex::new(Counter::new(UNROUTED, Vec::new())),
            logged_rules: Mutex::default(),
        }
    }

    /// Records that earlier alerts are unknown, because there is no state file or it was lost.
    pub(crate) fn note_unknown(&self, start: SystemTime, is_lost: bool) {
        self.queues.iter().for_each(|queue| queue.note_unknown(start, is_lost));
    }

    pub(crate) fn queues(&self) -> &[Arc<NotifierQueue>] {
        &self.queues
    }

    /// The status of each notifier.
    pub(crate) fn statuses(&self) -> Vec<NotifierStatus> {
        self.queues.iter().map(|queue| queue.status()).collect()
    }

    /// Queues changes. It yields to the workers, which run on the same thread, so that they can
    /// drain the queues while many alerts change in one tick.
    pub(crate) async fn hand_over(&self, changes: Vec<Alert>) {
        for (number, alert) in changes.into_iter().enumerate() {
            self.put(alert);
            if (number + 1) % AT_ONCE == 0 {
                yield_now().await;
            }
        }
    }

    /// Queues a change for its notifiers.
    pub(crate) fn put(&self, alert: Alert) {
        // A panic in one matcher must not affect the other notifiers.
        let admits = |queue: &&Arc<NotifierQueue>| guarded(|| queue.admit(&alert)).unwrap_or(true);
        let receivers: Vec<_> = self.queues.iter().filter(admits).collect();
        if receivers.is_empty() && !self.queues.is_empty() {
            return self.unrouted(&alert);
        }
        for queue in receivers {
            let _ = guarded(|| queue.put(alert.clone()));
        }
    }

    /// Sends a test to every notifier at the same time, regardless of its matcher.
    pub(crate) async fn send_test(&self) -> Vec<TestDelivery> {
        let deadline = Instant::now() + TEST_DEADLINE;
        let test = Alert::notice_at(Notice::Test, SystemTime::now(), Arc::clone(&self.origin));
        let tests: Vec<_> = self.queues.iter().map(|queue| queue.put_test(test.clone())).collect();
        let mut deliveries = Vec::with_capacity(tests.len());
        for (queue, test) in self.queues.iter().zip(tests) {
            match by(deadline, test).await {
                Ok(Ok(results)) => {
                    deliveries.extend(
                        results.into_iter().map(|result| result.into_delivery(&queue.name)),
                    );
                }
                Ok(Err(_)) => {
                    let error = DeliveryError::rejected(HAS_ENDED);
                    deliveries.push(failed(queue, error, Duration::ZERO));
                }
                Err(elapsed) => {
                    let error = DeliveryError::temporary(elapsed);
                    deliveries.push(failed(queue, error, TEST_DEADLINE));
                }
            }
        }
        deliveries
    }

    /// The results of a test that was not sent.
    pub(crate) fn untested(&self, reason: &str) -> Vec<TestDelivery> {
        let test = |queue: &Arc<NotifierQueue>| {
            failed(queue, DeliveryError::rejected(reason.to_owned()), Duration::ZERO)
        };
        self.queues.iter().map(test).collect()
    }

    fn unrouted(&self, alert: &Alert) {
        count(&self.unrouted, 1);
        let mut rules = self.logged_rules.lock().unwrap_or_else(PoisonError::into_inner);
        if rules.insert(Arc::clone(&alert.name)) {
            logged(|| {
                tracing::warn!(
                    %alert,
                    "no notifier matches the alerts of this rule: add one without .when(..)"
                );
            });
        }
    }
}

/// The number of changes that are queued before the workers run.
const AT_ONCE: usize = 100;

/// Longer than the timeout of a delivery, so that the result can contain the notifier's own error.
const TEST_DEADLINE: Duration = Duration::from_secs(12);

fn failed(queue: &NotifierQueue, error: DeliveryError, took: Duration) -> TestDelivery {
    TestDelivery { notifier: queue.name.clone(), result: Err(error), took }
}

/// The error of a test after the shutdown.
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
        let queue = |matcher| Arc::new(NotifierQueue::new("test".to_owned(), matcher));
        let queues = matchers.into_iter().map(queue).collect();
        Dispatcher::new(queues, test_alert("A", AlertStatus::Firing).origin)
    }

    /// Puts a change, and returns the number of alerts in each queue and of unrouted changes.
    fn put(dispatcher: &Dispatcher, rule: &str) -> (Vec<usize>, u64) {
        dispatcher.put(test_alert(rule, AlertStatus::Firing));
        let waits =
            |queue: &Arc<NotifierQueue>| queue.take(10).map_or(0, |taken| taken.alerts.len());
        let waiting = dispatcher.queues().iter().map(waits).collect();
        (waiting, dispatcher.unrouted.load(Ordering::Relaxed))
    }

    #[test]
    fn a_change_is_queued_for_matching_notifiers_and_counted_if_there_is_none() {
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
    fn each_notifier_gets_the_note_on_unknown_alerts_with_its_own_first_alert() {
        let dispatcher =
            dispatcher([Some(Matcher::new().rule("B")), Some(Matcher::new().rule("C"))]);
        dispatcher.note_unknown(SystemTime::UNIX_EPOCH, true);
        for rule in ["A", "B", "C"] {
            dispatcher.put(test_alert(rule, AlertStatus::Firing));
        }
        for queue in dispatcher.queues() {
            assert!(queue.take(10).unwrap().alerts[0].unknown_before.is_some());
        }
    }

    #[tokio::test]
    async fn a_worker_drains_its_queue_while_many_changes_are_queued() {
        let dispatcher = Arc::new(dispatcher([None]));
        let queue = Arc::clone(&dispatcher.queues()[0]);
        let worker = tokio::spawn(async move {
            assert!(queue.wait().await);
            queue.take(usize::MAX).unwrap().alerts.len()
        });
        let name = |n: usize| test_alert(&format!("R{n}"), AlertStatus::Firing);
        dispatcher.hand_over((0..5 * AT_ONCE).map(name).collect()).await;
        assert!(worker.await.unwrap() < 5 * AT_ONCE);
    }

    #[test]
    fn without_notifiers_no_change_counts_as_unrouted() {
        assert_eq!(put(&dispatcher([]), "A"), (vec![], 0));
    }
}
