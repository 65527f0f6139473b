use metrics_process::collector::{Metrics, collect};

use crate::facade::{Counter, Facade, Gauge, PROCESS_CPU, PROCESS_GAUGES};

/// What the process uses, as the system says.
#[derive(Debug)]
pub(super) struct Process {
    cpu: Counter,
    gauges: [Gauge; PROCESS_GAUGES.len()],
}

impl Process {
    pub(super) fn new() -> Self {
        Self {
            cpu: Counter::new(PROCESS_CPU, Vec::new()),
            gauges: PROCESS_GAUGES.map(|name| Gauge::new(name, Vec::new())),
        }
    }

    pub(super) fn carry(&mut self, facade: &Facade) {
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

/// In the order of the gauges; `None` for what the system does not say.
fn values(used: &Metrics) -> [Option<f64>; PROCESS_GAUGES.len()] {
    let plain = |value: Option<u64>| value.map(|value| value as f64);
    // A limit of 0 stands for none; a share of it must not come out as endless.
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
    fn no_limit_is_endless_and_what_is_not_known_is_not_told() {
        let used = Metrics { open_fds: Some(12), max_fds: Some(0), ..Metrics::default() };
        let [open, max, rest @ ..] = values(&used);
        assert_eq!((open, max), (Some(12.0), Some(f64::INFINITY)));
        assert_eq!(rest, [None; 5]);
    }
}
