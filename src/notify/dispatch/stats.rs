use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use metrics::{Label, SharedString};

use crate::notify::Delivered;
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
        }
    }

    /// Counts an accepted message, and the attempts that failed before it.
    pub(crate) fn delivered(&self, delivered: &Delivered) {
        count(&self.sent, 1);
        count(&self.failed, delivered.failed_attempts());
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
