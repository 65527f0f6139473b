use metrics::Unit;

use super::names::{Kind::Gauge, Text};

pub(crate) const RUNTIME_LAG: &str = "lookout_runtime_lag_seconds";

#[cfg(feature = "process")]
pub(crate) const PROCESS_CPU: &str = "process_cpu_seconds_total";

/// Prometheus's own names for a process.
#[cfg(feature = "process")]
pub(crate) const PROCESS_GAUGES: [&str; 7] = [
    "process_open_fds",
    "process_max_fds",
    "process_virtual_memory_bytes",
    "process_virtual_memory_max_bytes",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_threads",
];

#[cfg(feature = "runtime-metrics")]
mod tokio {
    pub(crate) const TOKIO_WORKERS: &str = "tokio_runtime_workers";
    pub(crate) const TOKIO_TASKS: &str = "tokio_runtime_live_tasks";
    pub(crate) const TOKIO_QUEUE: &str = "tokio_runtime_global_queue_depth";
    pub(crate) const TOKIO_BUSY: &str = "tokio_runtime_busy_ratio";
    pub(crate) const TOKIO_BUSIEST: &str = "tokio_runtime_busiest_worker_ratio";
    pub(crate) const TOKIO_POLL_DELAY: &str = "tokio_runtime_mean_poll_delay_seconds";
}
#[cfg(feature = "runtime-metrics")]
pub(crate) use self::tokio::*;

/// What the features at hand can tell of the runtime and the process, with what it says.
pub(super) const TEXTS: &[&[Text]] = &[
    LAG,
    #[cfg(feature = "process")]
    PROCESS,
    #[cfg(feature = "runtime-metrics")]
    SCHEDULER,
];

const LAG: &[Text] = &[(
    RUNTIME_LAG,
    Gauge,
    Unit::Seconds,
    "How late a task that was spawned on the application's runtime ran, the worst since the last tick.",
)];

#[cfg(feature = "process")]
const PROCESS: &[Text] = &{
    let [fds, max_fds, memory, max_memory, resident, started, threads] = PROCESS_GAUGES;
    [
        (
            PROCESS_CPU,
            super::names::Kind::Counter,
            Unit::Seconds,
            "Processor time of the process, user and system, in whole seconds.",
        ),
        (fds, Gauge, Unit::Count, "Open file descriptors."),
        (
            max_fds,
            Gauge,
            Unit::Count,
            "Most file descriptors that may be open; +Inf for any number.",
        ),
        (memory, Gauge, Unit::Bytes, "Virtual memory."),
        (max_memory, Gauge, Unit::Bytes, "Most virtual memory that may be had; +Inf for any."),
        (resident, Gauge, Unit::Bytes, "Resident memory."),
        (started, Gauge, Unit::Seconds, "When the process started, since the Unix epoch."),
        (threads, Gauge, Unit::Count, "Threads of the operating system."),
    ]
};

#[cfg(feature = "runtime-metrics")]
const SCHEDULER: &[Text] = &[
    (TOKIO_WORKERS, Gauge, Unit::Count, "Worker threads of the application's runtime."),
    (TOKIO_TASKS, Gauge, Unit::Count, "Tasks that have not ended."),
    (TOKIO_QUEUE, Gauge, Unit::Count, "Tasks that wait in the runtime's global queue."),
    (
        TOKIO_BUSY,
        Gauge,
        Unit::Count,
        "Share of the time since the last tick that the workers were busy, 0 to 1.",
    ),
    (TOKIO_BUSIEST, Gauge, Unit::Count, "The same of the worker that was busy the most."),
    (
        TOKIO_POLL_DELAY,
        Gauge,
        Unit::Seconds,
        "Mean time from the spawn of the lookout's probes to their poll, since the last tick.",
    ),
];
