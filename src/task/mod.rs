//! Tasks that must not end: a panic is logged, and the task is restarted. And threads for calls
//! that may block.

mod blocking;

use std::time::Duration;

use tokio::time::{Instant, sleep};

pub(crate) use self::blocking::{BlockingThread, NotCalled};
use crate::catch_panic::{guarded_future, logged};

/// The pause before the first restart; it doubles with each restart that follows soon.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A task that has run for this long restarts after the first pause again.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// Runs a task of the lookout to its end, and restarts it after each panic. `name` is its name in
/// the log.
///
/// What a task must keep across a restart belongs to `state`, and not to its future.
pub(crate) async fn supervised<S, R>(
    name: &str,
    state: &mut S,
    mut task: impl AsyncFnMut(&mut S) -> R,
) -> R {
    let mut pause = FIRST_PAUSE;
    loop {
        let began = Instant::now();
        let panic = match guarded_future(task(state)).await {
            Ok(result) => return result,
            Err(panic) => panic,
        };
        if began.elapsed() >= HEALTHY_AFTER {
            pause = FIRST_PAUSE;
        }
        let reason = panic.message();
        logged(|| tracing::error!(task = name, reason, ?pause, "a task panicked: it restarts"));
        drop(panic);
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_restarts_with_its_state_after_pauses_that_double() {
        let begin = Instant::now();
        let mut starts = Vec::new();
        let result = supervised("test", &mut starts, async |starts| {
            starts.push(begin.elapsed().as_millis());
            tokio::task::yield_now().await;
            assert!(starts.len() >= 4, "a task panics, as the test asks");
            "done"
        })
        .await;
        assert_eq!(result, "done");
        assert_eq!(starts, [0, 100, 300, 700]);
    }
}
