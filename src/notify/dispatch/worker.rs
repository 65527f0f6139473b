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

use super::{stats::count, test_delivery::Test};
use crate::notify::{
    ClosureNotifier, Delivered, DeliveryError, Notification, NotifierQueue,
    error::{Remedy, chain},
};
use crate::{
    alert::Alert,
    catch_panic::{Panic, guarded, logged},
    deadline::{Elapsed, within},
    task::{BlockingThread, supervised},
};

const BATCH: usize = 100;

/// How long a delivery may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// After so many single alerts that were refused in a row, no other is looked for among several.
const MOST_REFUSED: u32 = 3;

/// How long a receiver that takes nothing is left alone.
const BROKEN_PAUSE: Duration = Duration::from_secs(30);

/// Delivers what comes into a mailbox, one message at a time.
pub(crate) struct Worker {
    mailbox: Arc<NotifierQueue>,
    notifier: BoxService<Notification, Delivered, BoxError>,
    /// How long a delivery may take.
    timeout: Duration,
    /// Where the closure is called, if it is one.
    thread: Option<Arc<BlockingThread>>,
    /// How many alerts go into one message at most.
    batch: usize,
    /// Among how many of the first alerts there is one that is refused.
    suspects: usize,
    /// How many single alerts were refused since the last delivery.
    refused: u32,
    /// Failed attempts since the last delivery, and whether it was told that the receiver is broken.
    failures: u32,
    told_broken: bool,
}

/// How a test went.
enum Tested {
    Delivered,
    Failed,
    /// The receiver asked to be left alone for a while.
    ToWait(BoxError),
}

/// A message under way: it goes back into the mailbox unless it is settled, also where the worker
/// is stopped in the middle.
struct Delivery<'a>(&'a NotifierQueue);

impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        // A panic here while another one unwinds would end the process.
        let _ = guarded(|| self.0.put_back());
    }
}

impl Worker {
    pub(crate) fn new<N>(mailbox: Arc<NotifierQueue>, notifier: N) -> Self
    where
        N: Service<Notification> + Send + 'static,
        N::Response: Into<Delivered>,
        N::Error: Into<BoxError>,
        N::Future: Send + 'static,
    {
        let notifier = notifier.map_response(Into::into).map_err(Into::<BoxError>::into);
        Self {
            mailbox,
            notifier: BoxService::new(notifier),
            timeout: TIMEOUT,
            thread: None,
            batch: BATCH,
            suspects: 0,
            refused: 0,
            failures: 0,
            told_broken: false,
        }
    }

    /// For a closure: each alert by itself, and for as long as it takes, since a closure can't be
    /// stopped, and its next call must not overtake it.
    pub(crate) fn of_hook(
        mailbox: Arc<NotifierQueue>,
        hook: impl Fn(&Alert) + Send + Sync + 'static,
    ) -> Self {
        let thread = Arc::new(BlockingThread::new("lookout-closure"));
        let notifier = ClosureNotifier::new(hook, Arc::clone(&thread)).map_response(Into::into);
        Self {
            mailbox,
            timeout: Duration::MAX,
            notifier: BoxService::new(notifier),
            thread: Some(thread),
            batch: 1,
            suspects: 0,
            refused: 0,
            failures: 0,
            told_broken: false,
        }
    }

    /// Starts the thread that the closure needs, if this notifier is one.
    pub(crate) fn start_thread(&self) -> io::Result<()> {
        self.thread.as_ref().map_or(Ok(()), |thread| thread.start())
    }

    /// Works until the mailbox is closed and empty. After a panic it goes on with the message that was
    /// under way.
    pub(crate) async fn run(mut self) {
        let name = format!("the worker of the notifier {:?}", self.mailbox.name);
        supervised(&name, &mut self, async |worker: &mut Self| worker.work().await).await;
    }

