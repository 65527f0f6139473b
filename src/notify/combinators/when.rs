use std::time::Duration;

use tower::BoxError;
use tower_service::Service;

use crate::notify::{Delivered, Matcher, Notification, OrElse, RepeatEvery};

/// A notifier that gets only the alerts that a matcher matches; made by
/// [`NotifierExt::when`](crate::notify::NotifierExt::when).
///
/// Other alerts are not queued for it, and do not count in its metrics.
#[derive(Clone, Debug)]
#[must_use = "a notifier does nothing until it is added to the builder"]
pub struct When<N> {
    pub(crate) notifier: N,
    pub(crate) matcher: Matcher,
}

impl<N> When<N>
where
    N: Service<Notification, Response: Into<Delivered>>,
{
    /// As [`NotifierExt::or_else`](crate::notify::NotifierExt::or_else): `other` gets the matching
    /// alerts that this notifier fails to deliver.
    pub fn or_else<O>(self, other: O) -> When<OrElse<N, O>>
    where
        O: Service<Notification, Response: Into<Delivered>>,
    {
        When { notifier: OrElse::new(self.notifier, other), matcher: self.matcher }
    }

    /// As [`NotifierExt::repeat_every`](crate::notify::NotifierExt::repeat_every).
    pub fn repeat_every(self, every: Duration) -> When<RepeatEvery<N>> {
        When { notifier: RepeatEvery::new(self.notifier, every), matcher: self.matcher }
    }
}

/// A parameter of [`LookoutBuilder::notify`](crate::LookoutBuilder::notify): a tower service that
/// takes a [`Notification`], one with a [`Matcher`] by
/// [`NotifierExt::when`](crate::notify::NotifierExt::when), or an `Option` of either, where `None`
/// adds nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a notifier",
    note = "a notifier is a tower service that takes a `Notification`, returns `()` or `Delivered`, and is \
            `Send + 'static`, as are its futures; call `when` last"
)]
pub trait IntoNotifier<K> {
    /// The service.
    type Notifier: Service<
            Notification,
            Response: Into<Delivered>,
            Error: Into<BoxError>,
            Future: Send + 'static,
        > + Send
        + 'static;

    /// Returns the service and its matcher. Without a matcher, the service gets all alerts. `None`
    /// adds no notifier.
    fn into_notifier(self) -> Option<(Self::Notifier, Option<Matcher>)>;
}

/// Distinguishes the implementations of [`IntoNotifier`]. The compiler infers it.
#[doc(hidden)]
pub mod kind {
    /// A service.
    #[derive(Debug)]
    pub struct Service(());

    /// A service with a matcher.
    #[derive(Debug)]
    pub struct When(());

    /// An `Option` of a notifier of this kind.
    #[derive(Debug)]
    pub struct Optional<K>(std::marker::PhantomData<K>);
}

impl<N> IntoNotifier<kind::Service> for N
where
    N: Service<Notification> + Send + 'static,
    N::Response: Into<Delivered>,
    N::Error: Into<BoxError>,
    N::Future: Send + 'static,
{
    type Notifier = N;

    fn into_notifier(self) -> Option<(N, Option<Matcher>)> {
        Some((self, None))
    }
}

impl<N> IntoNotifier<kind::When> for When<N>
where
    N: Service<Notification> + Send + 'static,
    N::Response: Into<Delivered>,
    N::Error: Into<BoxError>,
    N::Future: Send + 'static,
{
    type Notifier = N;

    fn into_notifier(self) -> Option<(N, Option<Matcher>)> {
        Some((self.notifier, Some(self.matcher)))
    }
}

impl<N, K> IntoNotifier<kind::Optional<K>> for Option<N>
where
    N: IntoNotifier<K>,
{
    type Notifier = N::Notifier;

    fn into_notifier(self) -> Option<(N::Notifier, Option<Matcher>)> {
        self?.into_notifier()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::{Log, NotifierExt};

    #[test]
    fn an_empty_option_adds_no_notifier() {
        assert!(Log::new().into_notifier().is_some());
        assert!(Some(Log::new()).into_notifier().is_some());
        let (_, matcher) = Some(Log::new().when(Matcher::new())).into_notifier().unwrap();
        assert!(matcher.is_some());
        assert!(None::<Log>.into_notifier().is_none());
        assert!(None::<When<Log>>.into_notifier().is_none());
    }
}
