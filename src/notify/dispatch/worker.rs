use std::{
    future::poll_fn,
    io,
    sync::Arc,
    task::Poll,
    time::{Duration, SystemTime},
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tower::{BoxError, Service, ServiceExt, util::BoxService};

use super::{notifier_queue::NotifierQueue, stats::count, test_queue::Test};
use crate::notify::{
    ClosureNotifier, Delivered, DeliveryError, DeliveryErrorKind, Notification, error::cause_of,
};
use crate::{
    alert::Alert,
    catch_panic::{Panic, guarded, logged},
    causes::one_line,
    deadline::{Elapsed, within},
    task::{BlockingThread, supervised},
};

/// The maximum number of alerts in one message.
const BATCH: usize = 100;

/// The timeout of a delivery.
const TIMEOUT: Duration = Duration::from_secs(10);

/// After this many rejected alerts in a row, the worker drops a rejected message instead of
/// bisecting it.
const MOST_REJECTED: u32 = 3;

/// The pause before the next attempt at a misconfigured notifier.
const MISCONFIGURED_PAUSE: Duration = Duration::from_secs(30);

/// The limits of a pause that a receiver asks for.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// The pause between attempts during the shutdown.
const CLOSING_PAUSE: Duration = Duration::from_millis(250);

/// Delivers the alerts of a queue, one message at a time.
pub(crate) struct Worker {
    queue: Arc<NotifierQueue>,
    notifier: BoxService<Notification, Delivered, BoxError>,
    timeout: Duration,
    /// The thread that calls the closure, if the notifier is a closure.
    thread: Option<Arc<BlockingThread>>,
    /// The maximum number of alerts in one message.
    batch: usize,
    /// During a bisection, the number of alerts at the head of the queue among which one is
    /// rejected; else 0.
    suspects: usize,
    /// The number of alerts that were rejected one by one since the last delivery.
    rejected: u32,
    /// The number of failed attempts since the last delivery.
    failures: u32,
    /// Whether an error was logged since the last delivery.
    is_logged_as_misconfigured: bool,
}

/// The outcome of a test.
enum Tested {
    Delivered,
    Failed,
    /// The receiver asked to wait.
    MustWait(Failure),
}

/// A failed attempt.
struct Failure {
    error: BoxError,
    /// Whether the receiver accepted a part of the message.
    is_partial: bool,
}

impl From<BoxError> for Failure {
    fn from(error: BoxError) -> Self {
        Self { error, is_partial: false }
    }
}

/// A delivery in flight. Unless it succeeds or is rejected, its drop returns the alerts to the
/// queue, even if the worker is stopped.
struct Delivery<'a>(&'a NotifierQueue);

impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        // A panic here during another panic would abort the process.
        let _ = guarded(|| self.0.put_back());
    }
}

impl Worker {
    pub(crate) fn new<N>(queue: Arc<NotifierQueue>, notifier: N) -> Self
    where
        N: Service<Notification> + Send + 'static,
        N::Response: Into<Delivered>,
        N::Error: Into<BoxError>,
        N::Future: Send + 'static,
    {
        let notifier = notifier.map_response(Into::into).map_err(Into::<BoxError>::into);
        Self {
            queue,
            notifier: BoxService::new(notifier),
            timeout: TIMEOUT,
            thread: None,
            batch: BATCH,
            suspects: 0,
            rejected: 0,
            failures: 0,
            is_logged_as_misconfigured: false,
        }
    }

    /// A worker that calls a closure with one alert at a time. It has no timeout, since a closure
    /// cannot be stopped and two calls must not overlap.
    pub(crate) fn of_closure(
        queue: Arc<NotifierQueue>,
        closure: impl Fn(&Alert) + Send + Sync + 'static,
    ) -> Self {
        let thread = Arc::new(BlockingThread::new("lookout-closure"));
        Self {
            timeout: Duration::MAX,
            batch: 1,
            thread: Some(Arc::clone(&thread)),
            ..Self::new(queue, ClosureNotifier::new(closure, thread))
        }
    }

    /// Starts the thread that calls the closure, if the notifier is a closure.
    pub(crate) fn start_thread(&self) -> io::Result<()> {
        self.thread.as_ref().map_or(Ok(()), |thread| thread.start())
    }

    /// Runs until the queue is closed and empty. After a panic it continues with the message that
    /// was in flight.
    pub(crate) async fn run(mut self) {
        let name = format!("the worker of the notifier {:?}", self.queue.name);
        supervised(&name, &mut self, async |worker: &mut Self| worker.work().await).await;
    }

