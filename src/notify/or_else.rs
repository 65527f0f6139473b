mod told;

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{sync::Mutex, time::timeout};
use tower::BoxError;
use tower_service::Service;

use self::told::{Told, lock};
use super::{
    Delivered, DeliveryError, Notification,
    error::{Remedy, chain},
};

/// Two notifiers, of which the second takes what the first does not; made by
/// [`NotifierExt::or_else`](super::NotifierExt::or_else).
pub struct OrElse<A, B> {
    first: A,
    /// Why the first one can't even be asked.
    unready: Option<BoxError>,
    /// Behind a lock, since it is asked within the future.
    other: Arc<Mutex<B>>,
    told: Arc<Told>,
}

impl<A, B> OrElse<A, B> {
    pub(super) fn new(first: A, other: B) -> Self {
        Self { first, unready: None, other: Arc::new(Mutex::new(other)), told: Arc::default() }
    }
}

/// How long the first one may take, of the ten seconds that both have.
const FIRST_TIMEOUT: Duration = Duration::from_secs(5);

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
    type Future = Pin<Box<dyn Future<Output = Result<Delivered, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.unready = ready!(self.first.poll_ready(cx)).err().map(Into::into);
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut notification: Notification) -> Self::Future {
        let told = Arc::clone(&self.told);
        let owed = lock(&told).take_owed(&mut notification);
        let first = match self.unready.take() {
            _ if notification.alerts.is_empty() => None,
            Some(error) => Some(Err(error)),
            None => Some(Ok(self.first.call(notification.clone()))),
        };
        let other = Arc::clone(&self.other);
        Box::pin(async move {
            let by_first = match first {
                Some(Ok(delivery)) => match timeout(FIRST_TIMEOUT, delivery).await {
                    Ok(delivered) => delivered.map(Into::into).map_err(Into::into),
                    Err(elapsed) => Err(elapsed.into()),
                },
                Some(Err(error)) => Err(error),
                None => Ok(Delivered::default()),
            };
            let round = Round::new(by_first, notification, owed, &told);
            let Some(untold) = round.for_other() else { return round.end() };
            if let Err(error) = &round.by_first {
                tracing::warn!(
                    reason = chain(&**error),
                    "a notifier failed: the other one is asked"
                );
            }
            // Known before it answers: who is too slow to answer may have taken it.
            let new = lock(&told).asked(&untold);
            let by_other = ask(&other, untold.clone()).await;
            round.end_with(by_other, untold, new, &told)
        })
    }
}

/// What came of asking the first one.
struct Round {
    by_first: Result<Delivered, BoxError>,
    /// What it did not take.
    left: Notification,
    /// What it took, and the other one is to hear, too.
    owed: Notification,
}

impl Round {
    fn new(
        mut by_first: Result<Delivered, BoxError>,
        notification: Notification,
        mut owed: Notification,
        told: &Told,
    ) -> Self {
        let mut taken = notification;
        let left = match &mut by_first {
            Ok(_) => Notification::none(),
            Err(error) => DeliveryError::left_of(error).unwrap_or_else(|| taken.clone()),
        };
        taken.without(&left);
        owed.append(&lock(told).taken_by_first(&taken));
        Self { by_first, left, owed }
    }

    /// What only changes are for, and the resolves of what it was told.
    fn for_other(&self) -> Option<Notification> {
        let mut untold = self.left.clone().changed();
        untold.append(&self.owed);
        Some(untold).filter(|untold| !untold.alerts.is_empty())
    }

    /// Without the other one.
    fn end(self) -> Result<Delivered, BoxError> {
        self.by_first.map_err(|error| DeliveryError::of(error).only(self.left).into())
    }

    fn end_with(
        self,
        by_other: Result<Delivered, BoxError>,
        mut taken: Notification,
        mut new: Notification,
        told: &Told,
    ) -> Result<Delivered, BoxError> {
        let mut error = match by_other {
            Ok(delivered) => {
                lock(told).taken_by_other(&taken);
                return self.by_first.or(Ok(delivered));
            }
            Err(error) => error,
        };
        tracing::warn!(reason = chain(&*error), "the other one failed, too");
        match DeliveryError::left_of(&mut error) {
            Some(left) => taken.without(&left),
            None => taken = Notification::none(),
        }
        let (mut told, error) = (lock(told), DeliveryError::of(error));
        told.taken_by_other(&taken);
        // After a passing failure nobody knows.
        if error.remedy() != Remedy::Retry {
            new.without(&taken);
            told.refused(&new);
        }
        let mut left = self.left;
        left.append(&self.owed);
        left.without(&taken);
        Err(match self.by_first {
            Ok(delivered) => error.others_delivered(delivered).only(left),
            Err(failed) => {
                let failed = DeliveryError::of(failed);
                // What the other one may still take is not given up on.
                let decides = if failed.remedy() == Remedy::GiveUp { error } else { failed };
                decides.only(left)
            }
        }
        .into())
    }
}

async fn ask<N>(notifier: &Mutex<N>, notification: Notification) -> Result<Delivered, BoxError>
where
    N: Service<Notification, Response: Into<Delivered>, Error: Into<BoxError>>,
{
    let mut notifier = notifier.lock().await;
    poll_fn(|cx| notifier.poll_ready(cx)).await.map_err(Into::into)?;
    let delivery = notifier.call(notification);
    drop(notifier);
    delivery.await.map(Into::into).map_err(Into::into)
}

impl<A, B> fmt::Debug for OrElse<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrElse").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "or_else_tests.rs"]
mod tests;
