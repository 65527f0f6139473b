//! Deadlines that hold whatever the future under them does.

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

/// Waits for a future until that instant.
pub(crate) async fn by<F: Future>(deadline: Instant, future: F) -> Result<F::Output, Elapsed> {
    before(Some(deadline), future).await
}

/// Waits for a future that long; for ever, if the clock can't say when that ends.
pub(crate) async fn within<F: Future>(time: Duration, future: F) -> Result<F::Output, Elapsed> {
    before(Instant::now().checked_add(time), future).await
}

/// The timer has no part in tokio's budget of the task. A future that never has to wait, such as
/// one that reads from a fast peer, spends that budget with each poll: `tower::timeout` would not
/// see its own timer expire.
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

    /// A future that never has to wait, and never ends.
    async fn busy() {
        loop {
            consume_budget().await;
        }
    }

    #[tokio::test]
    async fn a_future_that_never_waits_ends_with_its_deadline() {
        let (start, short) = (Instant::now(), Duration::from_millis(50));
        assert!(within(short, busy()).await.is_err());
        assert!(within(short, within(Duration::MAX, busy())).await.is_err());
        assert!(by(start + 3 * short, busy()).await.is_err());
        assert!((3 * short..Duration::from_secs(5)).contains(&start.elapsed()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_output_that_is_ready_by_the_deadline_counts() {
        assert!(matches!(within(Duration::ZERO, async { 1 }).await, Ok(1)));
        let start = Instant::now();
        assert!(within(Duration::from_secs(10), pending::<()>()).await.is_err());
        assert_eq!(start.elapsed(), Duration::from_secs(10));
    }
}
