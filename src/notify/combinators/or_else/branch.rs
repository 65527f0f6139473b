use std::{
    future::{Future, poll_fn},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tower::BoxError;
use tower_service::Service;

use crate::{
    catch_panic::logged,
    deadline,
    notify::{Delivered, DeliveryError, DeliveryErrorKind, Notification, error::cause_of},
};

/// One of the two notifiers of `or_else`. Logs its failures and its recovery, and honours its
/// `Retry-After`.
#[derive(Debug)]
pub(crate) struct Branch {
    /// Identifies the branch in the log.
    name: &'static str,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_failing: bool,
    is_logged_as_misconfigured: bool,
    /// No delivery is attempted before this time, for this reason.
    retry_at: Option<(Instant, String)>,
}

/// The longest wait that is honoured.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

impl Branch {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, state: Mutex::default() }
    }

    /// While the receiver asked to wait, the error to return instead of a delivery.
    pub(crate) fn wait_error(&self) -> Option<BoxError> {
        let mut state = self.lock();
        let (retry_at, reason) = state.retry_at.take()?;
        let wait =
            retry_at.checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero())?;
        let error = DeliveryError::retry_after(wait, reason.clone());
        state.retry_at = Some((retry_at, reason));
        Some(error.into())
    }

    /// Records the result of a delivery.
    pub(crate) fn record(&self, result: &Result<Delivered, BoxError>) {
        let error = match result {
            Ok(delivered) => delivered.error().map(|error| (error.kind(), cause_of(error))),
            Err(error) => Some((DeliveryErrorKind::of(error), cause_of(&**error))),
        };
        let mut state = self.lock();
        let branch = self.name;
        let Some((kind, reason)) = error else {
            if std::mem::take(&mut *state).is_failing {
                logged(|| tracing::info!(branch, "one notifier of or_else recovered"));
            }
            return;
        };
        if kind == DeliveryErrorKind::Misconfigured && !state.is_logged_as_misconfigured {
            state.is_logged_as_misconfigured = true;
            logged(|| tracing::error!(branch, reason, "one notifier of or_else is misconfigured"));
        } else if !state.is_failing {
            logged(|| tracing::warn!(branch, reason, "one notifier of or_else failed"));
        } else {
            logged(|| tracing::debug!(branch, reason, "one notifier of or_else failed again"));
        }
        state.is_failing = true;
        if let DeliveryErrorKind::RetryAfter(wait) = kind {
            state.retry_at = Some((Instant::now() + wait.min(LONGEST_WAIT), reason));
        }
    }

    /// Calls the notifier behind a lock, unless its receiver asked to wait.
    pub(crate) async fn call<N>(
        &self,
        notifier: &tokio::sync::Mutex<N>,
        mut notification: Notification,
        deadline: Instant,
    ) -> Result<Delivered, BoxError>
    where
        N: Service<Notification, Response: Into<Delivered>, Error: Into<BoxError>>,
    {
        if let Some(error) = self.wait_error() {
            return Err(error);
        }
        notification.deadline = Some(deadline);
        let sent = notification.clone();
        let delivery = async {
            let mut notifier = notifier.lock().await;
            poll_fn(|cx| notifier.poll_ready(cx)).await?;
            let delivery = notifier.call(notification);
            drop(notifier);
            delivery.await
        };
        let result = by(deadline, &sent, delivery).await;
        self.record(&result);
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the result of a delivery, or an error at the deadline.
pub(crate) async fn by<T, E>(
    deadline: Instant,
    sent: &Notification,
    delivery: impl Future<Output = Result<T, E>>,
) -> Result<Delivered, BoxError>
where
    T: Into<Delivered>,
    E: Into<BoxError>,
{
    match deadline::by(deadline, delivery).await {
        Ok(Ok(delivered)) => delivered.into().in_response_to(sent),
        Ok(Err(error)) => Err(error.into()),
        Err(elapsed) => Err(elapsed.into()),
    }
}
