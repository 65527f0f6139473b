mod pending;
#[cfg(feature = "state")]
mod saved;

use std::{
    collections::{HashSet, VecDeque},
    future::pending,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use self::pending::{Entry, Queue};
#[cfg(feature = "state")]
pub(crate) use self::saved::SavedQueue;
use super::{
    repeats::Repeats,
    routing::Route,
    stats::count,
    test_queue::{Test, TestReceiver},
};
use crate::notify::{Delivered, Matcher, Notification, NotifierStatus, Stats};
use crate::{
    alert::{Alert, AlertStatus},
    catch_panic::logged,
};

/// The queued changes of one notifier: each alert at most once, within [`NotifierQueue::CAPACITY`]
/// bytes.
#[derive(Debug)]
pub(crate) struct NotifierQueue {
    pub(crate) name: String,
    /// The notifier's key in the state file: its name without a number, and a hash of its address.
    #[cfg(feature = "state")]
    key: (String, Option<String>),
    pub(crate) stats: Arc<Stats>,
    route: Route,
    waiting: Mutex<Waiting>,
    changed: Notify,
    /// Notified when the state to be saved changes.
    #[cfg(feature = "state")]
    keeper: std::sync::OnceLock<Arc<Notify>>,
}

#[derive(Debug, Default)]
struct Waiting {
    entries: Queue,
    /// The message of the delivery in flight.
    in_flight: Option<Notification>,
    repeats: Repeats,
    /// Firing alerts that the previous process delivered. The first message contains them.
    restored: Vec<Alert>,
    /// Set until a message with this note is delivered.
    unknown: Option<Unknown>,
    tests: VecDeque<Test>,
    is_closed: bool,
    /// The number of arrivals, so that a waiter can detect new ones.
    arrivals: u64,
}

/// The note that alerts before a start are unknown; see [`Alert::unknown_before`].
#[derive(Clone, Copy, Debug)]
struct Unknown {
    start: SystemTime,
    /// `None` if the state was lost.
    until: Option<Instant>,
}

/// How long after a start without a state file the first alert carries the note. Later, nobody
/// looks at an alert that the previous process left open.
const UNKNOWN_FOR: Duration = Duration::from_secs(60 * 60);

impl NotifierQueue {
    /// The capacity in bytes, enough for about 10,000 alerts of rules.
    const CAPACITY: usize = 16 << 20;

    /// A queue for the alerts that `matcher` matches, or for all.
    pub(crate) fn new(name: String, matcher: Option<Matcher>) -> Self {
        Self {
            stats: Arc::new(Stats::new(&name)),
            #[cfg(feature = "state")]
            key: (name.clone(), None),
            name,
            route: Route::new(matcher),
            waiting: Mutex::default(),
            changed: Notify::new(),
            #[cfg(feature = "state")]
            keeper: std::sync::OnceLock::new(),
        }
    }

    /// Whether the notifier gets this change. Records it, so call it once for each change.
    pub(crate) fn admit(&self, alert: &Alert) -> bool {
        self.route.admit(alert)
    }

    pub(crate) fn put(&self, alert: Alert) {
        let mut waiting = self.lock();
        waiting.arrivals += 1;
        waiting.repeats.change(&alert);
        waiting.entries.add(alert, 1);
        self.bound(waiting);
        self.changed.notify_waiters();
        self.touch();
    }

    /// Stops the repeats of these alerts, by their fingerprints, until the next call.
    pub(crate) fn mute_repeats(&self, fingerprints: Arc<HashSet<u64>>) {
        self.lock().repeats.mute(fingerprints);
        // A repeat may be due now.
        self.changed.notify_waiters();
    }

    /// Records that the alerts before this start are unknown. The first delivered alert carries the
    /// note: only within an hour, unless a state was lost.
    pub(crate) fn note_unknown(&self, start: SystemTime, is_lost: bool) {
        let until = (!is_lost).then(|| Instant::now() + UNKNOWN_FOR);
        self.lock().unknown = Some(Unknown { start, until });
    }

    /// The deliveries so far.
    pub(crate) fn status(&self) -> NotifierStatus {
        self.stats.status(&self.name, self.waiting())
    }

    /// The number of alerts that are queued or in flight.
    pub(crate) fn waiting(&self) -> usize {
        let waiting = self.lock();
        let in_flight = waiting.in_flight.as_ref().map_or(0, |taken| taken.alerts.len());
        waiting.entries.len() + in_flight
    }

    /// Queues a test before all alerts. Tests are not merged.
    pub(crate) fn put_test(&self, alert: Alert) -> TestReceiver {
        let (test, receiver) = Test::new(alert);
        let mut waiting = self.lock();
        waiting.arrivals += 1;
        waiting.tests.push_back(test);
        drop(waiting);
        self.changed.notify_waiters();
        receiver
    }

    /// The next test whose caller still waits.
    pub(crate) fn take_test(&self) -> Option<Test> {
        let mut waiting = self.lock();
        waiting.tests.retain(|test| !test.is_cancelled());
        waiting.tests.pop_front()
    }

    /// Puts the alerts in flight back at the head of the queue. An alert that has changed since
    /// then keeps its newer state.
    pub(crate) fn put_back(&self) {
        let mut waiting = self.lock();
        let Some(notification) = waiting.in_flight.take() else { return };
        for (alert, changes) in notification.iter().collect::<Vec<_>>().into_iter().rev() {
            // A repeat stays due.
            if changes > 0 {
                waiting.entries.put_back(alert, changes);
            }
        }
        self.bound(waiting);
    }

    /// Takes the queued changes and the repeats that are due, at most `most` alerts. They are in
    /// flight until they are [delivered](Self::delivered), [rejected](Self::rejected) or [put
    /// back](Self::put_back).
    pub(crate) fn take(&self, most: usize) -> Option<Notification> {
        let mut waiting = self.lock();
        let waiting = &mut *waiting;
        let first = most.min(waiting.entries.len());
        let taken = (0..first).map_while(|_| waiting.entries.pop());
        let (mut alerts, mut changes): (Vec<Alert>, Vec<u32>) =
            taken.map(|entry| (entry.alert, entry.changes)).unzip();
        if !waiting.is_closed && waiting.entries.is_empty() {
            let changed = alerts.len();
            for alert in waiting.repeats.due() {
                if alerts.len() < most
                    && !alerts[..changed].iter().any(|other| other.identity() == alert.identity())
                {
                    alerts.push(alert.clone());
                }
            }
            changes.resize(alerts.len(), 0);
        }
        if alerts.is_empty() {
            return None;
        }
        waiting.unknown = waiting.unknown.filter(Unknown::is_due);
        alerts.iter_mut().for_each(|alert| alert.unknown_before = None);
        let first_firing = alerts.iter_mut().find(|alert| alert.status == AlertStatus::Firing);
        if let (Some(alert), Some(unknown)) = (first_firing, waiting.unknown) {
            alert.unknown_before = Some(unknown.start);
        }
        let restored = mem::take(&mut waiting.restored);
        let taken = Notification { restored, ..Notification::with_changes(alerts, changes) };
        waiting.in_flight = Some(taken.clone());
        Some(taken)
    }

    /// Records that the receiver accepted the alerts in flight, except those that it left.
    pub(crate) fn delivered(&self, mut delivered: Delivered) {
        let (mut left, _) = delivered.take_left();
        let mut waiting = self.lock();
        let Waiting { entries, repeats, in_flight, unknown, .. } = &mut *waiting;
        let Some(mut taken) = in_flight.take() else { return };
        left.retain(|alert| taken.contains(alert));
        taken.remove(&left);
        *in_flight = Some(left).filter(|left| !left.alerts.is_empty());
        for alert in &taken.alerts {
            if alert.unknown_before.is_some() {
                *unknown = None;
            }
            repeats.delivered(entries.get(alert).unwrap_or(alert), &delivered);
        }
        drop(waiting);
        self.touch();
    }

    /// Drops the alerts in flight, and counts and logs them.
    pub(crate) fn rejected(&self, reason: &str) {
        let Some(notification) = self.lock().in_flight.take() else { return };
        for (alert, changes) in notification.iter() {
            self.dropped(alert, changes, reason);
            self.lock().repeats.postpone(alert);
        }
        self.touch();
    }

    /// Closes the queue. The worker ends when the queue is empty.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_waiters();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Drops all queued alerts, and counts and logs them.
    pub(crate) fn give_up(&self) {
        let reason = "not delivered before the shutdown's deadline";
        while let Some(Entry { alert, changes }) = self.pop() {
            self.dropped(&alert, changes, reason);
        }
    }

    fn dropped(&self, alert: &Alert, changes: u32, reason: &str) {
        count(&self.stats.dropped, changes as usize);
        logged(|| {
            tracing::error!(notifier = self.name, %alert, changes, reason, "alert dropped");
        });
    }

    /// Waits until there is something to deliver. Returns `false` once the queue is closed and
    /// empty.
    pub(crate) async fn wait(&self) -> bool {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let due = {
                let mut waiting = self.lock();
                if !waiting.entries.is_empty() || !waiting.tests.is_empty() {
                    return true;
                }
                if waiting.is_closed {
                    return false;
                }
                waiting.repeats.next()
            };
            tokio::select! {
                () = changed => {}
                () = until(due) => return true,
            }
        }
    }

    /// Waits for an arrival after the first `arrivals`, or until the queue is closed.
    pub(crate) async fn wait_for_news(&self, arrivals: u64) {
        self.wait_until(|waiting| waiting.arrivals > arrivals || waiting.is_closed).await;
    }

    /// Waits until the queue is closed.
    pub(crate) async fn wait_for_close(&self) {
        self.wait_until(|waiting| waiting.is_closed).await;
    }

    /// Waits for a test.
    pub(crate) async fn wait_for_test(&self) {
        self.wait_until(|waiting| !waiting.tests.is_empty()).await;
    }

    async fn wait_until(&self, condition: impl Fn(&Waiting) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if condition(&self.lock()) {
                return;
            }
            changed.await;
        }
    }

    /// Whether changes are queued.
    pub(crate) fn has_changes(&self) -> bool {
        !self.lock().entries.is_empty()
    }

    pub(crate) fn arrivals(&self) -> u64 {
        self.lock().arrivals
    }

    /// Requests a save of the state.
    fn touch(&self) {
        #[cfg(feature = "state")]
        if let Some(keeper) = self.keeper.get() {
            keeper.notify_one();
        }
    }

    /// Drops the oldest changes beyond the capacity. It logs them after it has released the lock.
    fn bound(&self, mut waiting: MutexGuard<'_, Waiting>) {
        let dropped = waiting.entries.shrink(Self::CAPACITY);
        drop(waiting);
        for Entry { alert, changes } in dropped {
            let reason = "the notifier's queue exceeds 16 MiB";
            self.dropped(&alert, changes, reason);
        }
    }

    fn pop(&self) -> Option<Entry> {
        self.lock().entries.pop()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unknown {
    fn is_due(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

#[cfg(test)]
#[path = "notifier_queue_tests.rs"]
mod tests;
