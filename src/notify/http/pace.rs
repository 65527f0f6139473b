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
pub(in crate::notify) struct Pace {
    between: Duration,
    rest: Option<Pin<Box<Sleep>>>,
}

impl Pace {
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

    pub(in crate::notify) fn spend(&mut self) {
        self.rest = Some(Box::pin(sleep(self.between)));
    }
}

/// Readiness belongs to one instance: a clone has spent nothing.
impl Clone for Pace {
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
    async fn there_is_a_second_between_two_messages() {
        let mut pace = Pace::new(Duration::from_secs(1));
        let start = Instant::now();
        for message in 0..4 {
            poll_fn(|cx| pace.poll_ready(cx)).await;
            pace.spend();
            assert_eq!(start.elapsed().as_secs(), message);
        }
    }
}
