use std::{
    fmt::{self, Write},
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::DeliveryError;
use crate::causes::one_line;
use crate::text::OneLine;

/// The result of a test message; see [`Lookout::send_test`](crate::Lookout::send_test).
///
/// Its [`Display`](fmt::Display) is one line, such as `slack: delivered in 212ms`. Control
/// characters are escaped, since an error may contain text from the receiver.
#[derive(Debug)]
#[non_exhaustive]
pub struct TestDelivery {
    /// The notifier's name, as in its metrics. The suffix ` (or else)` marks the fallback of
    /// [`or_else`](crate::notify::NotifierExt::or_else).
    pub notifier: String,
    /// Whether the receiver accepted the message. Errors contain no secrets.
    pub result: Result<(), DeliveryError>,
    /// The time of the delivery, including the wait until the notifier was ready.
    pub took: Duration,
}

impl fmt::Display for TestDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took = Duration::from_millis(self.took.as_millis() as u64);
        let took = humantime::format_duration(took);
        let mut f = OneLine(f);
        match &self.result {
            Ok(()) => write!(f, "{}: delivered in {took}", self.notifier),
            Err(error) => write!(f, "{}: failed after {took}: {}", self.notifier, one_line(error)),
        }
    }
}

/// The result of a test at one receiver.
#[derive(Debug)]
pub(crate) struct TestResult {
    /// The suffix of the notifier's name.
    suffix: String,
    result: Result<(), DeliveryError>,
    took: Duration,
}

impl TestResult {
    pub(crate) fn into_delivery(self, notifier: &str) -> TestDelivery {
        let Self { suffix, result, took } = self;
        TestDelivery { notifier: format!("{notifier}{suffix}"), result, took }
    }
}

/// The results of a test at the receivers behind one notifier, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestResults(Arc<Mutex<Vec<TestResult>>>);

impl TestResults {
    /// Adds the results in `parts`, or `result` if `parts` is empty.
    pub(crate) fn add(
        &self,
        suffix: &str,
        parts: &Self,
        result: Result<(), DeliveryError>,
        took: Duration,
    ) {
        let mut results = parts.take();
        if results.is_empty() {
            results.push(TestResult { suffix: String::new(), result, took });
        }
        for result in &mut results {
            result.suffix.insert_str(0, suffix);
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(results);
    }

    pub(crate) fn take(&self) -> Vec<TestResult> {
        mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_notifier_the_result_and_the_time() {
        let line = |result| {
            let notifier = "slack".to_owned();
            TestDelivery { notifier, result, took: Duration::from_micros(212_400) }.to_string()
        };
        assert_eq!(line(Ok(())), "slack: delivered in 212ms");
        assert_eq!(
            line(Err(DeliveryError::misconfigured("404 Not Found"))),
            "slack: failed after 212ms: the notifier is misconfigured: 404 Not Found"
        );
        assert_eq!(
            line(Err(DeliveryError::misconfigured("no\r\n\u{1b}[2Jslack: delivered in 1ms"))),
            "slack: failed after 212ms: the notifier is misconfigured: \
             no\\r\\n\\u{1b}[2Jslack: delivered in 1ms"
        );
    }
}
