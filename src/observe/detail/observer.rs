use std::{sync::Arc, time::Duration};

use crate::observe::{RequestHead, ResponseHead};
use crate::{
    catch_panic::{guarded, logged},
    operation::Operation,
    outcome::{Outcome, Status},
};

/// Is told of each request when it has finished, such as an access log, or one that samples; for
/// [`LookoutLayer::observer`](crate::observe::LookoutLayer::observer).
///
/// It is called on the request's own path, on the thread where the request ends: it must not block. A
/// panic in it is logged and harms no request.
///
/// # Examples
///
/// The slow ones, with their path:
///
/// ```
/// use std::time::Duration;
/// use tower_lookout::{Lookout, observe::{Finished, Observer, RequestHead}};
///
/// struct Slow;
///
/// impl Observer for Slow {
///     type Kept = String;
///
///     fn begun(&self, head: &RequestHead<'_>) -> String {
///         head.uri.path().to_owned()
///     }
///
///     fn finished(&self, path: String, finished: &Finished<'_>) {
///         if finished.duration > Duration::from_secs(1) {
///             eprintln!("{path} took {:?}", finished.duration);
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
    /// What is kept of a request until it has finished; `()` for nothing.
    type Kept: Send + 'static;

    /// A request came.
    fn begun(&self, head: &RequestHead<'_>) -> Self::Kept;

    /// The head of its response came. Does nothing by default.
    fn answered(&self, kept: &mut Self::Kept, head: &ResponseHead<'_>) {
        let _ = (kept, head);
    }

    /// It finished, in whichever way. It is told exactly once, unless the lookout was shut down
    /// meanwhile.
    fn finished(&self, kept: Self::Kept, finished: &Finished<'_>);
}

/// A request that finished.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Finished<'a> {
    /// What it counted for.
    pub operation: &'a Operation,
    /// The response's status; `None` without a response, and for a gRPC call that did not say it.
    pub status: Option<Status>,
    /// How it ended.
    pub outcome: Outcome,
    /// The time from the request to the end of its response, streams included.
    pub duration: Duration,
    /// How many bytes of its body were read until then.
    pub request_bytes: u64,
    /// How many bytes of the response's body were handed on.
    pub response_bytes: u64,
}

/// Tells one observer of one request.
pub(crate) trait Tell: Send {
    fn answered(&mut self, head: &ResponseHead<'_>);

    fn finished(self: Box<Self>, finished: &Finished<'_>);
}

/// What an observer keeps of a request; nothing after a panic.
struct Kept<O: Observer> {
    observer: Arc<O>,
    kept: Option<O::Kept>,
}

impl<O: Observer> Tell for Kept<O> {
    fn answered(&mut self, head: &ResponseHead<'_>) {
        let Self { observer, kept } = self;
        if let Some(mut taken) = kept.take() {
            *kept = guard(move || {
                observer.answered(&mut taken, head);
                taken
            });
        }
    }

    fn finished(self: Box<Self>, finished: &Finished<'_>) {
        if let Some(kept) = self.kept {
            guard(|| self.observer.finished(kept, finished));
        }
    }
}

/// An observer of whatever type, as a layer and its services share it.
pub(crate) type SharedObserver = Arc<dyn AnyObserver>;

/// An observer without its type.
pub(crate) trait AnyObserver: Send + Sync {
    /// What tells it of this request; `None` if it panicked.
    fn begin(self: Arc<Self>, head: &RequestHead<'_>) -> Option<Box<dyn Tell>>;
}

impl<O: Observer> AnyObserver for O {
    fn begin(self: Arc<Self>, head: &RequestHead<'_>) -> Option<Box<dyn Tell>> {
        let kept = guard(|| self.begun(head))?;
        Some(Box::new(Kept { observer: self, kept: Some(kept) }))
    }
}

/// Keeps an observer's panic from the request. What the observer panicked by may be the log itself.
fn guard<R>(call: impl FnOnce() -> R) -> Option<R> {
    let called = guarded(call);
    if let Err(panic) = &called {
        let reason = panic.message();
        logged(|| tracing::error!(reason, "an observer panicked"));
    }
    called.ok()
}