    async fn work(&mut self) {
        let queue = Arc::clone(&self.queue);
        while queue.wait().await {
            // The queue merges alerts until the notifier, which may have a rate limit, is ready.
            let ready = self.ready().await;
            let arrivals = queue.arrivals();
            if let Err(error) = &ready {
                queue.stats.attempt_failed(&**error);
            }
            let delivered = match (ready, queue.take_test()) {
                (ready, Some(test)) => match self.deliver_test(&queue, test, ready).await {
                    Tested::Delivered => Ok(()),
                    Tested::Failed => continue,
                    Tested::MustWait(failure) => Err(failure),
                },
                (Err(error), None) => Err(error.into()),
                (Ok(()), None) => self.deliver_some(&queue).await,
            };
            match delivered {
                Ok(()) => (self.failures, self.is_logged_as_misconfigured) = (0, false),
                Err(failure) => self.pause(&queue, &failure, arrivals).await,
            }
        }
    }

    /// Delivers a test by itself, and sends the result to the caller. A test is not retried, and
    /// does not change the backoff of queued alerts.
    async fn deliver_test(
        &mut self,
        queue: &NotifierQueue,
        test: Test,
        ready: Result<(), BoxError>,
    ) -> Tested {
        let (was_called, result) = match ready {
            Ok(()) => (true, self.deliver(test.notification()).await),
            Err(error) => (false, Err(error)),
        };
        let (delivered, failure) = split(result);
        let needs_resolve = match &failure {
            None => !delivered.expires(),
            // The receiver may have accepted the test before the timeout.
            Some(failure) => failure.error.is::<Elapsed>(),
        };
        if needs_resolve {
            // An ordinary change, so that the worker retries it and the alert does not stay open.
            queue.put(test.alert.clone().resolved_at(SystemTime::now()));
        }
        let Some(failure) = failure else {
            queue.stats.delivered(&delivered);
            test.finish(Ok(()));
            return Tested::Delivered;
        };
        if was_called {
            queue.stats.attempt_failed(&*failure.error);
        }
        test.finish(Err(DeliveryError::copy_of(&*failure.error)));
        match DeliveryErrorKind::of(&failure.error) {
            DeliveryErrorKind::RetryAfter(_) => Tested::MustWait(failure),
            _ => Tested::Failed,
        }
    }

    async fn deliver_some(&mut self, queue: &NotifierQueue) -> Result<(), Failure> {
        let most = if self.suspects == 0 { self.batch } else { (self.suspects / 2).max(1) };
        let Some(notification) = queue.take(most) else { return Ok(()) };
        let _delivery = Delivery(queue);
        if self.failures > 0 || self.suspects > 0 {
            count(&queue.stats.retried, 1);
        }
        let sent = notification.alerts.len();
        let (delivered, failure) = split(self.deliver(notification).await);
        let left = delivered.left().map_or(0, |left| left.alerts.len());
        let Some(failure) = failure else {
            self.rejected = 0;
            self.suspects = self.suspects.saturating_sub(sent - left);
            queue.stats.delivered(&delivered);
            queue.delivered(delivered);
            if self.failures > 0 {
                logged(|| tracing::info!(notifier = queue.name, "notifier recovered"));
            }
            return Ok(());
        };
        queue.stats.attempt_failed(&*failure.error);
        if failure.is_partial {
            queue.delivered(delivered);
        }
        if DeliveryErrorKind::of(&failure.error).is_permanent() {
            let left = if failure.is_partial { left } else { sent };
            self.bisect_or_drop(queue, &failure, sent, left);
            return Ok(());
        }
        Err(failure)
    }

    /// Handles a message of `sent` alerts of which the receiver rejected `left`.
    fn bisect_or_drop(
        &mut self,
        queue: &NotifierQueue,
        failure: &Failure,
        sent: usize,
        left: usize,
    ) {
        let notifier = &queue.name;
        let is_divisible = DeliveryErrorKind::of(&failure.error) == DeliveryErrorKind::Rejected;
        // If several alerts were rejected one by one, the receiver probably rejects all of them.
        if is_divisible && left > 1 && self.rejected < MOST_REJECTED {
            self.suspects = left;
            logged(|| {
                let reason = cause_of(&*failure.error);
                tracing::warn!(
                    notifier,
                    reason,
                    alerts = left,
                    "message rejected, will be bisected"
                );
            });
        } else {
            self.rejected = self.rejected.saturating_add(1);
            self.suspects = self.suspects.saturating_sub(sent);
            queue.rejected(&one_line(&*failure.error));
        }
    }

    /// Waits until the notifier is ready. A panic counts as its error.
    async fn ready(&mut self) -> Result<(), BoxError> {
        poll_fn(|cx| {
            guarded(|| self.notifier.poll_ready(cx))
                .unwrap_or_else(|panic| Poll::Ready(Err(panicked(&panic))))
        })
        .await
    }

