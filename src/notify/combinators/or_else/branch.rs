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
    notify::{
        Delivered, DeliveryError, Notification,
        error::{Remedy, chain},
    },
};

/// How one of the two fares, whichever of them delivers: told in the log as it changes, and left alone
/// for as long as it asks.
#[derive(Debug)]
pub(crate) struct Branch {
    /// As the log has it.
    place: &'static str,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_failing: bool,
    is_told_broken: bool,
    /// Until when it is left alone, and why.
    rest: Option<(Instant, String)>,
}

/// Nobody is left alone for longer, whatever it asks.
const LONGEST_REST: Duration = Duration::from_secs(24 * 60 * 60);

impl Branch {
    pub(crate) fn new(place: &'static str) -> Self {
        Self { place, state: Mutex::default() }
    }

    /// Why it is not asked now, if it is to be left alone.
    pub(crate) fn rests(&self) -> Option<BoxError> {
        let mut state = self.lock();
        let (until, why) = state.rest.take()?;
        let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        let error = DeliveryError::retry_after(left, why.clone());
        state.rest = Some((until, why));
        Some(error.into())
    }

    /// What came of asking it.
    pub(crate) fn answered<T>(&self, answer: &Result<T, BoxError>) {
        let mut state = self.lock();
        let place = self.place;
        let Err(error) = answer else {
            if std::mem::take(&mut *state).is_failing {
                logged(|| tracing::info!(place, "one of two notifiers delivers again"));
            }
            return;
        };
        let (remedy, reason) = (DeliveryError::remedy_of(error), chain(&**error));
        if remedy == Remedy::Misconfigured && !state.is_told_broken {
            state.is_told_broken = true;
            logged(|| tracing::error!(place, reason, "one of two notifiers is broken"));
        } else if !state.is_failing {
            logged(|| tracing::warn!(place, reason, "one of two notifiers failed"));
        } else {
            logged(|| tracing::debug!(place, reason, "one of two notifiers failed again"));
        }
        state.is_failing = true;
        if let Remedy::RetryAfter(wait) = remedy {
            state.rest = Some((Instant::now() + wait.min(LONGEST_REST), reason));
        }
    }

    /// Asks the notifier behind a lock, unless it rests.
    pub(crate) async fn ask<N>(
        &self,
        notifier: &tokio::sync::Mutex<N>,
        mut notification: Notification,
        deadline: Instant,
    ) -> Result<Delivered, BoxError>
    where
        N: Service<Notification, Response: Into<Delivered>, Error: Into<BoxError>>,
    {
        if let Some(error) = self.rests() {
            return Err(error);
        }
        notification.deadline = Some(deadline);
        let asked = notification.clone();
        let delivery = async {
            let mut notifier = notifier.lock().await;
            poll_fn(|cx| notifier.poll_ready(cx)).await?;
            let delivery = notifier.call(notification);
            drop(notifier);
            delivery.await
        };
        let answer = by(deadline, &asked, delivery).await;
        self.answered(&answer);
        answer
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer to a notification, if there is one before the deadline.
pub(crate) async fn by<T, E>(
    deadline: Instant,
    asked: &Notification,
    delivery: impl Future<Output = Result<T, E>>,
) -> Result<Delivered, BoxError>
where
    T: Into<Delivered>,
    E: Into<BoxError>,
{
    match deadline::by(deadline, delivery).await {
        Ok(Ok(delivered)) => delivered.into().to(asked),
        Ok(Err(error)) => Err(error.into()),
        Err(elapsed) => Err(elapsed.into()),
    }
}
