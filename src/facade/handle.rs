use std::sync::Arc;

use metrics::{Key, KeyName, Label, Recorder, SharedString};

use super::Facade;

/// A handle of the facade: registered when it is first needed, again when another recorder is found,
/// and again when the recorder has dropped the series.
///
/// A recorder may drop a series that was idle, and the facade has no call that says so: a handle goes on
/// to write to a cell that nobody reads. But a recorder that keeps series in a registry keeps their keys.
/// So each handle registers under a name of its own allocation: once nobody else refers to it, the
/// series is gone.
#[derive(Debug)]
pub(super) struct Handle<H> {
    key: Key,
    registered: Option<Registered<H>>,
}

#[derive(Debug)]
struct Registered<H> {
    epoch: u32,
    handle: H,
    /// The name in the key that was registered.
    name: Arc<str>,
    /// Whether the recorder kept that key. It does not if it keeps none, or if it has an equal one,
    /// because another lookout shares the series.
    is_kept: bool,
}

impl<H> Registered<H> {
    fn new(facade: &Facade, key: &Key, register: impl FnOnce(&dyn Recorder, &Key) -> H) -> Self {
        let key = facade.dialect.key(key);
        let name: Arc<str> = key.name().into();
        let labels: Vec<Label> = key.labels().cloned().collect();
        let key = Key::from_parts(SharedString::from_shared(Arc::clone(&name)), labels);
        let handle = facade.with(|recorder| register(recorder, &key));
        drop(key);
        let is_kept = is_shared(&name);
        Self { epoch: facade.epoch, handle, name, is_kept }
    }

    fn is_dropped(&self) -> bool {
        self.is_kept && !is_shared(&self.name)
    }
}

fn is_shared(name: &Arc<str>) -> bool {
    Arc::strong_count(name) > 1
}

impl<H> Handle<H> {
    pub(super) fn new(name: impl Into<KeyName>, labels: Vec<Label>) -> Self {
        Self { key: Key::from_parts(name, labels), registered: None }
    }

    /// The handle, and whether its series starts from zero, so that the whole total is due.
    ///
    /// Where something is to be written (`is_due`), the series is registered again if it was dropped, or
    /// if nobody can say; where nothing is, it stays dropped.
    pub(super) fn take(
        &mut self,
        facade: &Facade,
        is_due: bool,
        register: impl FnOnce(&dyn Recorder, &Key) -> H,
    ) -> (&H, bool) {
        let known = self.registered.take().filter(|known| known.epoch == facade.epoch);
        let (registered, is_from_zero) = match known {
            Some(known) if !is_due || (known.is_kept && !known.is_dropped()) => (known, false),
            known => {
                let new = Registered::new(facade, &self.key, register);
                // An equal key was there before, and was dropped if this one was kept.
                let is_from_zero =
                    known.is_none_or(|known| known.is_dropped() || !known.is_kept && new.is_kept);
                (new, is_from_zero)
            }
        };
        (&self.registered.insert(registered).handle, is_from_zero)
    }
}
