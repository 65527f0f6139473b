use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use metrics::{Label, SharedString};

use super::Delivered;
use crate::{
    collect::Carry,
    facade::{Counter, DROPPED, FAILED, Facade, RETRIED, SENT},
};

/// What became of a notifier's messages.
#[derive(Debug)]
pub(crate) struct Stats {
    pub(super) sent: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) retried: AtomicU64,
    pub(super) dropped: AtomicU64,
    counters: Mutex<[Counter; 4]>,
}

impl Stats {
    pub(super) fn new(notifier: &str) -> Self {
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

    /// A receiver accepted a message, be it the second one of an `or_else`.
    pub(super) fn delivered(&self, delivered: &Delivered) {
        count(&self.sent, 1);
        count(&self.failed, delivered.failed);
    }
}

impl Carry for Stats {
    fn carry(&self, facade: &Facade) {
        let totals = [&self.sent, &self.failed, &self.retried, &self.dropped];
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        for (counter, total) in counters.iter_mut().zip(totals) {
            counter.set(facade, total.load(Ordering::Relaxed));
        }
    }
}

pub(super) fn count(counter: &AtomicU64, by: usize) {
    counter.fetch_add(by as u64, Ordering::Relaxed);
}
