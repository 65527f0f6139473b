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

use super::{Delivered, DeliveryError, Notification, error::chain};

/// Two notifiers, of which the second takes what the first does not; made by
/// [`NotifierExt::or_else`](super::NotifierExt::or_else).
pub struct OrElse<A, B> {
    first: A,
    /// Why the first one can't even be asked.
    unready: Option<BoxError>,
    /// Behind a lock, since it is asked within the future.
    other: Arc<Mutex<B>>,
}

impl<A, B> OrElse<A, B> {
    pub(super) fn new(first: A, other: B) -> Self {
        Self { first, unready: None, other: Arc::new(Mutex::new(other)) }
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

    fn call(&mut self, notification: Notification) -> Self::Future {
        let first = match self.unready.take() {
            Some(error) => Err(error),
            None => Ok(self.first.call(notification.clone())),
        };
        let other = Arc::clone(&self.other);
        Box::pin(async move {
            let mut failed = match first {
                Ok(delivery) => match timeout(FIRST_TIMEOUT, delivery).await {
                    Ok(Ok(delivered)) => return Ok(delivered.into()),
                    Ok(Err(error)) => error.into(),
                    Err(elapsed) => elapsed.into(),
                },
                Err(error) => error,
            };
            let left = DeliveryError::left_of(&mut failed).unwrap_or(notification);
            let Some(changed) = left.clone().changed() else {
                return Err(DeliveryError::of(failed).only(left).into());
            };
            tracing::warn!(reason = chain(&*failed), "a notifier failed: the other one is asked");
            match ask(&other, changed).await {
                Ok(delivered) => Ok(delivered),
                Err(mut error) => {
                    tracing::warn!(reason = chain(&*error), "the other one failed, too");
                    let left = DeliveryError::left_of(&mut error).unwrap_or(left);
                    Err(DeliveryError::of(failed).only(left).into())
                }
            }
        })
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
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::time::Instant;
    use tower::{ServiceExt, service_fn};

    use super::*;
    use crate::{
        alert::{AlertStatus, test_alert},
        notify::{DeliveryError, NotifierExt, error::Remedy},
    };

    fn notification() -> Notification {
        Notification { alerts: vec![test_alert("A", AlertStatus::Firing)], changes: vec![1] }
    }

    /// How often the other one was asked, and what came of it.
    async fn deliver<F>(first: F, other_takes: bool) -> (u32, Result<Delivered, BoxError>)
    where
        F: Service<Notification, Response = (), Error = DeliveryError, Future: Send + 'static>,
    {
        let asked = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&asked);
        let other = service_fn(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            let taken = if other_takes { Ok(()) } else { Err(DeliveryError::retry("down")) };
            std::future::ready(taken)
        });
        let delivered = first.or_else(other).oneshot(notification()).await;
        (asked.load(Ordering::Relaxed), delivered)
    }

    #[tokio::test]
    async fn the_other_one_is_asked_only_where_the_first_one_fails() {
        let (asked, delivered) =
            deliver(service_fn(|_| async { Ok::<_, DeliveryError>(()) }), true).await;
        assert!(asked == 0 && delivered.is_ok());
        let broken = || service_fn(|_| async { Err(DeliveryError::broken("revoked")) });
        let (asked, delivered) = deliver(broken(), true).await;
        assert!(asked == 1 && delivered.is_ok());
        let (asked, delivered) = deliver(broken(), false).await;
        assert_eq!(asked, 1);
        let remedy = DeliveryError::remedy_of(&delivered.unwrap_err());
        assert_eq!(remedy, Remedy::Mend, "as the first one failed");
    }

    #[tokio::test]
    async fn the_other_one_is_not_told_what_has_not_changed() {
        let told = Arc::new(std::sync::Mutex::new(Vec::new()));
        let taken = Arc::clone(&told);
        let broken = service_fn(|_| async { Err::<(), _>(DeliveryError::retry("down")) });
        let mut notifier = broken.or_else(service_fn(move |notification: Notification| {
            taken.lock().unwrap().push(notification.title());
            std::future::ready(Ok::<_, DeliveryError>(()))
        }));
        let [a, b] = ["A", "B"].map(|rule| test_alert(rule, AlertStatus::Firing));
        for (changes, is_delivered) in [(vec![0, 1], true), (vec![0, 0], false)] {
            let notification = Notification { alerts: vec![a.clone(), b.clone()], changes };
            let delivered = notifier.ready().await.unwrap().call(notification).await;
            assert_eq!(delivered.is_ok(), is_delivered);
        }
        assert_eq!(*told.lock().unwrap(), ["[FIRING] B · orders"]);
    }

    #[tokio::test]
    async fn what_neither_took_is_left() {
        let alerts = ["A", "B", "C"].map(|rule| test_alert(rule, AlertStatus::Firing));
        let notification = Notification { alerts: alerts.into(), changes: vec![1; 3] };
        let takes = |taken: &'static str| {
            service_fn(move |mut left: Notification| async move {
                left.retain(|alert| &*alert.rule != taken);
                Err::<(), _>(DeliveryError::rejected("the others").only(left))
            })
        };
        let mut error = takes("A").or_else(takes("C")).oneshot(notification).await.unwrap_err();
        assert_eq!(DeliveryError::remedy_of(&error), Remedy::GiveUp);
        let left = DeliveryError::left_of(&mut error).unwrap();
        assert_eq!(left.title(), "[FIRING] B · orders");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_hangs_leaves_the_other_one_half_of_the_time() {
        let start = Instant::now();
        let hangs = service_fn(|_| std::future::pending::<Result<(), DeliveryError>>());
        let (asked, delivered) = deliver(hangs, true).await;
        assert!(asked == 1 && delivered.is_ok());
        assert_eq!(start.elapsed(), FIRST_TIMEOUT);
    }
}
