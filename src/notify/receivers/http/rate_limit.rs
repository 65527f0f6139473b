use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

/// At most one message per interval: Slack, for example, allows a webhook one a second.
///
/// `tower::limit::RateLimit` needs a runtime on creation, but a notifier is created before there
/// is one.
#[derive(Debug)]
pub(in crate::notify) struct RateLimit {
    interval: Duration,
    delay: Option<Pin<Box<Sleep>>>,
}

impl RateLimit {
    pub(in crate::notify) fn new(interval: Duration) -> Self {
        Self { interval, delay: None }
    }

    pub(in crate::notify) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(delay) = &mut self.delay {
            ready!(delay.as_mut().poll(cx));
            self.delay = None;
        }
        Poll::Ready(())
    }

    pub(in crate::notify) fn consume_one(&mut self) {
        self.consume(1);
    }

    /// Delays the next message by one interval for each of `messages`.
    pub(in crate::notify) fn consume(&mut self, messages: usize) {
        let messages = u32::try_from(messages).unwrap_or(u32::MAX);
        self.delay = Some(Box::pin(sleep(self.interval.saturating_mul(messages))));
    }
}

/// A clone starts without a delay: readiness belongs to one instance.
impl Clone for RateLimit {
    fn clone(&self) -> Self {
        Self::new(self.interval)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_message_delays_the_next_by_one_interval() {
        let mut rate_limit = RateLimit::new(Duration::from_secs(1));
        let start = Instant::now();
        for (messages, second) in [(1, 0), (1, 1), (3, 2), (1, 5)] {
            poll_fn(|cx| rate_limit.poll_ready(cx)).await;
            rate_limit.consume(messages);
            assert_eq!(start.elapsed().as_secs(), second);
        }
    }
}
