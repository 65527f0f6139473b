mod branch;
mod delivery_log;

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
    delivery_log::{Told, lock},
};
use crate::deadline::Elapsed;
use crate::notify::{
    Delivered, DeliveryError, Notification, dispatch::test_delivery::Answers, error::Remedy,
};

/// Two notifiers, of which the second takes what the first does not; made by
/// [`NotifierExt::or_else`](crate::notify::NotifierExt::or_else).
#[must_use = "a notifier does nothing until the builder has it"]
pub struct OrElse<A, B> {
    first: A,
    /// Why the first one can't even be asked.
    unready: Option<BoxError>,
    /// Behind a lock, since it is asked within the future.
    other: Arc<Mutex<B>>,
    shared: Arc<Shared>,
}

/// What outlives a call.
struct Shared {
    first: Branch,
    other: Branch,
    told: Told,
}

impl<A, B> OrElse<A, B> {
    pub(crate) fn new(first: A, other: B) -> Self {
        let (told, sides) = (Told::default(), ["first", "other"].map(Branch::new));
        let [by_first, by_other] = sides;
        let shared = Shared { first: by_first, other: by_other, told };
        Self { first, unready: None, other: Arc::new(Mutex::new(other)), shared: Arc::new(shared) }
    }
}

/// How long the first one may take, and both together: less than the ten seconds that a worker gives
/// them, so that it is known who was too slow. Two that are one of two have what that one has, and the
/// first of them half of it.
const FIRST_TIMEOUT: Duration = Duration::from_secs(5);
const BOTH_TIMEOUT: Duration = Duration::from_millis(9_500);

/// A delivery by one of the two.
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
        let (other, shared) = (Arc::clone(&self.other), Arc::clone(&self.shared));
        if let Some(answers) = notification.answers.take() {
            return self.test(notification, answers);
        }
        let mut told = lock(&shared.told);
        told.fires(&notification);
        let again = told.take_again(&mut notification);
        let mut owed = told.take_owed(&mut notification);
        drop(told);
        owed.append(&again);
        let deadline = deadline(&notification);
        let first = (!notification.alerts.is_empty()).then(|| self.ask_first(notification.clone()));
        Box::pin(async move {
            let by_first = match first {
                Some(delivery) => delivery.await,
                None => Ok(Delivered::default()),
            };
            let mut round = Round::new(by_first, notification, owed, &shared.told);
            let Some(untold) = round.for_other() else { return round.end(&shared.told) };
            round.owed.without(&again);
            // Known before it answers: who is too slow to answer may have taken it.
            let new = lock(&shared.told).asked(&untold);
            let by_other = shared.other.ask(&other, untold.clone(), deadline).await;
            round.end_with(by_other, untold, new, &shared.told)
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
    fn ask_first(&mut self, mut notification: Notification) -> Delivery {
        if let Some(error) = self.shared.first.rests() {
            return Box::pin(ready(Err(error)));
        }
        let now = Instant::now();
        let deadline = notification
            .deadline
            .map_or(now + FIRST_TIMEOUT, |deadline| now + (deadline - now) / 2);
        notification.deadline = Some(deadline);
        let asked = notification.clone();
        let delivery = match self.unready.take() {
            Some(error) => Err(error),
            None => Ok(self.first.call(notification)),
        };
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let by_first = match delivery {
                Ok(delivery) => by(deadline, &asked, delivery).await,
                Err(error) => Err(error),
            };
            shared.first.answered(&by_first);
            by_first
        })
    }

    /// Asks both, whatever comes of either, and says of each what did.
    fn test(&mut self, notification: Notification, answers: Answers) -> Delivery {
        let deadline = deadline(&notification);
        let parts = [(); 2].map(|()| Answers::default());
        let [to_first, to_other] = parts
            .each_ref()
            .map(|part| Notification { answers: Some(part.clone()), ..notification.clone() });
        let by_first = self.ask_first(to_first);
        let (other, shared) = (Arc::clone(&self.other), Arc::clone(&self.shared));
        Box::pin(async move {
            let new = lock(&shared.told).asked(&notification);
            let by_other = shared.other.ask(&other, to_other, deadline);
            let both = join!(timed(by_first), timed(by_other));
            let [first, other] = [both.0, both.1];
            if let Err(error) = &other.0
                && DeliveryError::remedy_of(error) != Remedy::Retry
            {
                lock(&shared.told).refused(&new);
            }
            for (place, part, (result, took)) in
                [("", &parts[0], &first), (" (or else)", &parts[1], &other)]
            {
                let result = result.as_ref().map(|_| ()).map_err(DeliveryError::again);
                answers.add(place, part, result, *took);
            }
            match (first.0, other.0) {
                // Both are to hear the end of it, also where one would forget by itself.
                (Ok(_), Ok(_)) => Ok(Delivered::default()),
                (Ok(delivered), Err(_)) => Ok(delivered),
                (Err(_), Ok(delivered)) => Ok(delivered.after_failures(1)),
                // Who did not answer in time may have taken it.
                (Err(one), Err(other)) if one.is::<Elapsed>() || other.is::<Elapsed>() => {
                    Err(Elapsed::new().into())
                }
                (Err(one), Err(other)) => {
                    Err(sooner(DeliveryError::of(one), DeliveryError::of(other)).into())
                }
            }
        })
    }
}

