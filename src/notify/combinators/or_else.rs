mod branch;
mod delivery_log;
mod round;

use std::{
    fmt,
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
    task::{self, Context, Poll},
    time::Duration,
};

use tokio::{join, sync::Mutex, time::Instant};
use tower::BoxError;
use tower_service::Service;

use self::{
    branch::{Branch, by},
    delivery_log::SharedDeliveryLog,
    round::Round,
};
use crate::deadline::Elapsed;
use crate::notify::{
    Delivered, DeliveryError, DeliveryErrorKind, Notification, test_delivery::TestResults,
};

/// A notifier with a fallback, which delivers the alerts that the first one does not; made by
/// [`NotifierExt::or_else`](crate::notify::NotifierExt::or_else).
#[must_use = "a notifier does nothing until it is added to the builder"]
pub struct OrElse<A, B> {
    first: A,
    /// The error of the first notifier's `poll_ready`.
    unready: Option<BoxError>,
    /// Locked, since the future of a delivery calls it.
    fallback: Arc<Mutex<B>>,
    shared: Arc<Shared>,
}

/// The state that outlives a call.
struct Shared {
    first: Branch,
    fallback: Branch,
    log: SharedDeliveryLog,
}

impl<A, B> OrElse<A, B> {
    pub(crate) fn new(first: A, fallback: B) -> Self {
        let shared = Shared {
            first: Branch::new("first"),
            fallback: Branch::new("fallback"),
            log: SharedDeliveryLog::default(),
        };
        let fallback = Arc::new(Mutex::new(fallback));
        Self { first, unready: None, fallback, shared: Arc::new(shared) }
    }
}

/// The timeout of the first notifier. In a chain, it gets half of the remaining time.
const FIRST_TIMEOUT: Duration = Duration::from_secs(5);

/// The timeout of both: less than the worker's 10 s, so that the error names the notifier that
/// timed out.
const BOTH_TIMEOUT: Duration = Duration::from_millis(9_500);

/// A delivery through one of the two notifiers.
type Delivery = Pin<Box<dyn Future<Output = Result<Delivered, BoxError>> + Send>>;

impl<A, B> Service<Notification> for OrElse<A, B>
where
    A: Service<Notification, Error: Into<BoxError>, Future: Send + 'static>,
    B: Service<Notification, Error: Into<BoxError>, Future: Send + 'static>,
    A::Response: Into<Delivered>,
    B::Response: Into<Delivered>,
    A::Error: Send,
    B: Send + 'static,
{
    type Response = Delivered;
    type Error = BoxError;
    type Future = Delivery;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.unready = task::ready!(self.first.poll_ready(cx)).err().map(Into::into);
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut notification: Notification) -> Delivery {
        if let Some(results) = notification.test_results.take() {
            return self.test(notification, results);
        }
        let (fallback, shared) = (Arc::clone(&self.fallback), Arc::clone(&self.shared));
        let total = notification.alerts.len();
        let mut log = shared.log.lock();
        log.fire_again(&notification);
        let repeats = log.take_fallback_repeats(&mut notification);
        let mut for_fallback = log.take_needed_by_fallback(&mut notification);
        drop(log);
        for_fallback.append(&repeats);
        let deadline = deadline(&notification);
        let first =
            (!notification.alerts.is_empty()).then(|| self.call_first(notification.clone()));
        Box::pin(async move {
            let by_first = match first {
                Some(delivery) => delivery.await,
                None => Ok(Delivered::default()),
            };
            let mut round =
                Round::new(by_first, notification, for_fallback, total, &mut shared.log.lock());
            let Some(sent) = round.for_fallback() else {
                return round.end(&mut shared.log.lock());
            };
            round.forget_repeats(&repeats);
            // Recorded before the call: a fallback that times out may have accepted the alerts.
            let new = shared.log.lock().sent_to_fallback(&sent);
            let by_fallback = shared.fallback.call(&fallback, sent.clone(), deadline).await;
            round.end_with(by_fallback, sent, new, &mut shared.log.lock())
        })
    }
}

