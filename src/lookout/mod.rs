//! The lookout: the handle, its builder and its thread. The other modules are connected only here.

mod builder;
mod controls;
mod error;
mod heartbeat;
mod reload;
mod reloaded;
mod self_check;
#[cfg(feature = "signal")]
mod shutdown_signal;
#[cfg(feature = "state")]
mod state;
mod thread;

use std::{fmt, sync::Arc};

use tokio::sync::{mpsc, oneshot, watch};
#[cfg(feature = "reqwest")]
use tower_layer::Layer;

#[cfg(feature = "toml")]
use self::reload::Reloadable;
#[cfg(feature = "signal")]
pub use self::shutdown_signal::shutdown_signal;
pub use self::{
    builder::LookoutBuilder,
    error::StartError,
    reloaded::{ReloadError, Reloaded},
};
use self::{self_check::Layers, thread::Command};
use crate::{
    generate::{Exports, GrafanaDashboard, InUse, PrometheusRules, called},
    notify::{Dispatcher, HAS_ENDED, TestDelivery},
    observe::{self, Dependency, Http, HttpAndGrpc, LayerConfig, LookoutLayer, Outer, RouteLayer},
    operation::{self, Call, Side},
    report::{Reporter, Reports},
    rule::Rule,
    series::Store,
    snapshot::Snapshot,
    suppress::Suppressor,
};

/// A handle to a running lookout. Clones share the lookout.
///
/// Keep a handle as long as the service runs. The lookout's thread evaluates the rules and delivers
/// the alerts while a handle lives; layers do not count as handles. End it with
/// [`shutdown`](Self::shutdown), which waits for the queued alerts. If the last handle is dropped
/// instead, the thread still delivers them, but nothing waits for it.
///
/// | to | call |
/// |---|---|
/// | watch a [server](crate::guide::axum) | [`layer`](Self::layer), [`outer_layer`](Self::outer_layer) |
/// | watch a [gRPC server](crate::guide::grpc) | [`grpc_layer`](Self::grpc_layer) |
/// | watch a [client](crate::guide::clients) | [`client_layer`](Self::client_layer), [`dependency`](Self::dependency) |
/// | report an [error](crate::guide::errors) | [`reporter`](Self::reporter) |
/// | see why a rule [does not fire](crate::guide::troubleshooting) | [`status`](Self::status) |
/// | [silence](crate::guide::operations#silence-inhibit-and-acknowledge-alerts) an alert | [`silence`](Self::silence), [`acknowledge`](Self::acknowledge) |
/// | test the [notifiers](crate::guide::notifiers) | [`send_test`](Self::send_test) |
/// | alert [from Prometheus](crate::guide::prometheus_rules), too | [`prometheus_rules`](Self::prometheus_rules) |
/// | see it in [Grafana](crate::guide::grafana) | [`grafana_dashboard`](Self::grafana_dashboard) |
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
    layer: LayerConfig,
    store: Arc<Store>,
    reports: Arc<Reports>,
    dispatcher: Arc<Dispatcher>,
    suppressor: Arc<Suppressor>,
    commands: mpsc::UnboundedSender<Command>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    layers: Arc<Layers>,
    exports: Arc<Exports>,
    /// The rules in force.
    rules: watch::Receiver<Arc<[Rule]>>,
    #[cfg(feature = "toml")]
    reloadable: Option<Reloadable>,
    /// Held by a reload, so that a slower one cannot replace the rules of a later one.
    #[cfg(feature = "toml")]
    reloading: tokio::sync::Mutex<()>,
}

impl Lookout {
    /// Returns the settings of a new lookout.
    pub fn builder() -> LookoutBuilder {
        LookoutBuilder::new()
    }

    /// Returns a layer that watches the HTTP requests that a server answers. All layers of a
    /// lookout count for the same lookout.
    ///
    /// In axum, add it last with `Router::layer`: it wraps the routes, the fallback and the layers
    /// that were added before. So it counts 404s and 405s, CORS preflights, and the responses of
    /// timeout and authentication layers. See the [guide](crate::guide::axum).
    ///
    /// Give tower-http's timeout a status that counts as a failure:
    /// `TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, ..)`. Its default, 408, blames
    /// the client and is a success.
    #[doc(alias("middleware", "axum"))]
    pub fn layer(&self) -> LookoutLayer {
        LookoutLayer::new(self.layer_config(Side::SERVER), Http)
    }

