use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::runtime::Handle;

use crate::series::{RawClock, RawTime};

/// Sends tiny tasks to a runtime, one at a time, and keeps how late they ran.
///
/// A handle keeps no runtime alive: where that is gone, a task is dropped and says so.
#[derive(Debug)]
pub(super) struct Probe {
    runtime: Handle,
    out: Option<Out>,
    delays: Delays,
}

/// A probe that was sent.
#[derive(Debug)]
struct Out {
    sent: RawTime,
    fate: Arc<OnceLock<Fate>>,
}

/// What became of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It ran, so late.
    Ran(Duration),
    /// The runtime dropped it, since it is gone.
    Dropped,
}

impl Probe {
    pub(super) fn new(runtime: Handle) -> Self {
        Self { runtime, out: None, delays: Delays::default() }
    }

    /// Sends the next probe if the last one has run; gives whether the runtime is still there.
    pub(super) fn beat(&mut self) -> bool {
        match self.out.as_ref().map(|out| out.fate.get()) {
            Some(None) => return true,
            Some(Some(Fate::Dropped)) => return false,
            Some(Some(Fate::Ran(late))) => self.delays.add(*late),
            None => {}
        }
        let (sent, fate) = (RawClock::get().now(), Arc::default());
        let note = Note { sent, fate: Arc::clone(&fate) };
        self.runtime.spawn(async move { note.ran() });
        self.out = Some(Out { sent, fate });
        true
    }

    /// The delays since the last time, with that of the probe that is still out.
    pub(super) fn take(&mut self) -> Delay {
        let waiting = self.out.as_ref().map(|out| since(out.sent));
        std::mem::take(&mut self.delays).with(waiting.unwrap_or_default())
    }
}

fn since(sent: RawTime) -> Duration {
    let clock = RawClock::get();
    Duration::from_nanos(clock.nanos(sent, clock.now()))
}

/// Travels with a probe, and tells what became of it.
#[derive(Debug)]
struct Note {
    sent: RawTime,
    fate: Arc<OnceLock<Fate>>,
}

impl Note {
    fn ran(&self) {
        // Nobody else tells.
        let _ = self.fate.set(Fate::Ran(since(self.sent)));
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        // Refused where it ran.
        let _ = self.fate.set(Fate::Dropped);
    }
}

/// The delays of the probes that ran since the last tick.
#[derive(Debug, Default)]
struct Delays {
    worst: Duration,
    sum: Duration,
    count: u32,
}

/// How late a runtime is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delay {
    pub(super) worst: Duration,
    #[cfg_attr(not(feature = "runtime-metrics"), allow(dead_code, reason = "told by that alone"))]
    pub(super) mean: Duration,
}

impl Delays {
    fn add(&mut self, late: Duration) {
        self.worst = self.worst.max(late);
        self.sum += late;
        self.count += 1;
    }

    /// One that has waited so long, and is late by at least that, makes the figures no better.
    fn with(self, waiting: Duration) -> Delay {
        let mean = self.sum.checked_div(self.count).unwrap_or_default();
        Delay {
            worst: self.worst.max(waiting),
            mean: if waiting > mean { (self.sum + waiting) / (self.count + 1) } else { mean },
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn delays(late: &[u32]) -> Delays {
        let mut delays = Delays::default();
        late.iter().for_each(|late| delays.add(MS * *late));
        delays
    }

    #[test]
    fn the_lag_is_the_worst_of_those_that_ran_and_the_one_that_waits() {
        assert_eq!(delays(&[1, 300, 2]).with(MS).worst, MS * 300);
        assert_eq!(delays(&[1, 2]).with(MS * 700).worst, MS * 700);
        assert_eq!(delays(&[]).with(Duration::ZERO).worst, Duration::ZERO);
    }

    #[test]
    fn one_that_has_just_been_sent_makes_the_mean_no_better() {
        assert_eq!(delays(&[2, 4]).with(Duration::ZERO).mean, MS * 3);
        assert_eq!(delays(&[2, 4]).with(MS * 30).mean, MS * 12);
        assert_eq!(delays(&[]).with(MS * 700).mean, MS * 700);
    }

    #[test]
    fn one_probe_is_out_at_most_and_waits_until_the_runtime_runs() {
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        let mut probe = Probe::new(runtime.handle().clone());
        assert!(probe.beat() && probe.beat() && probe.beat());
        assert_eq!(runtime.metrics().num_alive_tasks(), 1, "nobody runs the runtime");
        let first = probe.take().worst;
        assert!(probe.take().worst > first, "what waits is later each time");

        runtime.block_on(tokio::task::yield_now());
        assert_eq!(runtime.metrics().num_alive_tasks(), 0);
        assert!(probe.beat());
        assert!(probe.take().worst > first, "the one that waited has run, and counts once more");
        runtime.block_on(tokio::task::yield_now());
        assert!(probe.beat());
        assert_eq!(probe.delays.count, 1, "those of the last tick are forgotten");
    }

    #[test]
    fn a_runtime_that_is_gone_is_noticed_and_no_panic() {
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        let mut waits = Probe::new(runtime.handle().clone());
        let mut comes_late = Probe::new(runtime.handle().clone());
        assert!(waits.beat());
        drop(runtime);
        assert!(!waits.beat(), "its probe was dropped with the runtime");
        assert!(comes_late.beat() && !comes_late.beat(), "its probe was dropped at once");
    }
}
