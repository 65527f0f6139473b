use std::sync::Arc;

use metrics::{Key, KeyName, Label, Recorder, SharedString};

use super::Facade;

/// A handle to a recorder's series. It registers the series at first use, and again after the
/// recorder has changed or has dropped the series.
///
/// A recorder may drop an idle series without notifying the handle, which then writes to a cell
/// that nobody reads. The handle detects this through the key, which a recorder with a registry
/// keeps for as long as the series. Each handle allocates the name of its key itself: once nothing
/// else refers to the allocation, the recorder has dropped the series.
#[derive(Debug)]
pub(super) struct Handle<H> {
    key: Key,
    registered: Option<Registered<H>>,
}

#[derive(Debug)]
struct Registered<H> {
    epoch: u32,
    handle: H,
    /// The name of the registered key.
    name: Arc<str>,
    /// Whether the recorder has been seen to keep this key. A recorder without a registry never
    /// does, nor does one that already has an equal key because another lookout shares the series.
    is_kept: bool,
}

/// Whether the recorder still has a registered series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Kept,
    Dropped,
    Unknown,
}

impl<H> Registered<H> {
    fn new(facade: &Facade, key: &Key, register: impl FnOnce(&dyn Recorder, &Key) -> H) -> Self {
        let key = facade.naming.key(key);
        let name: Arc<str> = key.name().into();
        let labels: Vec<Label> = key.labels().cloned().collect();
        let key = Key::from_parts(SharedString::from_shared(Arc::clone(&name)), labels);
        let handle = facade.with(|recorder| register(recorder, &key));
        Self { epoch: facade.epoch, handle, name, is_kept: false }
    }

    fn presence(&mut self) -> Presence {
        let is_shared = Arc::strong_count(&self.name) > 1;
        match (is_shared, self.is_kept) {
            (true, _) => {
                self.is_kept = true;
                Presence::Kept
            }
            (false, true) => Presence::Dropped,
            // The recorder may never have kept this key, or not for long, as a queue does.
            (false, false) => Presence::Unknown,
        }
    }
}

impl<H> Handle<H> {
    pub(super) fn new(name: impl Into<KeyName>, labels: Vec<Label>) -> Self {
        Self { key: Key::from_parts(name, labels), registered: None }
    }

    /// Returns the handle, and whether its series starts at zero and so needs the whole total.
    ///
    /// If there is something to write (`is_due`), registers the series again unless the recorder
    /// certainly has it. Otherwise a dropped series stays dropped.
    pub(super) fn take(
        &mut self,
        facade: &Facade,
        is_due: bool,
        register: impl FnOnce(&dyn Recorder, &Key) -> H,
    ) -> (&H, bool) {
        let known = self.registered.take().filter(|known| known.epoch == facade.epoch);
        let (registered, is_from_zero) = match known {
            None => (Registered::new(facade, &self.key, register), true),
            Some(mut known) => match known.presence() {
                Presence::Dropped if is_due => (Registered::new(facade, &self.key, register), true),
                Presence::Unknown if is_due => {
                    (Registered::new(facade, &self.key, register), false)
                }
                _ => (known, false),
            },
        };
        (&self.registered.insert(registered).handle, is_from_zero)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, atomic::Ordering};

    use metrics::{Counter, Gauge, Histogram, Metadata, Unit};
    use metrics_util::registry::{AtomicStorage, Registry};

    use super::*;
    use crate::facade::{self, MetricNaming};

    /// The keys that a recorder keeps, or holds in a queue for a while.
    struct Keys {
        registry: Registry<Key, AtomicStorage>,
        queue: Option<Mutex<Vec<Key>>>,
    }

    impl Keys {
        fn total(&self) -> Option<u64> {
            let cells = self.registry.get_counter_handles();
            cells.into_values().next().map(|cell| cell.load(Ordering::Relaxed))
        }
    }

    struct Fake(Arc<Keys>);

    impl Recorder for Fake {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            let mut kept = key.clone();
            if let Some(queue) = &self.0.queue {
                queue.lock().unwrap().push(kept);
                kept = Key::from_name(key.name().to_owned());
            }
            let registry = &self.0.registry;
            registry.get_or_create_counter(&kept, |cell| Counter::from_arc(Arc::clone(cell)))
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    fn start(queue: Option<Mutex<Vec<Key>>>) -> (Arc<Keys>, Facade, facade::Counter) {
        let keys = Arc::new(Keys { registry: Registry::new(AtomicStorage), queue });
        let mut facade =
            Facade::new(Some(Arc::new(Fake(Arc::clone(&keys)))), MetricNaming::default());
        facade.resolve();
        (keys, facade, facade::Counter::new("c_total", Vec::new()))
    }

    #[test]
    fn a_dropped_series_is_registered_again_with_its_total_at_the_next_change() {
        let (keys, facade, mut counter) = start(None);
        for total in [3, 4] {
            counter.set(&facade, total);
            counter.set(&facade, total);
            assert_eq!(keys.total(), Some(total));
            keys.registry.clear();
            counter.set(&facade, total);
            assert_eq!(keys.total(), None, "the total has not changed");
        }
    }

    #[test]
    fn a_recorder_that_queues_keys_receives_each_count_once() {
        let (keys, facade, mut counter) = start(Some(Mutex::default()));
        for total in [1, 1, 2, 3, 3, 4] {
            counter.set(&facade, total);
            assert_eq!(keys.total(), Some(total));
            keys.queue.as_ref().unwrap().lock().unwrap().clear();
        }
    }
}
