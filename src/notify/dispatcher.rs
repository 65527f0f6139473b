use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{DeliveryError, Mailbox, TestDelivery, stats::count};
use crate::{
    alert::{Alert, AlertStatus, Notice, Origin},
    collect::Carry,
    deadline::by,
    facade::{Counter, Facade, UNROUTED},
    guard::guarded,
};

/// Hands each change of an alert to the notifiers that it is for.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    mailboxes: Vec<Arc<Mailbox>>,
    origin: Arc<Origin>,
    /// Until the first alert that fires; see [`Alert::unknown_before`].
    unknown_before: Mutex<Option<SystemTime>>,
    unrouted: AtomicU64,
    counter: Mutex<Counter>,
    /// The rules whose alerts were told to be for nobody.
    told: Mutex<HashSet<Arc<str>>>,
}

impl Dispatcher {
    pub(crate) fn new(
        mailboxes: Vec<Arc<Mailbox>>,
        origin: Arc<Origin>,
        unknown_before: Option<SystemTime>,
    ) -> Self {
        Self {
            mailboxes,
            origin,
            unknown_before: Mutex::new(unknown_before),
            unrouted: AtomicU64::new(0),
            counter: Mutex::new(Counter::new(UNROUTED, Vec::new())),
            told: Mutex::default(),
        }
    }

    /// Nothing is known of the alerts before this start.
    #[cfg(feature = "state")]
    pub(crate) fn note_unknown(&self, start: SystemTime) {
        *self.unknown_before.lock().unwrap_or_else(PoisonError::into_inner) = Some(start);
    }

    pub(crate) fn mailboxes(&self) -> &[Arc<Mailbox>] {
        &self.mailboxes
    }

    pub(crate) fn put(&self, changes: Vec<Alert>) {
        for mut alert in changes {
            if alert.status == AlertStatus::Firing {
                let mut unknown =
                    self.unknown_before.lock().unwrap_or_else(PoisonError::into_inner);
                alert.unknown_before = unknown.take();
            }
            let mut is_routed = self.mailboxes.is_empty();
            for mailbox in self.mailboxes.iter().filter(|mailbox| mailbox.takes(&alert)) {
                is_routed = true;
                // It may log, and whoever writes the log may panic: the other ones get it.
                let _ = guarded(|| mailbox.put(alert.clone()));
            }
            if !is_routed {
                let _ = guarded(|| self.unrouted(&alert));
            }
        }
    }

    /// Sends a test to each notifier, all at the same time, whatever it is for.
    pub(crate) async fn send_test(&self) -> Vec<TestDelivery> {
        let deadline = Instant::now() + TEST_DEADLINE;
        let test = Alert::of_notice(Notice::Test, SystemTime::now(), &self.origin);
        let asked: Vec<_> =
            self.mailboxes.iter().map(|mailbox| mailbox.put_test(test.clone())).collect();
        let mut deliveries = Vec::with_capacity(asked.len());
        for (mailbox, answered) in self.mailboxes.iter().zip(asked) {
            match by(deadline, answered).await {
                Ok(Ok(answers)) => {
                    deliveries.extend(answers.into_iter().map(|answer| answer.of(&mailbox.name)));
                }
                Ok(Err(_)) => deliveries.push(ended(mailbox)),
                Err(elapsed) => {
                    let error = DeliveryError::retry(elapsed);
                    deliveries.push(failed(mailbox, error, TEST_DEADLINE));
                }
            }
        }
        deliveries
    }

    /// What becomes of a test once the lookout has ended.
    pub(crate) fn untested(&self) -> Vec<TestDelivery> {
        self.mailboxes.iter().map(|mailbox| ended(mailbox)).collect()
    }

    fn unrouted(&self, alert: &Alert) {
        count(&self.unrouted, 1);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(Arc::clone(&alert.rule)) {
            tracing::warn!(
                %alert,
                "no notifier is for the alerts of this rule: add one without .when(..)"
            );
        }
    }
}

/// A little longer than a delivery may take, so that the notifier's own failure is told.
const TEST_DEADLINE: Duration = Duration::from_secs(12);

fn failed(mailbox: &Mailbox, error: DeliveryError, took: Duration) -> TestDelivery {
    TestDelivery { notifier: mailbox.name.clone(), result: Err(error), took }
}

fn ended(mailbox: &Mailbox) -> TestDelivery {
    failed(mailbox, DeliveryError::rejected("the lookout has ended"), Duration::ZERO)
}

impl Carry for Dispatcher {
    fn carry(&self, facade: &Facade) {
        let mut counter = self.counter.lock().unwrap_or_else(PoisonError::into_inner);
        counter.set(facade, self.unrouted.load(Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{alert::test_alert, notify::Matcher};

    fn dispatcher(matchers: impl IntoIterator<Item = Option<Matcher>>) -> Dispatcher {
        let mailbox = |matcher| Arc::new(Mailbox::new("test".to_owned(), matcher));
        let mailboxes = matchers.into_iter().map(mailbox).collect();
        Dispatcher::new(mailboxes, test_alert("A", AlertStatus::Firing).origin, Some(START))
    }

    const START: SystemTime = SystemTime::UNIX_EPOCH;

    /// What waits in each mailbox, and how many changes were for nobody.
    fn put(dispatcher: &Dispatcher, rule: &str) -> (Vec<usize>, u64) {
        dispatcher.put(vec![test_alert(rule, AlertStatus::Firing)]);
        let waits = |mailbox: &Arc<Mailbox>| mailbox.take(10).map_or(0, |taken| taken.alerts.len());
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
    fn the_first_alert_that_fires_says_before_when_nothing_is_known() {
        let dispatcher = dispatcher([None, None]);
        let changes = [AlertStatus::Resolved, AlertStatus::Firing, AlertStatus::Firing];
        let alerts = ["A", "B", "C"].into_iter().zip(changes);
        dispatcher.put(alerts.map(|(rule, status)| test_alert(rule, status)).collect());
        for mailbox in dispatcher.mailboxes() {
            let told = mailbox.take(10).unwrap().alerts;
            let unknown: Vec<_> = told.iter().map(|alert| alert.unknown_before).collect();
            assert_eq!(unknown, [None, Some(START), None]);
        }
    }

    #[test]
    fn where_there_are_no_notifiers_nothing_is_missed() {
        assert_eq!(put(&dispatcher([]), "A"), (vec![], 0));
    }
}