/// Until when both may take, of a message.
fn deadline(notification: &Notification) -> Instant {
    notification.deadline.unwrap_or_else(|| Instant::now() + BOTH_TIMEOUT)
}

async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    let output = future.await;
    (output, start.elapsed())
}

/// Of two failures that after which another try helps sooner.
fn sooner(one: DeliveryError, other: DeliveryError) -> DeliveryError {
    if other.hope() < one.hope() { other } else { one }
}

/// The first notifier's answer, and what follows from it.
struct Round {
    by_first: Result<Delivered, BoxError>,
    /// The alerts that the first one did not accept.
    left: Notification,
    /// Of those, the resolves that the other one accepted in an earlier round.
    heard: Notification,
    /// The alerts that the first one accepted, and the other one needs, too.
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
            Ok(delivered) => delivered.take_left().unwrap_or_else(Notification::none),
            Err(error) => DeliveryError::left_of(error).unwrap_or_else(|| taken.clone()),
        };
        taken.without(&left);
        let mut told = lock(told);
        owed.append(&told.taken_by_first(&taken));
        let heard = told.heard_by_other(&left);
        Self { by_first, left, heard, owed }
    }

    /// The changes that the first one failed to deliver, and the resolves that the other one needs. Alerts
    /// that wait for the first one's next message are not for the other one.
    fn for_other(&self) -> Option<Notification> {
        let mut untold = match &self.by_first {
            Ok(_) => Notification::none(),
            Err(_) => self.left.clone().changed(),
        };
        untold.without(&self.heard);
        untold.append(&self.owed);
        Some(untold).filter(|untold| !untold.alerts.is_empty())
    }

    /// The answer where the other one was not asked.
    fn end(self, told: &Told) -> Result<Delivered, BoxError> {
        let Self { by_first, left, heard, .. } = self;
        let error = match by_first {
            Ok(delivered) => return Ok(delivered.leaving(left)),
            Err(error) => DeliveryError::of(error),
        };
        let mut unheard = left.clone();
        unheard.without(&heard);
        if unheard.alerts.is_empty() && !left.alerts.is_empty() {
            return Err(owed_to_first(error, Delivered::default(), left, told));
        }
        Err(error.only_together(left).into())
    }

    /// The answer where the other one was asked for `asked`, of which `new` are the alerts that it had not
    /// heard of.
    fn end_with(
        self,
        by_other: Result<Delivered, BoxError>,
        asked: Notification,
        mut new: Notification,
        told: &Told,
    ) -> Result<Delivered, BoxError> {
        let mut error = match by_other {
            Ok(delivered) => return self.end_delivered(delivered, asked, new, told),
            Err(error) => error,
        };
        let mut taken = asked;
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
        let waits_for_next = !left.alerts.is_empty();
        left.append(&self.owed);
        left.without(&taken);
        match self.by_first {
            // The next message goes out at once, and asks the other one again.
            Ok(delivered) if waits_for_next => Ok(delivered.after_failures(1).leaving(left)),
            Ok(delivered) => Err(error.others_delivered(delivered).only_together(left).into()),
            Err(failed) => Err(sooner(DeliveryError::of(failed), error).only_together(left).into()),
        }
    }

    /// The answer where the other one accepted `asked`, or a part of it.
    fn end_delivered(
        self,
        mut by_other: Delivered,
        asked: Notification,
        mut new: Notification,
        told: &Told,
    ) -> Result<Delivered, BoxError> {
        let mut taken = asked;
        let left_by_other = by_other.take_left().unwrap_or_else(Notification::none);
        taken.without(&left_by_other);
        new.without(&taken);
        let mut alerts = lock(told);
        alerts.refused(&new);
        alerts.taken_by_other(&taken);
        let failed = match self.by_first {
            Ok(delivered) => {
                let mut left = self.left;
                left.append(&left_by_other);
                return Ok(delivered.leaving(left));
            }
            Err(failed) => failed,
        };
        alerts.taken_by_other_alone(&taken);
        let mut heard = self.left;
        heard.without(&left_by_other);
        let mut owed = alerts.owed_to_first(&heard);
        drop(alerts);
        let delivered = by_other.after_failures(1);
        if !left_by_other.alerts.is_empty() {
            owed.append(&left_by_other);
            return Ok(delivered.leaving(owed));
        }
        if owed.alerts.is_empty() {
            return Ok(delivered);
        }
        Err(owed_to_first(DeliveryError::of(failed), delivered, owed, told))
    }
}

/// The first one was told that these fire, and is to hear that they are over, though the other one has: tried
/// again at intervals, and with whatever comes, unless it never will take it.
fn owed_to_first(
    error: DeliveryError,
    others: Delivered,
    owed: Notification,
    told: &Told,
) -> BoxError {
    if error.remedy() == Remedy::Rejected {
        lock(told).refused_by_first(&owed);
        return error.others_delivered(others).only_together(owed).into();
    }
    DeliveryError::broken(error).others_delivered(others).only_together(owed).into()
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
