//! The collectors of running lookouts. A scrape makes them export before it renders, so that it is
//! current.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::Collector;

/// A collector that the tick and the scrapes share.
pub(crate) type SharedCollector = Arc<Mutex<Collector>>;

static LIVE: Mutex<Vec<Weak<Mutex<Collector>>>> = Mutex::new(Vec::new());

pub(crate) fn share(collector: Collector) -> SharedCollector {
    let collector = Arc::new(Mutex::new(collector));
    let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    live.retain(|collector| collector.strong_count() > 0);
    live.push(Arc::downgrade(&collector));
    collector
}

/// Makes all live collectors export.
#[cfg(feature = "prometheus")]
pub(crate) fn export_all() {
    // Cloned, so that the list is not locked during the exports.
    let live = LIVE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for collector in live.iter().filter_map(Weak::upgrade) {
        collector.lock().unwrap_or_else(PoisonError::into_inner).export();
    }
}
