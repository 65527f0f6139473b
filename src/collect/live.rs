//! The collectors that a scrape carries over first, so that it is never stale.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::Collector;

/// A collector as the tick and the scrapes share it.
pub(crate) type SharedCollector = Arc<Mutex<Collector>>;

static LIVE: Mutex<Vec<Weak<Mutex<Collector>>>> = Mutex::new(Vec::new());

pub(crate) fn share(collector: Collector) -> SharedCollector {
    let collector = Arc::new(Mutex::new(collector));
    let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    live.retain(|collector| collector.strong_count() > 0);
    live.push(Arc::downgrade(&collector));
    collector
}

/// Carries over what all live collectors have.
#[cfg(feature = "prometheus")]
pub(crate) fn carry_all() {
    // Copied, so that no lock is held while one is carried.
    let live = LIVE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for collector in live.iter().filter_map(Weak::upgrade) {
        collector.lock().unwrap_or_else(PoisonError::into_inner).carry();
    }
}