    /// Returns a layer for outside a whole router, around layers that must run before the router
    /// matches the path. It cannot see the route, so [`route_layer`](Self::route_layer) inside the
    /// router passes the route on. A request without a route counts as `unmatched`.
    ///
    /// Few services need it, since a [`layer`](Self::layer) that is added last counts 404s, 405s,
    /// CORS preflights and the responses of timeouts, too. That one allocates nothing; this one
    /// allocates twice for each request. [`around`](LookoutLayer::around) returns a router for
    /// `axum::serve`.
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
        LookoutLayer::new(self.layer_config(Side::SERVER), Outer)
    }

    /// Returns a layer that passes the route of a request to an [`outer_layer`](Self::outer_layer)
    /// around the router. Give it to axum's `Router::layer` or `route_layer`, and to a router that
    /// is nested as a service. Without an outer layer it does nothing.
    pub fn route_layer(&self) -> RouteLayer {
        RouteLayer(self.layer_config(Side::SERVER))
    }

    /// Returns a layer for a server that speaks gRPC, such as tonic's, alone or on one port with
    /// HTTP. The content type decides. See the [guide](crate::guide::grpc).
    ///
    /// A call counts by its method and its gRPC status, from the head or the trailers. The layer
    /// learns a method when the server answers it with a message or with `OK`. Until then its calls
    /// count as `_OTHER`, since a response that consists of a head alone does not prove that the
    /// method exists. [`grpc_methods`](crate::LookoutBuilder::grpc_methods) declares the methods
    /// from the start.
    #[doc(alias("interceptor", "tonic"))]
    pub fn grpc_layer(&self) -> LookoutLayer<HttpAndGrpc> {
        self.inner.layers.note_grpc();
        LookoutLayer::new(self.layer_config(Side::SERVER), HttpAndGrpc)
    }

    /// Returns a layer around a client of `dependency`, which is the label `dependency`. A lookout
    /// can watch 63 dependencies. The layer fits around any tower client of HTTP or gRPC:
    /// hyper-util's, a tonic `Channel`, and with the feature `reqwest` a `reqwest::Client`. See the
    /// [guide](crate::guide::clients).
    ///
    /// Around a retry layer it measures the caller's view; [`attempt_layer`](Self::attempt_layer)
    /// measures each attempt.
    ///
    /// The wait until the client is ready counts towards the request that follows at once. A wait
    /// that the caller gives up, or that ends in an error of `poll_ready`, is not recorded.
    #[doc(alias("interceptor", "upstream"))]
    pub fn client_layer(&self, dependency: impl Into<Arc<str>>) -> LookoutLayer<HttpAndGrpc> {
        self.of_client(dependency.into(), Call::Logical)
    }

    /// Returns a layer for inside a retry layer, which measures each attempt. Its label `call` is
    /// `attempt` in place of `logical`, so that you can use both layers.
    pub fn attempt_layer(&self, dependency: impl Into<Arc<str>>) -> LookoutLayer<HttpAndGrpc> {
        self.of_client(dependency.into(), Call::Attempt)
    }

    /// Wraps a `reqwest::Client` and watches its requests to `dependency`. The returned client has
    /// the same methods: `client.get(url).send()`. Its requests count as those of
    /// [`client_layer`](Self::client_layer) do.
    #[cfg(feature = "reqwest")]
    pub fn client(
        &self,
        dependency: impl Into<Arc<str>>,
        client: reqwest::Client,
    ) -> observe::WatchedClient {
        let service = self.client_layer(dependency).layer(client.clone());
        observe::WatchedClient::new(client, service)
    }

    /// Watches calls to `dependency` that are plain futures: to a database, a cache, a queue, an
    /// SDK. See [`Dependency`] and the
    /// [guide](crate::guide::clients#watch-sqlx-redis-kafka-or-an-sdk). The name is the label
    /// `dependency`. A lookout can watch 63 dependencies, clients included.
    #[doc(alias("sqlx", "redis", "kafka", "database"))]
    pub fn dependency(&self, dependency: impl Into<Arc<str>>) -> Dependency {
        Dependency::new(self.inner.layer.lookout, dependency.into())
    }

    fn of_client(&self, name: Arc<str>, call: Call) -> LookoutLayer<HttpAndGrpc> {
        let side = self.inner.store.operations.side(Some(operation::Dependency { name, call }));
        LookoutLayer::new(self.layer_config(side), HttpAndGrpc)
    }

    fn layer_config(&self, side: Side) -> LayerConfig {
        self.inner.layers.note(side);
        if !side.is_client() {
            observe::arm(self.inner.layer.lookout);
        }
        LayerConfig { side, ..self.inner.layer }
    }

    /// Returns a handle that reports failures which no ratio shows, in business code and in
    /// background tasks. The lookout sends an alert at once. The reporter may outlive this handle,
    /// but not the lookout. See the [guide](crate::guide::errors).
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

    /// Returns the [`Snapshot`] of the last tick, at most a second ago: each rule's value, threshold,
    /// window, requests and state, and the reason if there is no verdict. Use it to find out why a
    /// rule does not fire; see [troubleshooting](crate::guide::troubleshooting). After
    /// [`shutdown`](Self::shutdown) it no longer changes.
    ///
    /// It reads a copy that the tick made, so it delays no tick and no request.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::{Lookout, Rule};
    ///
    /// let lookout = Lookout::builder().rules(Rule::defaults()).start()?;
    /// for rule in lookout.status().rules.iter() {
    ///     println!("{rule}"); // HighErrorRatio: inactive, error ratio unknown …: 7 of 20 requests
    /// }
    /// # Ok::<_, tower_lookout::StartError>(())
    /// ```
    #[doc(alias("health", "readiness"))]
    pub fn status(&self) -> Snapshot {
        Snapshot::clone(&self.inner.snapshots.borrow())
    }

    /// Returns alerting rules for Prometheus, rendered from the rules in force and from the names of
    /// this lookout's metrics. Its [`Display`](fmt::Display) is the rule file. After a
    /// [`reload`](Self::reload) or a [`replace_rules`](Self::replace_rules), call it again. See the
    /// [guide](crate::guide::prometheus_rules).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use tower_lookout::{Lookout, Rule};
    ///
    /// let lookout = Lookout::builder().service("orders").rules(Rule::defaults()).start()?;
    /// std::fs::write("orders.rules.yml", lookout.prometheus_rules().to_string())?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("alerting rules", "promtool", "recording rules"))]
    pub fn prometheus_rules(&self) -> PrometheusRules {
        let rules = Arc::clone(&self.inner.rules.borrow());
        PrometheusRules::new(Arc::clone(&self.inner.exports), rules)
    }

    /// Returns a dashboard for Grafana, rendered from the rules in force and from the names of this
    /// lookout's metrics. Its [`Display`](fmt::Display) is the dashboard as JSON. It has panels for
    /// gRPC and for dependencies if their layers exist, so call it after you have built them. After a
    /// [`reload`](Self::reload) or a [`replace_rules`](Self::replace_rules), call it again. See the
    /// [guide](crate::guide::grafana).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use tower_lookout::{Lookout, Rule};
    ///
    /// let lookout = Lookout::builder().service("orders").rules(Rule::defaults()).start()?;
    /// std::fs::write("orders.json", lookout.grafana_dashboard().to_string())?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("panels", "RED", "visualization"))]
    pub fn grafana_dashboard(&self) -> GrafanaDashboard {
        let rules = Arc::clone(&self.inner.rules.borrow());
        GrafanaDashboard::new(Arc::clone(&self.inner.exports), rules, self.in_use())
    }

    /// The kinds of traffic of the layers so far.
    fn in_use(&self) -> InUse {
        let operations = self.inner.store.operations.listed_from(0);
        let traffics = operations.iter().map(|operation| operation.traffic().clone());
        InUse { grpc: self.inner.layers.has_grpc(), called: called(traffics) }
    }

    /// Sends a test alert and its resolve through each notifier, and returns the result of each
    /// delivery: within 12 s, all at the same time. Without notifiers the result is empty.
    ///
    /// The alert is named `LookoutTest` and has the severity `info`. The test ignores the
    /// [matchers](crate::notify::NotifierExt::when) of the notifiers, closures included. It
    /// respects the rate limits of the receiver and counts as a message, but is not retried. Two
    /// notifiers joined by [`or_else`](crate::notify::NotifierExt::or_else) both get it, with a
    /// result each. A receiver where alerts expire, such as Alertmanager, gets no resolve: it would
    /// not notify anyone about an alert that is over so soon.
    ///
    /// It works on any runtime.
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
        let (reply, replied) = oneshot::channel();
        // If the thread has ended, the reply channel closes, and the next line handles that.
        let _ = self.inner.commands.send(Command::SendTest(reply));
        replied.await.unwrap_or_else(|_| self.inner.dispatcher.untested(HAS_ENDED))
    }

    /// Ends the lookout. It evaluates no more rules, and delivers the queued alerts for as long as
    /// [`shutdown_timeout`](LookoutBuilder::shutdown_timeout) allows. The log names each alert that
    /// is left. Such an alert counts as dropped, or waits for the next start if there is a [state
    /// file](crate::guide::operations#keep-alerts-across-a-restart).
    ///
    /// It works on any runtime. After the lookout has ended it returns at once.
    pub async fn shutdown(&self) {
        let (done, is_done) = oneshot::channel();
        if self.inner.commands.send(Command::Shutdown(done)).is_ok() {
            // An error means that the thread has already ended.
            let _ = is_done.await;
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        observe::close(self.layer.lookout);
    }
}

impl fmt::Debug for Lookout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookout").field("id", &self.inner.layer.lookout).finish_non_exhaustive()
    }
}
