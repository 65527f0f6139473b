//! Supervised tasks, which restart after a panic, and threads for blocking calls.

mod blocking;

use std::time::Duration;

use tokio::time::{Instant, sleep};

pub(crate) use self::blocking::{BlockingThread, NotCalled};
use crate::catch_panic::{guarded_future, logged};

/// The pause before the first restart. It doubles with each restart up to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// After a run of this length, the next pause is the first one again.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// Runs a task of the lookout to its end, and restarts it after each panic. Log lines contain
/// `name`.
///
/// The `state` survives a restart; the task's future does not.
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
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_panicked_task_restarts_with_its_state_after_doubling_pauses() {
        let begin = Instant::now();
        let mut starts = Vec::new();
        let result = supervised("test", &mut starts, async |starts| {
            starts.push(begin.elapsed().as_millis());
            tokio::task::yield_now().await;
            assert!(starts.len() >= 4, "the test panics on purpose");
            "done"
        })
        .await;
        assert_eq!(result, "done");
        assert_eq!(starts, [0, 100, 300, 700]);
    }
}
