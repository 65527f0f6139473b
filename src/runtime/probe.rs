use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::runtime::Handle;

use crate::series::{RawClock, RawTime};

/// Sends tiny tasks to a runtime, one at a time, and measures their delays.
///
/// A handle does not keep the runtime alive. A runtime that has shut down drops the task without
/// running it, which reveals the shutdown.
#[derive(Debug)]
pub(super) struct Probe {
    runtime: Handle,
    sent: Option<SentTask>,
    delays: Delays,
}

/// A task that was sent to the runtime.
#[derive(Debug)]
struct SentTask {
    at: RawTime,
    completion: Arc<OnceLock<Completion>>,
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Completion {
    /// The runtime ran it after this delay.
    Ran(Duration),
    /// The runtime dropped it because of its shutdown.
    Dropped,
}

impl Probe {
    pub(super) fn new(runtime: Handle) -> Self {
        Self { runtime, sent: None, delays: Delays::default() }
    }

    /// Sends the next task if the last one has run. Returns whether the runtime is alive.
    pub(super) fn send(&mut self) -> bool {
        match self.sent.as_ref().map(|sent| sent.completion.get()) {
            Some(None) => return true,
            Some(Some(Completion::Dropped)) => return false,
            Some(Some(Completion::Ran(delay))) => self.delays.add(*delay),
            None => {}
        }
        let (at, completion) = (RawClock::get().now(), Arc::default());
        let guard = TaskGuard { sent: at, completion: Arc::clone(&completion) };
        self.runtime.spawn(async move { guard.ran() });
        self.sent = Some(SentTask { at, completion });
        true
    }

    /// Takes the delays since the last call, including that of a task that still waits.
    pub(super) fn take(&mut self) -> Delay {
        let waiting = self.sent.as_ref().map(|sent| since(sent.at));
        std::mem::take(&mut self.delays).with(waiting.unwrap_or_default())
    }
}

fn since(sent: RawTime) -> Duration {
    let clock = RawClock::get();
    Duration::from_nanos(clock.nanos(sent, clock.now()))
}

/// Moves into a task, and records how the task ends.
#[derive(Debug)]
struct TaskGuard {
    sent: RawTime,
    completion: Arc<OnceLock<Completion>>,
}

impl TaskGuard {
    fn ran(&self) {
        // Cannot fail: only the drop could have set the cell before.
        let _ = self.completion.set(Completion::Ran(since(self.sent)));
    }
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        // Has no effect if the task ran, since the cell is set then.
        let _ = self.completion.set(Completion::Dropped);
    }
}

/// The delays of the tasks that ran since the last tick.
#[derive(Debug, Default)]
struct Delays {
    worst: Duration,
    sum: Duration,
    count: u32,
}

/// The delay of a runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delay {
    pub(super) worst: Duration,
    #[cfg_attr(
        not(feature = "runtime-metrics"),
        allow(dead_code, reason = "only that feature exports it")
    )]
    pub(super) mean: Duration,
}

impl Delays {
    fn add(&mut self, delay: Duration) {
        self.worst = self.worst.max(delay);
        self.sum += delay;
        self.count += 1;
    }

    /// Includes a task that still waits. Its delay will be at least `waiting`, so it must not lower
    /// the mean.
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

    fn delays(millis: &[u32]) -> Delays {
        let mut delays = Delays::default();
        millis.iter().for_each(|millis| delays.add(MS * *millis));
        delays
    }

    #[test]
    fn the_lag_is_the_longest_delay_of_ended_and_waiting_tasks() {
        assert_eq!(delays(&[1, 300, 2]).with(MS).worst, MS * 300);
        assert_eq!(delays(&[1, 2]).with(MS * 700).worst, MS * 700);
        assert_eq!(delays(&[]).with(Duration::ZERO).worst, Duration::ZERO);
    }

    #[test]
    fn a_new_task_does_not_lower_the_mean() {
        assert_eq!(delays(&[2, 4]).with(Duration::ZERO).mean, MS * 3);
        assert_eq!(delays(&[2, 4]).with(MS * 30).mean, MS * 12);
        assert_eq!(delays(&[]).with(MS * 700).mean, MS * 700);
    }

    #[test]
    fn at_most_one_task_waits_until_the_runtime_runs() {
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        let mut probe = Probe::new(runtime.handle().clone());
        assert!(probe.send() && probe.send() && probe.send());
        assert_eq!(runtime.metrics().num_alive_tasks(), 1, "the runtime does not run");
        let first = probe.take().worst;
        assert!(probe.take().worst > first, "the delay of a waiting task grows");

        runtime.block_on(tokio::task::yield_now());
        assert_eq!(runtime.metrics().num_alive_tasks(), 0);
        assert!(probe.send());
        assert!(
            probe.take().worst > first,
            "the task has run, and its delay counts at this tick, too"
        );
        runtime.block_on(tokio::task::yield_now());
        assert!(probe.send());
        assert_eq!(probe.delays.count, 1, "the delays of the last tick are not kept");
    }

    #[test]
    fn a_shutdown_of_the_runtime_is_detected_without_a_panic() {
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        let mut waits = Probe::new(runtime.handle().clone());
        let mut after = Probe::new(runtime.handle().clone());
        assert!(waits.send());
        drop(runtime);
        assert!(!waits.send(), "the runtime dropped its task at the shutdown");
        assert!(after.send() && !after.send(), "the runtime drops a new task at once");
    }
}