    async fn work(&mut self) {
        let mailbox = Arc::clone(&self.mailbox);
        while mailbox.wait().await {
            // While a notifier that limits its rate is not ready, what comes is merged.
            let ready = self.ready().await;
            let arrivals = mailbox.arrivals();
            if ready.is_err() {
                count(&mailbox.stats.failed, 1);
            }
            let delivered = match (ready, mailbox.take_test()) {
                (ready, Some(test)) => match self.deliver_test(&mailbox, test, ready).await {
                    Tested::Delivered => Ok(()),
                    Tested::Failed => continue,
                    Tested::ToWait(error) => Err(error),
                },
                (Err(error), None) => Err(error),
                (Ok(()), None) => self.deliver_some(&mailbox).await,
            };
            match delivered {
                Ok(()) => (self.failures, self.told_broken) = (0, false),
                Err(error) => self.pause(&mailbox, &error, arrivals).await,
            }
        }
    }

    /// Delivers a test by itself, and answers whoever asked for it. It is not tried again, and what
    /// waits besides keeps its backoff.
    async fn deliver_test(
        &mut self,
        mailbox: &NotifierQueue,
        test: Test,
        ready: Result<(), BoxError>,
    ) -> Tested {
        let (was_called, delivered) = match ready {
            Ok(()) => (true, self.deliver(test.notification()).await),
            Err(error) => (false, Err(error)),
        };
        let is_open = match &delivered {
            Ok(delivered) => !delivered.forgets(),
            // Who did not answer in time may have taken it.
            Err(error) => error.is::<Elapsed>(),
        };
        if is_open {
            // As any change from here on, so that nothing is left open at the receiver.
            mailbox.put(test.alert.clone().resolved_at(SystemTime::now()));
        }
        match delivered {
            Ok(delivered) => {
                mailbox.stats.delivered(&delivered);
                test.answer(Ok(()));
                Tested::Delivered
            }
            Err(error) => {
                if was_called {
                    count(&mailbox.stats.failed, 1);
                }
                test.answer(Err(DeliveryError::again(&error)));
                match DeliveryError::remedy_of(&error) {
                    Remedy::RetryAfter(_) => Tested::ToWait(error),
                    _ => Tested::Failed,
                }
            }
        }
    }

    async fn deliver_some(&mut self, mailbox: &NotifierQueue) -> Result<(), BoxError> {
        let most = if self.suspects == 0 { self.batch } else { (self.suspects / 2).max(1) };
        let Some(notification) = mailbox.take(most) else { return Ok(()) };
        let _delivery = Delivery(mailbox);
        if self.failures > 0 || self.suspects > 0 {
            count(&mailbox.stats.retried, 1);
        }
        let alerts = notification.alerts.len();
        match self.deliver(notification).await {
            Ok(delivered) => {
                self.taken(alerts - delivered.left().map_or(0, |left| left.alerts.len()));
                mailbox.stats.delivered(&delivered);
                mailbox.delivered(delivered);
                if self.failures > 0 {
                    logged(|| tracing::info!(notifier = mailbox.name, "notifier delivers again"));
                }
                Ok(())
            }
            Err(mut error) => {
                count(&mailbox.stats.failed, 1);
                let mut left_alerts = alerts;
                if let Some(left) = DeliveryError::left_of(&mut error) {
                    // No more than were taken, so that the parts get smaller.
                    left_alerts = left.alerts.len().min(alerts);
                    mailbox.delivered(DeliveryError::others_of(&mut error).leaving(left));
                }
                if DeliveryError::remedy_of(&error) != Remedy::Rejected {
                    return Err(error);
                }
                let (notifier, reason) = (&mailbox.name, chain(&*error));
                if self.divides(left_alerts, &error) {
                    self.suspects = left_alerts;
                    logged(|| {
                        tracing::warn!(
                            notifier,
                            reason,
                            left_alerts,
                            "refused: half of it is tried"
                        );
                    });
                } else {
                    self.refused = self.refused.saturating_add(1);
                    self.suspects = self.suspects.saturating_sub(alerts);
                    mailbox.rejected(&reason);
                }
                Ok(())
            }
        }
    }

    /// So many of the first alerts were delivered.
    fn taken(&mut self, alerts: usize) {
        self.refused = 0;
        self.suspects = self.suspects.saturating_sub(alerts);
    }

    /// Whether a part is tried of a message that was refused: not where nothing seems to be taken.
    fn divides(&self, alerts: usize, error: &BoxError) -> bool {
        alerts > 1 && self.refused < MOST_REFUSED && DeliveryError::is_divisible(error)
    }

