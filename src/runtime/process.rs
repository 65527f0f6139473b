use metrics_process::collector::{Metrics, collect};

use crate::facade::{
    Counter, Facade, Gauge, PROCESS_CPU, PROCESS_MAX_FDS, PROCESS_MAX_VIRTUAL, PROCESS_OPEN_FDS,
    PROCESS_RESIDENT, PROCESS_START, PROCESS_THREADS, PROCESS_VIRTUAL,
};

/// The resources of the process, as the operating system reports them.
#[derive(Debug)]
pub(super) struct Process {
    cpu: Counter,
    gauges: [Gauge; GAUGES.len()],
}

const GAUGES: [&str; 7] = [
    PROCESS_OPEN_FDS,
    PROCESS_MAX_FDS,
    PROCESS_VIRTUAL,
    PROCESS_MAX_VIRTUAL,
    PROCESS_RESIDENT,
    PROCESS_START,
    PROCESS_THREADS,
];

impl Process {
    pub(super) fn new() -> Self {
        Self {
            cpu: Counter::new(PROCESS_CPU, Vec::new()),
            gauges: GAUGES.map(|name| Gauge::new(name, Vec::new())),
        }
    }

    pub(super) fn export(&mut self, facade: &Facade) {
        let used = collect();
        if let Some(seconds) = used.cpu_seconds_total {
            self.cpu.raise(facade, seconds as u64);
        }
        for (gauge, value) in self.gauges.iter_mut().zip(values(&used)) {
            if let Some(value) = value {
                gauge.set(facade, value);
            }
        }
    }
}

/// Returns the values in the order of [`GAUGES`], with `None` for a value that the system does not
/// report.
fn values(used: &Metrics) -> [Option<f64>; GAUGES.len()] {
    let plain = |value: Option<u64>| value.map(|value| value as f64);
    // 0 means no limit. Exported as 0, it would make each ratio to the limit infinite.
    let limit = |value| plain(value).map(|value| if value == 0.0 { f64::INFINITY } else { value });
    [
        plain(used.open_fds),
        limit(used.max_fds),
        plain(used.virtual_memory_bytes),
        limit(used.virtual_memory_max_bytes),
        plain(used.resident_memory_bytes),
        plain(used.start_time_seconds),
        plain(used.threads),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_limit_is_infinite_and_an_unknown_value_is_absent() {
        let used = Metrics { open_fds: Some(12), max_fds: Some(0), ..Metrics::default() };
        let [open, max, rest @ ..] = values(&used);
        assert_eq!((open, max), (Some(12.0), Some(f64::INFINITY)));
        assert_eq!(rest, [None; 5]);
    }
}
