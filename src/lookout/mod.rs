//! The lookout: the handle, its builder, and the thread. The only place where the parts are wired.

mod builder;
mod error;
mod thread;

use std::{fmt, sync::Arc};

use tokio::sync::{mpsc, oneshot};

pub use self::{builder::LookoutBuilder, error::StartError};
use crate::observe::{self, LookoutId, LookoutLayer};

/// A handle to a running lookout; clones are of the same one.
///
/// Its thread ticks, judges and delivers while a handle lives, so keep one as long as the service:
/// layers do not count. Dropping the last handle without [`shutdown`](Self::shutdown) delivers what
/// is queued, too, but nobody waits for it.
///
/// # Examples
///
/// ```
/// use tower_lookout::{Lookout, rule::Rule};
///
/// let lookout = Lookout::builder()
///     .service("orders")
///     .rules(Rule::defaults())
///     .on_alert(|alert| eprintln!("{alert}"))
///     .start()?;
/// let app: axum::Router = axum::Router::new()
///     .route("/orders/{id}", axum::routing::get(|| async { "an order" }))
///     .layer(lookout.layer());
/// # Ok::<_, tower_lookout::StartError>(())
/// ```
#[derive(Clone)]
#[must_use = "the lookout ends with its last handle"]
pub struct Lookout {
    inner: Arc<Inner>,
}

struct Inner {
    id: LookoutId,
    /// By the user's closure.
    names_routes: bool,
    shutdown: mpsc::UnboundedSender<oneshot::Sender<()>>,
}

impl Lookout {
    /// The settings of a new lookout.
    pub fn builder() -> LookoutBuilder {
        LookoutBuilder::new()
    }

    /// A layer that watches what passes through it. Any number of them may be made: what they watch
    /// counts for the same lookout.
    pub fn layer(&self) -> LookoutLayer {
        LookoutLayer::new(self.inner.id, self.inner.names_routes)
    }

    /// Ends the lookout: no more ticks, and what is queued for the notifiers is delivered, for as
    /// long as [`shutdown_timeout`](LookoutBuilder::shutdown_timeout) allows. What is left then is
    /// named in the log and counted as dropped.
    ///
    /// It needs no particular runtime. Once the lookout has ended it returns at once.
    pub async fn shutdown(&self) {
        let (done, is_done) = oneshot::channel();
        if self.inner.shutdown.send(done).is_ok() {
            // An error says that the thread has ended, which is what is asked for.
            let _ = is_done.await;
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        observe::close(self.id);
    }
}

impl fmt::Debug for Lookout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookout").field("id", &self.inner.id).finish_non_exhaustive()
    }
}
