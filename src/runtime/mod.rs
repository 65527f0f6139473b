//! Metrics of the application's runtime and of the process. A busy runtime often causes slow
//! requests.
//!
//! The lookout's thread reads them, since a blocked runtime cannot report that it is blocked.

mod probe;
#[cfg(feature = "process")]
mod process;
#[cfg(feature = "runtime-metrics")]
mod scheduler;

use std::time::Duration;

use tokio::runtime::Handle;

use self::probe::Probe;
use crate::{
    catch_panic::logged,
    facade::{Facade, Gauge, RUNTIME_LAG},
};

/// The time between two probes. They may miss a shorter stall.
pub(crate) const PROBE_INTERVAL: Duration = Duration::from_millis(100);

/// The metrics of the application's runtime and of the process.
#[derive(Debug)]
pub(crate) struct RuntimeStats {
    /// `None` without a runtime, and after its shutdown.
    probe: Option<Probe>,
    lag: Gauge,
    is_lag_exported: bool,
    #[cfg(feature = "process")]
    process: process::Process,
    #[cfg(feature = "runtime-metrics")]
    scheduler: Option<scheduler::Scheduler>,
}

impl RuntimeStats {
    pub(crate) fn new(runtime: Option<Handle>) -> Self {
        Self {
            #[cfg(feature = "process")]
            process: process::Process::new(),
            #[cfg(feature = "runtime-metrics")]
            scheduler: runtime.as_ref().map(scheduler::Scheduler::new),
            probe: runtime.map(Probe::new),
            lag: Gauge::new(RUNTIME_LAG, Vec::new()),
            is_lag_exported: false,
        }
    }

    pub(crate) fn has_probe(&self) -> bool {
        self.probe.is_some()
    }

    /// Sends a probe, unless the last one has not run yet.
    pub(crate) fn probe(&mut self) {
        if self.probe.as_mut().is_some_and(|probe| !probe.send()) {
            logged(|| {
                tracing::debug!("the application's runtime has shut down: probing ends");
            });
            self.probe = None;
        }
    }

    /// Exports the metrics, and returns the longest lag since the last tick.
    pub(crate) fn tick(&mut self, facade: &Facade) -> Option<Duration> {
        #[cfg(feature = "process")]
        self.process.export(facade);
        #[cfg(feature = "runtime-metrics")]
        if let Some(scheduler) = &mut self.scheduler {
            // Export before the next probe is sent, since the scheduler would count it as a task.
            scheduler.export(facade);
        }
        self.probe();
        let delays = self.probe.as_mut().map(Probe::take);
        #[cfg(feature = "runtime-metrics")]
        if let (Some(scheduler), Some(delays)) = (&mut self.scheduler, delays) {
            scheduler.export_delay(facade, delays.mean);
        }
        let lag = delays.map(|delays| delays.worst);
        if lag.is_some() || self.is_lag_exported {
            // After the runtime has shut down, the gauge must not keep the last lag.
            self.lag.set(facade, lag.map_or(f64::NAN, |lag| lag.as_secs_f64()));
            self.is_lag_exported = lag.is_some();
        }
        lag
    }
}