impl<A, B> OrElse<A, B>
where
    A: Service<Notification, Error: Into<BoxError>, Future: Send + 'static>,
    B: Service<Notification, Error: Into<BoxError>, Future: Send + 'static>,
    A::Response: Into<Delivered>,
    B::Response: Into<Delivered>,
    A::Error: Send,
    B: Send + 'static,
{
    fn call_first(&mut self, mut notification: Notification) -> Delivery {
        if let Some(error) = self.shared.first.wait_error() {
            return Box::pin(ready(Err(error)));
        }
        let now = Instant::now();
        let deadline = notification
            .deadline
            .map_or(now + FIRST_TIMEOUT, |deadline| now + (deadline - now) / 2);
        notification.deadline = Some(deadline);
        let sent = notification.clone();
        let delivery = match self.unready.take() {
            Some(error) => Err(error),
            None => Ok(self.first.call(notification)),
        };
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let result = match delivery {
                Ok(delivery) => by(deadline, &sent, delivery).await,
                Err(error) => Err(error),
            };
            shared.first.record(&result);
            result
        })
    }

    /// Sends a test to both, and adds the result of each.
    fn test(&mut self, notification: Notification, results: TestResults) -> Delivery {
        let deadline = deadline(&notification);
        let parts = [(); 2].map(|()| TestResults::default());
        let [to_first, to_fallback] = parts
            .each_ref()
            .map(|part| Notification { test_results: Some(part.clone()), ..notification.clone() });
        let by_first = self.call_first(to_first);
        let (fallback, shared) = (Arc::clone(&self.fallback), Arc::clone(&self.shared));
        Box::pin(async move {
            let new = shared.log.lock().sent_to_fallback(&notification);
            let by_fallback = shared.fallback.call(&fallback, to_fallback, deadline);
            let ((first, first_took), (second, second_took)) =
                join!(timed(by_first), timed(by_fallback));
            let [first, second] = [first, second].map(|result| result.and_then(complete));
            if second
                .as_ref()
                .is_err_and(|error| DeliveryErrorKind::of(error) != DeliveryErrorKind::Temporary)
            {
                shared.log.lock().rejected_by_fallback(&new);
            }
            results.add("", &parts[0], outcome(&first), first_took);
            results.add(" (or else)", &parts[1], outcome(&second), second_took);
            test_result(first, second)
        })
    }
}

fn outcome(result: &Result<Delivered, BoxError>) -> Result<(), DeliveryError> {
    match result {
        Ok(_) => Ok(()),
        Err(error) => Err(DeliveryError::copy_of(&**error)),
    }
}

/// Returns an error if not every recipient got the test.
fn complete(mut delivered: Delivered) -> Result<Delivered, BoxError> {
    match delivered.take_left() {
        (_, Some(error)) => Err(error.into()),
        (_, None) => Ok(delivered),
    }
}

/// Combines the results of a test at both notifiers.
fn test_result(
    first: Result<Delivered, BoxError>,
    second: Result<Delivered, BoxError>,
) -> Result<Delivered, BoxError> {
    match (first, second) {
        // Both need the resolve, even if one of the receivers resolves alerts itself.
        (Ok(_), Ok(_)) => Ok(Delivered::default()),
        (Ok(delivered), Err(_)) => Ok(delivered),
        (Err(_), Ok(delivered)) => Ok(delivered.with_failed_attempts(1)),
        // A notifier that times out may have accepted the test.
        (Err(first), Err(second)) if first.is::<Elapsed>() || second.is::<Elapsed>() => {
            Err(Elapsed::new().into())
        }
        (Err(first), Err(second)) => {
            let [first, second] = [first, second].map(DeliveryError::of);
            Err(if second.kind() < first.kind() { second } else { first }.into())
        }
    }
}

/// The time by which both notifiers must have finished.
fn deadline(notification: &Notification) -> Instant {
    notification.deadline.unwrap_or_else(|| Instant::now() + BOTH_TIMEOUT)
}

async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    let output = future.await;
    (output, start.elapsed())
}

impl<A, B> fmt::Debug for OrElse<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrElse").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "or_else_tests.rs"]
mod tests;

#[cfg(test)]
mod chain_tests;

#[cfg(test)]
mod partial_tests;
