use std::{fmt, time::Duration};

use tokio::runtime::Handle;
use tokio_metrics::{RuntimeIntervals, RuntimeMonitor};

use crate::facade::{
    Facade, Gauge, TOKIO_BUSIEST, TOKIO_BUSY, TOKIO_POLL_DELAY, TOKIO_QUEUE, TOKIO_TASKS,
    TOKIO_WORKERS,
};

/// The metrics of tokio's scheduler that do not need `tokio_unstable`.
pub(super) struct Scheduler {
    intervals: RuntimeIntervals,
    workers: Gauge,
    tasks: Gauge,
    queue: Gauge,
    busy: Gauge,
    busiest: Gauge,
    poll_delay: Gauge,
}

impl Scheduler {
    pub(super) fn new(runtime: &Handle) -> Self {
        let gauge = |name| Gauge::new(name, Vec::new());
        Self {
            intervals: RuntimeMonitor::new(runtime).intervals(),
            workers: gauge(TOKIO_WORKERS),
            tasks: gauge(TOKIO_TASKS),
            queue: gauge(TOKIO_QUEUE),
            busy: gauge(TOKIO_BUSY),
            busiest: gauge(TOKIO_BUSIEST),
            poll_delay: gauge(TOKIO_POLL_DELAY),
        }
    }

    pub(super) fn export(&mut self, facade: &Facade) {
        let Some(interval) = self.intervals.next() else { return };
        let workers = interval.workers_count;
        self.workers.set(facade, workers as f64);
        self.tasks.set(facade, interval.live_tasks_count as f64);
        self.queue.set(facade, interval.global_queue_depth as f64);
        let elapsed = interval.elapsed;
        let busy = busy_ratio(interval.total_busy_duration, elapsed, workers);
        self.busy.set(facade, busy);
        self.busiest.set(facade, busy_ratio(interval.max_busy_duration, elapsed, 1));
    }

    /// Exports the mean delay of the probes. tokio measures the delays of instrumented tasks only.
    pub(super) fn export_delay(&mut self, facade: &Facade, mean: Duration) {
        self.poll_delay.set(facade, mean.as_secs_f64());
    }
}

/// Returns the busy share of the workers' time. A worker reports its time when it parks, possibly
/// in a later interval, so the ratio is limited to 1.
fn busy_ratio(busy: Duration, elapsed: Duration, workers: usize) -> f64 {
    let all = elapsed.as_secs_f64() * workers as f64;
    if all > 0.0 { (busy.as_secs_f64() / all).min(1.0) } else { 0.0 }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busy_ratio_covers_all_workers_and_is_at_most_one() {
        const SECOND: Duration = Duration::from_secs(1);
        assert_eq!(busy_ratio(SECOND, SECOND, 4), 0.25);
        assert_eq!(busy_ratio(SECOND * 3, SECOND, 1), 1.0);
        assert_eq!(busy_ratio(Duration::ZERO, Duration::ZERO, 0), 0.0);
    }
}
