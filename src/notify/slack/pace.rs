use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

/// At most one message a second, as Slack allows for a webhook.
///
/// `tower::limit::RateLimit` would do, but it needs a runtime where it is made, and a notifier is
/// made before there is any.
#[derive(Debug, Default)]
pub(super) struct Pace {
    rest: Option<Pin<Box<Sleep>>>,
}

const REST: Duration = Duration::from_secs(1);

impl Pace {
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(rest) = &mut self.rest {
            ready!(rest.as_mut().poll(cx));
            self.rest = None;
        }
        Poll::Ready(())
    }

    pub(super) fn spend(&mut self) {
        self.rest = Some(Box::pin(sleep(REST)));
    }
}

/// Readiness belongs to one instance: a clone has spent nothing.
impl Clone for Pace {
    fn clone(&self) -> Self {
        Self::default()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn there_is_a_second_between_two_messages() {
        let mut pace = Pace::default();
        let start = Instant::now();
        for message in 0..4 {
            poll_fn(|cx| pace.poll_ready(cx)).await;
            pace.spend();
            assert_eq!(start.elapsed().as_secs(), message);
        }
    }
}
