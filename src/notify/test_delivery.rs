use std::{fmt, time::Duration};

use tokio::{sync::oneshot, time::Instant};

use super::{DeliveryError, Notification, error::chain};
use crate::alert::Alert;

/// What became of a test message, by [`Lookout::send_test`](crate::Lookout::send_test).
///
/// Its [`Display`](fmt::Display) is one line, such as `slack: delivered in 212ms`.
#[derive(Debug)]
#[non_exhaustive]
pub struct TestDelivery {
    /// The notifier's name, as its counters have it.
    pub notifier: String,
    /// Whether the receiver took the message, or why not; without any secret.
    pub result: Result<(), DeliveryError>,
    /// How long that took, with what the notifier had to wait for before.
    pub took: Duration,
}

impl fmt::Display for TestDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took = Duration::from_millis(self.took.as_millis() as u64);
        let took = humantime::format_duration(took);
        match &self.result {
            Ok(()) => write!(f, "{}: delivered in {took}", self.notifier),
            Err(error) => write!(f, "{}: failed after {took}: {}", self.notifier, chain(error)),
        }
    }
}

/// A test that waits for its notifier.
#[derive(Debug)]
pub(super) struct Test {
    pub(super) alert: Alert,
    asked: Instant,
    answer: oneshot::Sender<(Result<(), DeliveryError>, Duration)>,
}

/// What came of it, and how long it took.
pub(super) type Answered = oneshot::Receiver<(Result<(), DeliveryError>, Duration)>;

impl Test {
    pub(super) fn new(alert: Alert) -> (Self, Answered) {
        let (answer, answered) = oneshot::channel();
        (Self { alert, asked: Instant::now(), answer }, answered)
    }

    /// Whether somebody waits for it yet.
    pub(super) fn is_waited_for(&self) -> bool {
        !self.answer.is_closed()
    }

    pub(super) fn notification(&self) -> Notification {
        Notification { alerts: vec![self.alert.clone()], changes: vec![1] }
    }

    pub(super) fn answer(self, result: Result<(), DeliveryError>) {
        // Whoever asked may have left.
        let _ = self.answer.send((result, self.asked.elapsed()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_who_how_it_went_and_how_long_it_took() {
        let line = |result| {
            let notifier = "slack".to_owned();
            TestDelivery { notifier, result, took: Duration::from_micros(212_400) }.to_string()
        };
        assert_eq!(line(Ok(())), "slack: delivered in 212ms");
        assert_eq!(
            line(Err(DeliveryError::broken("404 Not Found"))),
            "slack: failed after 212ms: the receiver takes nothing: 404 Not Found"
        );
    }
}
