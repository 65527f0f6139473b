use std::{
    error::Error,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use metrics::{Label, SharedString};

use crate::notify::{Delivered, NotifierStatus, error::cause_of};
use crate::{
    collect::Export,
    facade::{Counter, DROPPED, FAILED, Facade, RETRIED, SENT},
};

/// Counts a notifier's deliveries.
#[derive(Debug)]
pub(crate) struct Stats {
    pub(crate) sent: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) retried: AtomicU64,
    pub(crate) dropped: AtomicU64,
    counters: Mutex<[Counter; 4]>,
    last: Mutex<Last>,
}

/// The last delivery and the last failure.
#[derive(Clone, Debug, Default)]
struct Last {
    sent_at: Option<SystemTime>,
    failed_at: Option<SystemTime>,
    error: Option<String>,
    is_failing: bool,
}

impl Stats {
    pub(crate) fn new(notifier: &str) -> Self {
        let counter = |name| {
            let label = Label::new("notifier", SharedString::from_owned(notifier.to_owned()));
            Counter::new(name, vec![label])
        };
        Self {
            sent: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            retried: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            counters: Mutex::new([SENT, FAILED, RETRIED, DROPPED].map(counter)),
            last: Mutex::default(),
        }
    }

    /// Counts an accepted message, and the attempts that failed before it.
    pub(crate) fn delivered(&self, delivered: &Delivered) {
        count(&self.sent, 1);
        count(&self.failed, delivered.failed_attempts());
        let mut last = self.lock_last();
        last.sent_at = Some(SystemTime::now());
        last.is_failing = false;
    }

    /// Counts an attempt that failed.
    pub(super) fn attempt_failed(&self, error: &(dyn Error + 'static)) {
        count(&self.failed, 1);
        let mut last = self.lock_last();
        last.failed_at = Some(SystemTime::now());
        last.error = Some(cause_of(error));
        last.is_failing = true;
    }

    /// The status of the notifier `name` with `waiting` alerts in its queue.
    pub(super) fn status(&self, name: &str, waiting: usize) -> NotifierStatus {
        let Last { sent_at, failed_at, error, is_failing } = self.lock_last().clone();
        NotifierStatus {
            name: name.to_owned(),
            waiting,
            sent: self.sent.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            retried: self.retried.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            is_failing,
            last_sent_at: sent_at,
            last_failed_at: failed_at,
            last_error: error,
        }
    }

    fn lock_last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Export for Stats {
    fn export(&self, facade: &Facade) {
        let totals = [&self.sent, &self.failed, &self.retried, &self.dropped];
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        for (counter, total) in counters.iter_mut().zip(totals) {
            counter.set(facade, total.load(Ordering::Relaxed));
        }
    }
}

pub(crate) fn count(counter: &AtomicU64, by: usize) {
    counter.fetch_add(by as u64, Ordering::Relaxed);
}