    /// Calls the notifier. A panic counts as its error.
    async fn deliver(&mut self, notification: Notification) -> Result<Delivered, BoxError> {
        let sent = notification.clone();
        let call =
            guarded(|| self.notifier.call(notification)).map_err(|panic| panicked(&panic))?;
        // The call stops together with the worker, since nobody would record a later success.
        let mut calls = JoinSet::new();
        calls.spawn(call);
        match within(self.timeout, calls.join_next()).await? {
            None => Err("the call was lost".into()),
            Some(Ok(delivered)) => delivered.and_then(|delivered| delivered.in_response_to(&sent)),
            Some(Err(stopped)) => Err(match stopped.try_into_panic() {
                Ok(payload) => panicked(&Panic::new(payload)),
                Err(stopped) => stopped.into(),
            }),
        }
    }

    /// Waits after a failure. `arrivals` is [`NotifierQueue::arrivals`] at the time of the attempt.
    async fn pause(&mut self, queue: &NotifierQueue, failure: &Failure, arrivals: u64) {
        self.failures = self.failures.saturating_add(1);
        let kind = DeliveryErrorKind::of(&failure.error);
        let wait = match kind {
            // `Retry-After: 0`, or a date in the past, must not cause a busy loop.
            DeliveryErrorKind::RetryAfter(wait) => wait.clamp(SHORTEST_PAUSE, LONGEST_PAUSE),
            DeliveryErrorKind::Misconfigured => MISCONFIGURED_PAUSE,
            _ => backoff(self.failures, fastrand::f64()),
        };
        let reason = cause_of(&*failure.error);
        self.log_failure(kind, &reason, wait);
        let until = Instant::now() + wait;
        match kind {
            DeliveryErrorKind::RetryAfter(_) => fail_tests_until(queue, until, &reason).await,
            DeliveryErrorKind::Misconfigured => tokio::select! {
                () = sleep_until(until) => {}
                () = queue.wait_for_news(arrivals), if !queue.is_closed() => {}
                () = sleep_until(Instant::now() + CLOSING_PAUSE), if queue.is_closed() => {}
            },
            _ => {
                // A new change is delivered at once if only repeats or only some recipients failed.
                let has_waiting_changes = queue.has_changes() && !failure.is_partial;
                tokio::select! {
                    () = sleep_until(until) => {}
                    () = queue.wait_for_test() => {}
                    () = queue.wait_for_news(arrivals), if !has_waiting_changes => {}
                    () = queue.wait_for_close(), if !queue.is_closed() => {}
                    () = sleep_until(Instant::now() + CLOSING_PAUSE), if queue.is_closed() => {}
                }
            }
        }
    }

    /// Logs the first failure of an outage as an error or a warning, and later ones for debugging
    /// only. The metrics count all.
    fn log_failure(&mut self, kind: DeliveryErrorKind, reason: &str, wait: Duration) {
        let notifier = &self.queue.name;
        if kind == DeliveryErrorKind::Misconfigured && !self.is_logged_as_misconfigured {
            self.is_logged_as_misconfigured = true;
            logged(|| {
                tracing::error!(
                    notifier,
                    reason,
                    ?wait,
                    "delivery failed: the notifier is misconfigured"
                )
            });
        } else if self.failures == 1 {
            logged(|| tracing::warn!(notifier, reason, ?wait, "delivery failed, will be retried"));
        } else {
            logged(|| tracing::debug!(notifier, reason, ?wait, "delivery failed again"));
        }
    }
}

/// Splits a result into the delivery and the failure of the alerts that are left.
fn split(result: Result<Delivered, BoxError>) -> (Delivered, Option<Failure>) {
    match result {
        Ok(mut delivered) => {
            let (left, error) = delivered.take_left();
            let failure = error.map(|error| Failure { error: error.into(), is_partial: true });
            (delivered.leaving(left, None), failure)
        }
        Err(error) => (Delivered::default(), Some(error.into())),
    }
}

/// Waits as long as the receiver asked for, also during the shutdown. Tests fail during the wait.
async fn fail_tests_until(queue: &NotifierQueue, until: Instant, reason: &str) {
    loop {
        tokio::select! {
            () = sleep_until(until) => return,
            () = queue.wait_for_test() => while let Some(test) = queue.take_test() {
                let wait = until.saturating_duration_since(Instant::now());
                test.finish(Err(DeliveryError::retry_after(wait, reason.to_owned())));
            },
        }
    }
}

/// 1 s, 2 s, 4 s … 30 s, each shortened by up to a half at random, so that replicas do not retry
/// together.
fn backoff(failures: u32, random: f64) -> Duration {
    let longest = Duration::from_secs(1 << (failures.clamp(1, 6) - 1)).min(Duration::from_secs(30));
    longest.mul_f64(0.5 + random / 2.0)
}

fn panicked(panic: &Panic) -> BoxError {
    format!("the notifier panicked: {}", panic.message()).into()
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
