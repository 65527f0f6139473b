//! The lookout: the handle, its builder, and the thread. The only place where the parts are wired.

mod builder;
mod error;
mod heartbeat;
mod reload;
mod self_check;
#[cfg(feature = "state")]
mod state;
mod status;
#[cfg(feature = "signal")]
mod terminated;
mod thread;

use std::{fmt, sync::Arc};

use tokio::sync::{mpsc, oneshot, watch};
#[cfg(feature = "reqwest")]
use tower_layer::Layer;

#[cfg(feature = "toml")]
use self::reload::Reloadable;
#[cfg(feature = "signal")]
pub use self::terminated::terminated;
pub use self::{
    builder::LookoutBuilder,
    error::StartError,
    reload::{ReloadError, Reloaded},
    status::LookoutStatus,
};
use self::{self_check::Layers, thread::Command};
use crate::{
    notify::{Dispatcher, HAS_ENDED, TestDelivery},
    observe::{self, Dependency, Entrance, Http, HttpAndGrpc, LookoutLayer, Outer, RouteLayer},
    operation::{self, Call, Side},
    report::{Reporter, Reports},
    series::Store,
};

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
#[doc(alias("monitor", "apm"))]
#[derive(Clone)]
#[must_use = "the lookout ends with its last handle"]
pub struct Lookout {
    inner: Arc<Inner>,
}

struct Inner {
    entrance: Entrance,
    store: Arc<Store>,
    reports: Arc<Reports>,
    dispatcher: Arc<Dispatcher>,
    commands: mpsc::UnboundedSender<Command>,
    status: watch::Receiver<Arc<LookoutStatus>>,
    layers: Arc<Layers>,
    #[cfg(feature = "toml")]
    reloadable: Option<Reloadable>,
    /// Held by a reload, so that none puts back what another one has read since.
    #[cfg(feature = "toml")]
    reloading: tokio::sync::Mutex<()>,
}

impl Lookout {
    /// The settings of a new lookout.
    pub fn builder() -> LookoutBuilder {
        LookoutBuilder::new()
    }

    /// A layer that watches the HTTP requests which a server answers. Any number of layers may be
    /// made: what they watch counts for the same lookout.
    ///
    /// In axum, add it last by `Router::layer`: it wraps the routes, the fallback and the layers that are
    /// there by then. So it counts 404s and 405s, CORS preflights, and the responses of timeouts and
    /// authentication.
    ///
    /// Give tower-http's timeout a status that counts as a failure:
    /// `TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, ..)`. Its default, 408, blames the client and
    /// is a success.
    #[doc(alias("middleware", "axum"))]
    pub fn layer(&self) -> LookoutLayer {
        LookoutLayer::new(self.entrance(Side::SERVER), Http)
    }

    /// A layer around a whole router and the layers around it, such as one that changes the path before the
    /// router matches it. No route is known there: [`route_layer`](Self::route_layer) inside of the router
    /// hands it out. A request without a route counts as `unmatched`.
    ///
    /// Few services need it: a [`layer`](Self::layer) that axum's `Router::layer` adds last counts 404s,
    /// 405s, CORS preflights and the responses of timeouts, too. It has no allocation, and this layer has
    /// two a request. [`around`](LookoutLayer::around) makes of it what `axum::serve` takes.
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use tower::Layer;
    /// use tower_http::normalize_path::NormalizePathLayer;
    /// use tower_lookout::Lookout;
    ///
    /// let lookout = Lookout::builder().start()?;
    /// let router: Router = Router::new()
    ///     .route("/orders/{id}", get(|| async { "an order" }))
    ///     .layer(lookout.route_layer());
    /// let normalized = NormalizePathLayer::trim_trailing_slash().layer(router);
    /// let app: Router = lookout.outer_layer().around(normalized); // for `axum::serve`
    /// # Ok::<_, tower_lookout::StartError>(())
    /// ```
    pub fn outer_layer(&self) -> LookoutLayer<Outer> {
        LookoutLayer::new(self.entrance(Side::SERVER), Outer)
    }

    /// Tells an [`outer_layer`](Self::outer_layer) around the router which route a request took; give
    /// it to axum's `Router::layer` or `route_layer`, and to a router that is nested as a service.
    /// Without an outer layer it does nothing.
    pub fn route_layer(&self) -> RouteLayer {
        RouteLayer(self.entrance(Side::SERVER))
    }

    /// A layer for a server that speaks gRPC, such as tonic's, alone or on one port with HTTP: it
    /// tells them apart by the content type.
    ///
    /// A call counts by its method and its gRPC status, from the head or the trailers. A method is
    /// known once it was answered by a message or by `OK`; until then, and where the server has none of
    /// that name, its calls count as `_OTHER`, since a refusal in the head says nothing of the method.
    /// [`grpc_methods`](crate::LookoutBuilder::grpc_methods) makes them known from the start.
    #[doc(alias("interceptor", "tonic"))]
    pub fn grpc_layer(&self) -> LookoutLayer<HttpAndGrpc> {
        LookoutLayer::new(self.entrance(Side::SERVER), HttpAndGrpc)
    }

    /// A layer around a client, for what this process asks of `dependency`: the `dependency` label,
    /// of which there may be 63. It fits around any tower client of HTTP or gRPC: hyper-util's, a
    /// tonic `Channel`, and with the feature `reqwest` around a `reqwest::Client`.
    ///
    /// Around a retry layer it measures what the caller asked for; see
    /// [`attempt_layer`](Self::attempt_layer) for the single attempts.
    ///
    /// The time until the client is ready is recorded with the request that follows at once. A wait that the
    /// caller gives up, or that ends in an error of `poll_ready`, is recorded nowhere.
    #[doc(alias("interceptor", "upstream"))]
    pub fn client_layer(&self, dependency: impl Into<Arc<str>>) -> LookoutLayer<HttpAndGrpc> {
        self.of_client(dependency.into(), Call::Logical)
    }

