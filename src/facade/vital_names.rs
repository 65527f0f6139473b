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

/// What the features at hand can tell of the runtime and the process, with what it says.
pub(super) const TEXTS: &[&[Text]] = &[
    LAG,
    #[cfg(feature = "process")]
    PROCESS,
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
