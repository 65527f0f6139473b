//! The `metrics` facade: the recorder, the catalogue of all metrics with their names and labels,
//! and handles that survive a change of the recorder.
//!
//! Only the tick and the scrape use it, never a request.

mod catalogue;
mod describe;
mod family;
mod handle;
mod handles;
mod metric;
mod metric_naming;
mod presets;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use metrics::Recorder;

#[cfg(test)]
pub(crate) use self::catalogue::metrics;
#[cfg(feature = "process")]
pub(crate) use self::catalogue::{
    PROCESS_CPU, PROCESS_MAX_FDS, PROCESS_MAX_VIRTUAL, PROCESS_OPEN_FDS, PROCESS_RESIDENT,
    PROCESS_START, PROCESS_THREADS, PROCESS_VIRTUAL,
};
#[cfg(feature = "runtime-metrics")]
pub(crate) use self::catalogue::{
    TOKIO_BUSIEST, TOKIO_BUSY, TOKIO_POLL_DELAY, TOKIO_QUEUE, TOKIO_TASKS, TOKIO_WORKERS,
};
#[cfg(feature = "prometheus")]
pub(crate) use self::metric_naming::after_prefix;
pub use self::presets::{GrpcType, Preset};
pub(crate) use self::presets::{Names, OutcomeFilter, Presets, Values};
pub(crate) use self::{
    catalogue::{
        ACKNOWLEDGED, ALERT_STATE, DROPPED, FAILED, MEMORY, OVERFLOWED, REPORTS, RETRIED,
        RULE_THRESHOLD, RULE_VALUE, RUNTIME_LAG, SENT, SILENCES, SUPPRESSED, THROUGHPUT, UNROUTED,
    },
    family::of_family,
    handles::{Counter, Gauge, Histogram},
    metric_naming::{MetricNaming, is_name, label_problem},
};
use crate::catch_panic::{guarded, logged};

/// A recorder that several threads share.
pub(crate) type SharedRecorder = Arc<dyn Recorder + Send + Sync>;

/// The connection to a recorder: the builder's, or else the global one as soon as it is installed.
pub(crate) struct Facade {
    given: Option<SharedRecorder>,
    naming: MetricNaming,
    /// The address of the recorder at which the handles are registered.
    resolved: usize,
    epoch: u32,
    /// Whether the recorder panicked. It is not called again.
    is_broken: AtomicBool,
}

impl Facade {
    pub(crate) fn new(given: Option<SharedRecorder>, naming: MetricNaming) -> Self {
        Self { given, naming, resolved: 0, epoch: 0, is_broken: AtomicBool::new(false) }
    }

    /// Returns the names and labels of the metrics.
    pub(crate) fn naming(&self) -> &MetricNaming {
        &self.naming
    }

    /// Looks up the recorder again. A handle that registered before the global recorder was
    /// installed records nothing. So after a change all handles register again and export their
    /// totals.
    pub(crate) fn resolve(&mut self) {
        let address = self.address();
        if address != self.resolved {
            self.resolved = address;
            self.epoch += 1;
            self.is_broken.store(false, Ordering::Relaxed);
            self.guard(|| self.with(|recorder| describe::describe(recorder, &self.naming)));
        }
    }

    /// Returns whether the calling thread sees the resolved recorder. A thread inside
    /// `metrics::with_local_recorder` sees another one, and must not export anything.
    pub(crate) fn sees_recorder(&self) -> bool {
        self.address() == self.resolved
    }

    /// Returns whether the builder has a recorder, or a global one is installed.
    pub(crate) fn has_recorder(&self) -> bool {
        // Without a recorder, `metrics` returns a no-op recorder, which has no size.
        self.given.is_some() || self.with(|recorder| size_of_val(recorder) > 0)
    }

    /// Returns a number that changes with the recorder.
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Calls the recorder. If it panics, logs the panic and does not call the recorder again, so
    /// that the lookout still evaluates its rules.
    fn guard(&self, call: impl FnOnce()) {
        if !self.is_broken.load(Ordering::Relaxed) && guarded(call).is_err() {
            self.is_broken.store(true, Ordering::Relaxed);
            logged(|| {
                tracing::error!(
                    "the metrics recorder panicked: the lookout exports no more metrics to it"
                );
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
