//! Deadlines that expire even if the future never yields to tokio.

use std::{
    future::{Future, pending, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use tokio::{
    task::unconstrained,
    time::{Instant, sleep_until},
};
pub(crate) use tower::timeout::error::Elapsed;

/// Waits for a future until the deadline.
pub(crate) async fn by<F: Future>(deadline: Instant, future: F) -> Result<F::Output, Elapsed> {
    before(Some(deadline), future).await
}

/// Waits for a future for at most `time`; forever if the deadline exceeds the clock's range.
pub(crate) async fn within<F: Future>(time: Duration, future: F) -> Result<F::Output, Elapsed> {
    before(Instant::now().checked_add(time), future).await
}

/// Excludes the timer from tokio's cooperative budget of the task. A future that never waits, such
/// as one that reads from a fast peer, spends the budget in each poll, so the timer of
/// `tower::timeout` would never expire.
async fn before<F: Future>(deadline: Option<Instant>, future: F) -> Result<F::Output, Elapsed> {
    let timer = async {
        match deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => pending().await,
        }
    };
    let (mut timer, mut future) = (pin!(unconstrained(timer)), pin!(future));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Ok(output)),
        Poll::Pending => timer.as_mut().poll(cx).map(|()| Err(Elapsed::new())),
    })
    .await
}

#[cfg(test)]
mod tests {
    use tokio::task::consume_budget;

    use super::*;

    /// A future that never waits and never ends.
    async fn busy() {
        loop {
            consume_budget().await;
        }
    }

    #[tokio::test]
    async fn a_future_that_never_waits_ends_at_its_deadline() {
        let (start, short) = (Instant::now(), Duration::from_millis(50));
        assert!(within(short, busy()).await.is_err());
        assert!(within(short, within(Duration::MAX, busy())).await.is_err());
        assert!(by(start + 3 * short, busy()).await.is_err());
        assert!((3 * short..Duration::from_secs(5)).contains(&start.elapsed()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_output_that_is_ready_at_the_deadline_is_returned() {
        assert!(matches!(within(Duration::ZERO, async { 1 }).await, Ok(1)));
        let start = Instant::now();
        assert!(within(Duration::from_secs(10), pending::<()>()).await.is_err());
        assert_eq!(start.elapsed(), Duration::from_secs(10));
    }
}
