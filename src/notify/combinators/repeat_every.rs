use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tower::BoxError;
use tower_service::Service;

use crate::notify::{Delivered, DeliveryError, Notification};

/// A notifier that is told again of what fires; made by
/// [`NotifierExt::repeat_every`](crate::notify::NotifierExt::repeat_every).
#[derive(Clone, Debug)]
#[must_use = "a notifier does nothing until the builder has it"]
pub struct RepeatEvery<N> {
    notifier: N,
    every: Duration,
}

/// What is told more often is read by nobody.
const SHORTEST: Duration = Duration::from_secs(60);

impl<N> RepeatEvery<N> {
    pub(crate) fn new(notifier: N, every: Duration) -> Self {
        Self { notifier, every: every.max(SHORTEST) }
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
        let every = self.every;
        Box::pin(async move {
            match delivery.await {
                Ok(delivered) => Ok(delivered.into().or_again_every(every)),
                Err(error) => {
                    let mut error = DeliveryError::of(error.into());
                    let others = error.take_others().or_again_every(every);
                    Err(error.others_delivered(others).into())
                }
            }
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
        notify::NotifierExt,
    };

    const HOUR: Duration = Duration::from_secs(3_600);

    async fn answer(asked: impl Into<Delivered>, every: Duration) -> Delivered {
        let asked = asked.into();
        let notifier = service_fn(move |_: Notification| ready(Ok::<_, BoxError>(asked.clone())));
        let alerts = vec![test_alert("A", AlertStatus::Firing)];
        let notification = Notification::new(alerts, vec![1]);
        notifier.repeat_every(every).oneshot(notification).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_delivered_is_told_again_in_a_minute_at_least() {
        for (every, expected) in [(4 * HOUR, 4 * HOUR), (Duration::ZERO, SHORTEST)] {
            let expected = Delivered::default().or_again_every(expected);
            assert_eq!(answer((), every).await.again, expected.again);
        }
    }

    #[tokio::test]
    async fn a_receiver_that_forgets_sooner_is_told_as_often_as_it_asks() {
        let asked = Delivered::again_every(SHORTEST).resolved_for(HOUR);
        assert_eq!(answer(asked.clone(), HOUR).await.again, asked.again);
    }

    #[tokio::test]
    async fn what_a_message_had_no_room_for_stays_for_the_next_one() {
        let left = Notification::new(vec![test_alert("A", AlertStatus::Firing)], vec![1]);
        let delivered = answer(Delivered::partial(left), HOUR).await;
        assert_eq!(delivered.left().unwrap().title(), "[FIRING] A · orders");
    }
}
