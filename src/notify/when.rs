use std::time::Duration;

use tower::BoxError;
use tower_service::Service;

use super::{Delivered, Matcher, Notification, NotifierExt, OrElse, RepeatEvery};

/// A notifier that is for some alerts only; made by [`NotifierExt::when`].
///
/// What it is not for never comes to it: it takes no place in its queue, waits for nothing, and counts as
/// no message.
#[derive(Clone, Debug)]
#[must_use = "a notifier does nothing until the builder has it"]
pub struct When<N> {
    pub(super) notifier: N,
    pub(super) matcher: Matcher,
}

impl<N> When<N>
where
    N: Service<Notification, Response: Into<Delivered>>,
{
    /// As [`NotifierExt::or_else`]: of the alerts that this one is for, `other` takes what it does not.
    pub fn or_else<O>(self, other: O) -> When<OrElse<N, O>>
    where
        O: Service<Notification, Response: Into<Delivered>>,
    {
        When { notifier: self.notifier.or_else(other), matcher: self.matcher }
    }

    /// As [`NotifierExt::repeat_every`].
    pub fn repeat_every(self, every: Duration) -> When<RepeatEvery<N>> {
        When { notifier: self.notifier.repeat_every(every), matcher: self.matcher }
    }
}

/// What [`LookoutBuilder::notify`](crate::LookoutBuilder::notify) takes: a tower service that takes a
/// [`Notification`], or one with a [`Matcher`] by [`NotifierExt::when`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no notifier",
    note = "a notifier is a tower service that takes a `Notification`, answers `()` or `Delivered`, and is \
            `Send + 'static` as its futures are; `when` comes last"
)]
pub trait IntoNotifier {
    /// The service.
    type Notifier: Service<
            Notification,
            Response: Into<Delivered>,
            Error: Into<BoxError>,
            Future: Send + 'static,
        > + Send
        + 'static;

    /// The service, and what it is for; all where there is no matcher.
    fn into_notifier(self) -> (Self::Notifier, Option<Matcher>);
}

impl<N> IntoNotifier for N
where
    N: Service<Notification> + Send + 'static,
    N::Response: Into<Delivered>,
    N::Error: Into<BoxError>,
    N::Future: Send + 'static,
{
    type Notifier = N;

    fn into_notifier(self) -> (N, Option<Matcher>) {
        (self, None)
    }
}

impl<N> IntoNotifier for When<N>
where
    N: Service<Notification> + Send + 'static,
    N::Response: Into<Delivered>,
    N::Error: Into<BoxError>,
    N::Future: Send + 'static,
{
    type Notifier = N;

    fn into_notifier(self) -> (N, Option<Matcher>) {
        (self.notifier, Some(self.matcher))
    }
}
