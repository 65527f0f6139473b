use std::{
    fmt::{self, Write},
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

use crate::notify::{DeliveryError, Notification, error::chain};
use crate::{alert::Alert, text::OneLine};

/// What became of a test message, by [`Lookout::send_test`](crate::Lookout::send_test).
///
/// Its [`Display`](fmt::Display) is one line, such as `slack: delivered in 212ms`. Control characters are
/// escaped, since an error may repeat the receiver's own words.
#[derive(Debug)]
#[non_exhaustive]
pub struct TestDelivery {
    /// The notifier's name, as its counters have it; with ` (or else)` it is the one that takes what
    /// that one does not ([`or_else`](crate::notify::NotifierExt::or_else)).
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
        let mut f = OneLine(f);
        match &self.result {
            Ok(()) => write!(f, "{}: delivered in {took}", self.notifier),
            Err(error) => write!(f, "{}: failed after {took}: {}", self.notifier, chain(error)),
        }
    }
}

/// A test that waits for its notifier.
#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) alert: Alert,
    asked: Instant,
    answers: Answers,
    answer: oneshot::Sender<Vec<Answer>>,
}

/// What came of it, a receiver each.
pub(crate) type Answered = oneshot::Receiver<Vec<Answer>>;

/// What became of a test at one receiver.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What is to be said after the notifier's name.
    place: String,
    result: Result<(), DeliveryError>,
    took: Duration,
}

impl Answer {
    pub(crate) fn of(self, notifier: &str) -> TestDelivery {
        let Self { place, result, took } = self;
        TestDelivery { notifier: format!("{notifier}{place}"), result, took }
    }
}

/// Where the receivers behind one notifier say what became of a test, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers(Arc<Mutex<Vec<Answer>>>);

impl Answers {
    /// One receiver has answered, or several by answers of their own.
    pub(crate) fn add(
        &self,
        place: &str,
        of: &Self,
        result: Result<(), DeliveryError>,
        took: Duration,
    ) {
        let mut answers = of.take();
        if answers.is_empty() {
            answers.push(Answer { place: String::new(), result, took });
        }
        for answer in &mut answers {
            answer.place.insert_str(0, place);
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(answers);
    }

    fn take(&self) -> Vec<Answer> {
        mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Test {
    pub(crate) fn new(alert: Alert) -> (Self, Answered) {
        let (answer, answered) = oneshot::channel();
        (Self { alert, asked: Instant::now(), answers: Answers::default(), answer }, answered)
    }

    /// Whether somebody waits for it yet.
    pub(crate) fn is_waited_for(&self) -> bool {
        !self.answer.is_closed()
    }

    pub(crate) fn notification(&self) -> Notification {
        let answers = Some(self.answers.clone());
        Notification { answers, ..Notification::new(vec![self.alert.clone()], vec![1]) }
    }

    /// What the notifier says as one counts where its receivers have said nothing.
    pub(crate) fn answer(self, result: Result<(), DeliveryError>) {
        let answers = Answers::default();
        answers.add("", &self.answers, result, self.asked.elapsed());
        // Whoever asked may have left.
        let _ = self.answer.send(answers.take());
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
        assert_eq!(
            line(Err(DeliveryError::broken("no\r\n\u{1b}[2Jslack: delivered in 1ms"))),
            "slack: failed after 212ms: the receiver takes nothing: \
             no\\r\\n\\u{1b}[2Jslack: delivered in 1ms"
        );
    }
}
