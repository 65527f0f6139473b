use std::{sync::Arc, time::Duration};

use crate::{
    catch_panic::{guarded, logged},
    observe::{RequestHead, ResponseHead},
    operation::Operation,
    outcome::{Outcome, Status},
};

/// Callbacks for each request, for an access log or sampling. Add it with
/// [`LookoutLayer::observer`](crate::observe::LookoutLayer::observer).
///
/// The callbacks run on the request path, on the thread that handles the request, so they must not
/// block. A panic in a callback is logged and does not affect the request.
///
/// # Examples
///
/// Prints the path of slow requests:
///
/// ```
/// use std::time::Duration;
/// use tower_lookout::{Lookout, observe::{Observer, RequestEnd, RequestHead}};
///
/// struct Slow;
///
/// impl Observer for Slow {
///     type State = String;
///
///     fn on_request(&self, head: &RequestHead<'_>) -> String {
///         head.uri.path().to_owned()
///     }
///
///     fn on_end(&self, path: String, end: &RequestEnd<'_>) {
///         if end.duration > Duration::from_secs(1) {
///             eprintln!("{path} took {:?}", end.duration);
///         }
///     }
/// }
///
/// let lookout = Lookout::builder().start()?;
/// let layer = lookout.layer().observer(Slow);
/// # Ok::<_, tower_lookout::StartError>(())
/// ```
#[doc(alias("callback"))]
pub trait Observer: Send + Sync + 'static {
    /// The data to keep from [`on_request`](Self::on_request) to [`on_end`](Self::on_end); `()` for
    /// none.
    type State: Send + 'static;

    /// Called when a request arrives.
    fn on_request(&self, head: &RequestHead<'_>) -> Self::State;

    /// Called when the response's head arrives. Does nothing by default.
    fn on_response(&self, state: &mut Self::State, head: &ResponseHead<'_>) {
        let _ = (state, head);
    }

    /// Called exactly once, when the request ends with any [`Outcome`], unless the lookout shuts
    /// down before.
    fn on_end(&self, state: Self::State, end: &RequestEnd<'_>);
}

/// The end of a request, for [`Observer::on_end`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestEnd<'a> {
    /// The operation under which the request is counted.
    pub operation: &'a Operation,
    /// The response's status; `None` without a response, and for a gRPC call without a status.
    pub status: Option<Status>,
    /// The outcome, as in the `outcome` label.
    pub outcome: Outcome,
    /// The time from the request to the end of the response's body, for streams too.
    pub duration: Duration,
    /// The bytes of the request's body that the service had read.
    pub request_bytes: u64,
    /// The bytes of the response's body that were sent.
    pub response_bytes: u64,
}

/// One observer's callbacks for one request.
pub(crate) trait Observation: Send {
    fn on_response(&mut self, head: &ResponseHead<'_>);

    fn on_end(self: Box<Self>, end: &RequestEnd<'_>);
}

/// An observer with its state for one request. The state is `None` after a panic.
struct Observing<O: Observer> {
    observer: Arc<O>,
    state: Option<O::State>,
}

impl<O: Observer> Observation for Observing<O> {
    fn on_response(&mut self, head: &ResponseHead<'_>) {
        let Self { observer, state } = self;
        if let Some(mut taken) = state.take() {
            *state = log_panic(move || {
                observer.on_response(&mut taken, head);
                taken
            });
        }
    }

    fn on_end(self: Box<Self>, end: &RequestEnd<'_>) {
        if let Some(state) = self.state {
            log_panic(|| self.observer.on_end(state, end));
        }
    }
}

/// An observer of any type, which a layer and its services share.
pub(crate) type SharedObserver = Arc<dyn AnyObserver>;

/// An observer of any type.
pub(crate) trait AnyObserver: Send + Sync {
    /// Calls [`Observer::on_request`]. Returns `None` if it panics.
    fn on_request(self: Arc<Self>, head: &RequestHead<'_>) -> Option<Box<dyn Observation>>;
}

impl<O: Observer> AnyObserver for O {
    fn on_request(self: Arc<Self>, head: &RequestHead<'_>) -> Option<Box<dyn Observation>> {
        let state = log_panic(|| Observer::on_request(&*self, head))?;
        Some(Box::new(Observing { observer: self, state: Some(state) }))
    }
}

/// Catches and logs an observer's panic. [`logged`] also catches a panic in the logger.
fn log_panic<R>(call: impl FnOnce() -> R) -> Option<R> {
    let called = guarded(call);
    if let Err(panic) = &called {
        let reason = panic.message();
        logged(|| tracing::error!(reason, "an observer panicked"));
    }
    called.ok()
}
