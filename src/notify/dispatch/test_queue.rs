use tokio::{sync::oneshot, time::Instant};

use crate::alert::Alert;
use crate::notify::{
    DeliveryError, Notification,
    test_delivery::{TestResult, TestResults},
};

/// A test message in the queue of its notifier.
#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) alert: Alert,
    requested_at: Instant,
    results: TestResults,
    sender: oneshot::Sender<Vec<TestResult>>,
}

/// Receives the results of a test, one for each receiver.
pub(crate) type TestReceiver = oneshot::Receiver<Vec<TestResult>>;

impl Test {
    pub(crate) fn new(alert: Alert) -> (Self, TestReceiver) {
        let (sender, receiver) = oneshot::channel();
        let (requested_at, results) = (Instant::now(), TestResults::default());
        (Self { alert, requested_at, results, sender }, receiver)
    }

    /// Whether the caller no longer waits for the results.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.sender.is_closed()
    }

    pub(crate) fn notification(&self) -> Notification {
        let test_results = Some(self.results.clone());
        Notification { test_results, ..Notification::new([self.alert.clone()]) }
    }

    /// Sends the results of the receivers, or `result` if no receiver added one.
    pub(crate) fn finish(self, result: Result<(), DeliveryError>) {
        let results = TestResults::default();
        results.add("", &self.results, result, self.requested_at.elapsed());
        // The caller may have gone.
        let _ = self.sender.send(results.take());
    }
}
