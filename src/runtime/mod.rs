//! The application's runtime and the process: not what requests show, but where the cause often is.
//!
//! All of it is read on the lookout's thread: a blocked runtime can't tell that it is.

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

/// How often a probe is sent; a stall that is shorter may fall between two.
pub(crate) const PROBE_INTERVAL: Duration = Duration::from_millis(100);

/// What is known of the process besides its requests.
#[derive(Debug)]
pub(crate) struct RuntimeStats {
    /// None without a runtime, or once that is gone.
    probe: Option<Probe>,
    lag: Gauge,
    is_lag_told: bool,
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
            is_lag_told: false,
        }
    }

    pub(crate) fn has_probe(&self) -> bool {
        self.probe.is_some()
    }

    /// Sends a probe, unless one is still out.
    pub(crate) fn beat(&mut self) {
        if self.probe.as_mut().is_some_and(|probe| !probe.beat()) {
            logged(|| {
                tracing::debug!("the application's runtime is gone: it is probed no more");
            });
            self.probe = None;
        }
    }

    /// Tells the facade all there is, and gives the worst lag since the last tick.
    pub(crate) fn tick(&mut self, facade: &Facade) -> Option<Duration> {
        #[cfg(feature = "process")]
        self.process.carry(facade);
        #[cfg(feature = "runtime-metrics")]
        if let Some(scheduler) = &mut self.scheduler {
            // Before the next probe is sent, which would count among the tasks.
            scheduler.carry(facade);
        }
        self.beat();
        let delays = self.probe.as_mut().map(Probe::take);
        #[cfg(feature = "runtime-metrics")]
        if let (Some(scheduler), Some(delays)) = (&mut self.scheduler, delays) {
            scheduler.delayed(facade, delays.mean);
        }
        let lag = delays.map(|delays| delays.worst);
        if lag.is_some() || self.is_lag_told {
            // A runtime that is gone has no lag, and the last one must not stand for ever.
            self.lag.set(facade, lag.map_or(f64::NAN, |lag| lag.as_secs_f64()));
            self.is_lag_told = lag.is_some();
        }
        lag
    }
}
