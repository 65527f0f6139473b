//! The way to the `metrics` facade: the recorder, the names, and handles that outlive a change of it.
//!
//! Only the tick and the scrape come here, never a request.

mod family;
mod handle;
mod handles;
mod metric_naming;
mod names;
mod preset;
mod vital_names;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use metrics::Recorder;

#[cfg(feature = "prometheus")]
pub(crate) use self::metric_naming::after_prefix;
pub use self::preset::{GrpcType, Preset};
pub(crate) use self::{
    family::of_family,
    handles::{Counter, Gauge, Histogram},
    metric_naming::{MetricNaming, is_name, label_problem},
    names::*,
    preset::Presets,
    vital_names::*,
};
use crate::catch_panic::{guarded, logged};

/// A recorder that several threads may use.
pub(crate) type SharedRecorder = Arc<dyn Recorder + Send + Sync>;

/// The recorder that the builder was given, or else the global one, whenever that is installed.
pub(crate) struct Facade {
    given: Option<SharedRecorder>,
    dialect: MetricNaming,
    /// The address of the recorder that the handles are from.
    resolved: usize,
    epoch: u32,
    /// The recorder panicked: it is somebody else's code, and is left alone then.
    is_broken: AtomicBool,
}

impl Facade {
    pub(crate) fn new(given: Option<SharedRecorder>, dialect: MetricNaming) -> Self {
        Self { given, dialect, resolved: 0, epoch: 0, is_broken: AtomicBool::new(false) }
    }

    /// How the metrics are called and labelled.
    pub(crate) fn dialect(&self) -> &MetricNaming {
        &self.dialect
    }

    /// Looks for the recorder again. A handle from before the global one was installed is dead for
    /// ever, so a change makes all handles anew, and each carries its whole total over.
    pub(crate) fn resolve(&mut self) {
        let address = self.address();
        if address != self.resolved {
            self.resolved = address;
            self.epoch += 1;
            self.is_broken.store(false, Ordering::Relaxed);
            self.guard(|| self.with(|recorder| names::describe(recorder, &self.dialect)));
        }
    }

    /// Whether the calling thread sees the recorder that was resolved: one that is under
    /// `metrics::with_local_recorder` does not, and must not carry anything over.
    pub(crate) fn in_sight(&self) -> bool {
        self.address() == self.resolved
    }

    /// Whether the builder was given a recorder, or a global one is installed.
    pub(crate) fn has_recorder(&self) -> bool {
        // In place of none the facade has one without any state.
        self.given.is_some() || self.with(|recorder| size_of_val(recorder) > 0)
    }

    /// Changes whenever another recorder was found.
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Runs what calls the recorder. Its panic must stop no verdict: it is logged, and the recorder is
    /// not called again.
    fn guard(&self, call: impl FnOnce()) {
        if !self.is_broken.load(Ordering::Relaxed) && guarded(call).is_err() {
            self.is_broken.store(true, Ordering::Relaxed);
            logged(|| {
                tracing::error!("the metrics recorder panicked: it gets no more figures");
            });
        }
    }

    fn with<R>(&self, f: impl FnOnce(&dyn Recorder) -> R) -> R {
        match &self.given {
            Some(recorder) => f(recorder),
            None => metrics::with_recorder(f),
        }
    }

    fn address(&self) -> usize {
        match &self.given {
            Some(recorder) => Arc::as_ptr(recorder).cast::<()>().addr(),
            None => {
                metrics::with_recorder(|recorder| std::ptr::from_ref(recorder).cast::<()>().addr())
            }
        }
    }
}

impl fmt::Debug for Facade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facade")
            .field("given", &self.given.is_some())
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}
