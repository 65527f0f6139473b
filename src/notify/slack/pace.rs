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
