use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tower::BoxError;
use tower_service::Service;

use crate::notify::{Delivered, Notification};

/// A notifier that repeats firing alerts; made by
/// [`NotifierExt::repeat_every`](crate::notify::NotifierExt::repeat_every).
#[derive(Clone, Debug)]
#[must_use = "a notifier does nothing until it is added to the builder"]
pub struct RepeatEvery<N> {
    notifier: N,
    interval: Duration,
}

/// A minimum, since people ignore alerts that repeat more often.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(60);

impl<N> RepeatEvery<N> {
    pub(crate) fn new(notifier: N, interval: Duration) -> Self {
        Self { notifier, interval: interval.max(SHORTEST_INTERVAL) }
    }

    #[cfg(all(feature = "state", any(feature = "_http", feature = "email")))]
    pub(crate) fn notifier(&self) -> &N {
        &self.notifier
    }
}

impl<N> Service<Notification> for RepeatEvery<N>
where
    N: Service<Notification, Response: Into<Delivered>, Future: Send + 'static>,
    N::Error: Into<BoxError>,
{
    type Response = Delivered;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Delivered, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.notifier.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, notification: Notification) -> Self::Future {
        let delivery = self.notifier.call(notification);
        let interval = self.interval;
        Box::pin(async move {
            let delivered = delivery.await.map_err(Into::into)?.into();
            Ok(delivered.or_repeat_every(interval))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use tower::{ServiceExt, service_fn};

    use super::*;
    use crate::{
        alert::{AlertStatus, test_alert},
        notify::{DeliveryError, NotifierExt},
    };

    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn notification() -> Notification {
        Notification::new([test_alert("A", AlertStatus::Firing)])
    }

    /// The response of `repeat_every(interval)` around a notifier that responds with `inner`.
    async fn response(
        inner: impl Fn() -> Delivered + Send + 'static,
        interval: Duration,
    ) -> Delivered {
        let notifier = service_fn(move |_: Notification| ready(Ok::<_, BoxError>(inner())));
        notifier.repeat_every(interval).oneshot(notification()).await.unwrap()
    }

    #[tokio::test]
    async fn alerts_repeat_at_the_interval_but_at_most_every_minute() {
        for (interval, expected) in [(4 * HOUR, 4 * HOUR), (Duration::ZERO, SHORTEST_INTERVAL)] {
            let expected = Delivered::default().or_repeat_every(expected);
            assert_eq!(response(Delivered::default, interval).await.repeats, expected.repeats);
        }
    }

    #[tokio::test]
    async fn a_receiver_that_needs_repeats_itself_keeps_its_interval() {
        let asked = || Delivered::repeat_every(SHORTEST_INTERVAL).repeat_resolved_for(HOUR);
        assert_eq!(response(asked, HOUR).await.repeats, asked().repeats);
    }

    #[tokio::test]
    async fn alerts_that_were_left_stay_left_with_their_error() {
        let partial =
            || Delivered::partial(notification()).with_error(DeliveryError::temporary("down"));
        let delivered = response(partial, HOUR).await;
        assert_eq!(delivered.left().unwrap().title(), "[FIRING] A · orders");
        assert!(delivered.error().is_some() && delivered.repeats.is_some());
    }
}