    /// Waits until the notifier is ready; its panic is its failure here, too.
    async fn ready(&mut self) -> Result<(), BoxError> {
        poll_fn(|cx| {
            guarded(|| self.notifier.poll_ready(cx))
                .unwrap_or_else(|panic| Poll::Ready(Err(panicked(&panic))))
        })
        .await
    }

    /// Calls the notifier; its panic is its failure, and nobody else's.
    async fn deliver(&mut self, notification: Notification) -> Result<Delivered, BoxError> {
        let asked = notification.clone();
        let call =
            guarded(|| self.notifier.call(notification)).map_err(|panic| panicked(&panic))?;
        // Ends with the worker: what goes on after that would be told of as not delivered.
        let mut calls = JoinSet::new();
        calls.spawn(call);
        match within(self.timeout, calls.join_next()).await? {
            None => Err("the call has gone".into()),
            Some(Ok(delivered)) => delivered.and_then(|delivered| delivered.to(&asked)),
            Some(Err(stopped)) => Err(match stopped.try_into_panic() {
                Ok(payload) => panicked(&Panic::new(payload)),
                Err(stopped) => stopped.into(),
            }),
        }
    }

    /// Rests after a failure; `arrivals` is how much had arrived when it was tried.
    async fn pause(&mut self, mailbox: &NotifierQueue, error: &BoxError, arrivals: u64) {
        self.failures = self.failures.saturating_add(1);
        let remedy = DeliveryError::remedy_of(error);
        let wait = match remedy {
            // Who says 0, or a date by a clock that is behind, is not asked again in a loop.
            Remedy::RetryAfter(wait) => wait.clamp(SHORTEST_PAUSE, LONGEST_PAUSE),
            Remedy::Misconfigured => BROKEN_PAUSE,
            Remedy::Retry | Remedy::Rejected => backoff(self.failures, fastrand::f64()),
        };
        let (reason, notifier) = (chain(&**error), &mailbox.name);
        // Loud once; the counters tell how often.
        if remedy == Remedy::Misconfigured && !self.told_broken {
            self.told_broken = true;
            logged(|| tracing::error!(notifier, reason, ?wait, "notifier is broken"));
        } else if self.failures == 1 {
            logged(|| tracing::warn!(notifier, reason, ?wait, "notification failed, is retried"));
        } else {
            logged(|| tracing::debug!(notifier, reason, ?wait, "notification failed again"));
        }
        let until = Instant::now() + wait;
        // A failure to repeat delays no change, and one recipient's failure none for the others.
        let news_waits = mailbox.has_changes() && !DeliveryError::is_for_some(error);
        match remedy {
            // What the receiver asked for is kept to, even in a hurry.
            Remedy::RetryAfter(_) => loop {
                tokio::select! {
                    () = sleep_until(until) => break,
                    () = mailbox.wait_for_test() => while let Some(test) = mailbox.take_test() {
                        let left = until.saturating_duration_since(Instant::now());
                        test.answer(Err(DeliveryError::retry_after(left, reason.clone())));
                    },
                }
            },
            Remedy::Misconfigured => tokio::select! {
                () = sleep_until(until) => {}
                () = mailbox.wait_for_news(arrivals), if !mailbox.is_closed() => {}
                () = sleep_until(Instant::now() + CLOSING_PAUSE), if mailbox.is_closed() => {}
            },
            Remedy::Retry | Remedy::Rejected => tokio::select! {
                () = sleep_until(until) => {}
                () = mailbox.wait_for_test() => {}
                () = mailbox.wait_for_news(arrivals), if !news_waits => {}
                () = mailbox.wait_for_close(), if !mailbox.is_closed() => {}
                () = sleep_until(Instant::now() + CLOSING_PAUSE), if mailbox.is_closed() => {}
            },
        }
    }
}

/// No receiver is waited for less than this, nor longer than that, whatever it asks.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// The pause between attempts once the lookout shuts down.
const CLOSING_PAUSE: Duration = Duration::from_millis(250);

/// 1 s, 2 s, 4 s … 30 s, of which a random half is taken off, so that replicas come apart.
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
