use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

/// At most one message in a while, as Slack allows one a second for a webhook.
///
/// `tower::limit::RateLimit` would do, but it needs a runtime where it is made, and a notifier is
/// made before there is any.
#[derive(Debug)]
pub(in crate::notify) struct RateLimit {
    between: Duration,
    rest: Option<Pin<Box<Sleep>>>,
}

impl RateLimit {
    /// With so much time between two messages.
    pub(in crate::notify) fn new(between: Duration) -> Self {
        Self { between, rest: None }
    }

    pub(in crate::notify) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(rest) = &mut self.rest {
            ready!(rest.as_mut().poll(cx));
            self.rest = None;
        }
        Poll::Ready(())
    }

    #[cfg(feature = "_chat")]
    pub(in crate::notify) fn consume_one(&mut self) {
        self.consume(1);
    }

    /// For so many messages at once.
    pub(in crate::notify) fn consume(&mut self, messages: usize) {
        let messages = u32::try_from(messages).unwrap_or(u32::MAX);
        self.rest = Some(Box::pin(sleep(self.between.saturating_mul(messages))));
    }
}

/// Readiness belongs to one instance: a clone has spent nothing.
impl Clone for RateLimit {
    fn clone(&self) -> Self {
        Self::new(self.between)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn there_is_a_second_after_each_message() {
        let mut rate_limit = RateLimit::new(Duration::from_secs(1));
        let start = Instant::now();
        for (messages, second) in [(1, 0), (1, 1), (3, 2), (1, 5)] {
            poll_fn(|cx| rate_limit.poll_ready(cx)).await;
            rate_limit.consume(messages);
            assert_eq!(start.elapsed().as_secs(), second);
        }
    }
}