    /// The same inside of a retry layer, for single attempts: the label `call` is `attempt` and not
    /// `logical`, so that both may be watched at once.
    pub fn attempt_layer(&self, dependency: impl Into<Arc<str>>) -> LookoutLayer<HttpAndGrpc> {
        self.of_client(dependency.into(), Call::Attempt)
    }

    /// Watches the requests of a `reqwest::Client` to `dependency`, and keeps the client as easy to call:
    /// `client.get(url).send()`. It counts as [`client_layer`](Self::client_layer) around the client does.
    #[cfg(feature = "reqwest")]
    pub fn client(
        &self,
        dependency: impl Into<Arc<str>>,
        client: reqwest::Client,
    ) -> observe::WatchedClient {
        let service = self.client_layer(dependency).layer(client.clone());
        observe::WatchedClient::new(client, service)
    }

    /// Watches what this process asks of `dependency` through plain futures: a database, a cache, a
    /// queue, an SDK. [`Dependency`] shows how. The name is the `dependency` label, of which there may
    /// be 63 together with those of clients.
    #[doc(alias("sqlx", "redis", "kafka", "database"))]
    pub fn dependency(&self, dependency: impl Into<Arc<str>>) -> Dependency {
        Dependency::new(self.inner.entrance.lookout, dependency.into())
    }

    fn of_client(&self, name: Arc<str>, call: Call) -> LookoutLayer<HttpAndGrpc> {
        let side = self.inner.store.operations.side(Some(operation::Dependency { name, call }));
        LookoutLayer::new(self.entrance(side), HttpAndGrpc)
    }

    fn entrance(&self, side: Side) -> Entrance {
        self.inner.layers.note(side);
        if !side.is_client() {
            observe::arm(self.inner.entrance.lookout);
        }
        Entrance { side, ..self.inner.entrance }
    }

    /// Reports failures that no window shows, in business code and in background tasks: each kind is
    /// told at once. It may outlive this handle, but not the lookout.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::Lookout;
    ///
    /// let lookout = Lookout::builder().service("orders").start()?;
    /// let reporter = lookout.reporter();
    /// if let Err(error) = std::fs::read("events.log") {
    ///     reporter.report(&error);
    /// }
    /// # Ok::<_, tower_lookout::StartError>(())
    /// ```
    #[doc(alias("sentry"))]
    pub fn reporter(&self) -> Reporter {
        Reporter::new(Arc::clone(&self.inner.reports))
    }

    /// What the lookout saw at its last tick, at most a second ago: each rule's value, threshold, window and
    /// requests, whether it fires, and the reason where it has no verdict. So it answers why a rule does
    /// not fire. After [`shutdown`](Self::shutdown) it stays what it was.
    ///
    /// It reads a copy that the tick made, so it delays no tick and no request.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::{Lookout, Rule};
    ///
    /// let lookout = Lookout::builder().rules(Rule::defaults()).start()?;
    /// for rule in lookout.status().rules {
    ///     println!("{rule}"); // HighErrorRatio: inactive, error ratio unknown …: 7 of 20 requests
    /// }
    /// # Ok::<_, tower_lookout::StartError>(())
    /// ```
    #[doc(alias("health", "readiness"))]
    pub fn status(&self) -> LookoutStatus {
        LookoutStatus::clone(&self.inner.status.borrow())
    }

    /// Sends a test message by each notifier, whatever it is [for](crate::notify::NotifierExt::when),
    /// and says of each what became of it: within 12 s, all at the same time. There is nothing for a
    /// lookout without notifiers.
    ///
    /// It is an alert of severity `info` named `LookoutTest` that says what it is. It goes the way of
    /// every message: a notifier keeps to its pace and to what a receiver asked for, and counts it; it is
    /// not tried again. Of two notifiers by [`or_else`](crate::notify::NotifierExt::or_else) both are
    /// asked, and each has a line of its own. Closures are called, too. At once after it comes its resolve, so that
    /// nothing is left open; but for a receiver that forgets by itself, as Alertmanager does after four
    /// minutes: it would tell nobody of what is over so soon.
    ///
    /// It needs no particular runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::{Lookout, notify::Log};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower_lookout::StartError> {
    /// let lookout = Lookout::builder().service("orders").notify(Log::new()).start()?;
    /// for delivery in lookout.send_test().await {
    ///     println!("{delivery}"); // log: delivered in 0s
    ///     assert!(delivery.result.is_ok());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("amtool"))]
    pub async fn send_test(&self) -> Vec<TestDelivery> {
        let (answer, answered) = oneshot::channel();
        // If nobody takes it, nobody answers.
        let _ = self.inner.commands.send(Command::SendTest(answer));
        answered.await.unwrap_or_else(|_| self.inner.dispatcher.untested(HAS_ENDED))
    }

    /// Ends the lookout: no more ticks, and what is queued for the notifiers is delivered, for as
    /// long as [`shutdown_timeout`](LookoutBuilder::shutdown_timeout) allows. What is left then is
    /// named in the log and counted as dropped, or kept for the next start where there is a file for
    /// it (`state_path`).
    ///
    /// It needs no particular runtime. Once the lookout has ended it returns at once.
    pub async fn shutdown(&self) {
        let (done, is_done) = oneshot::channel();
        if self.inner.commands.send(Command::Shutdown(done)).is_ok() {
            // An error says that the thread has ended, which is what is asked for.
            let _ = is_done.await;
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        observe::close(self.entrance.lookout);
    }
}

impl fmt::Debug for Lookout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookout").field("id", &self.inner.entrance.lookout).finish_non_exhaustive()
    }
}
