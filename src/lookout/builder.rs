use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use metrics::Recorder;
use tokio::runtime::Handle;
use tower::BoxError;
use tower_service::Service;

use super::{
    Inner, Lookout, StartError,
    thread::{LookoutThread, spawn},
};
use crate::{
    alert::{Alert, Evaluator, Origin},
    collect::{Carry, Collector, FailureFn, Judge, share},
    facade::{Facade, SharedRecorder},
    notify::{Mailbox, Notification, Worker},
    observe::{self, Core, IgnoreFn, Naming, RequestHead},
    operation::{MethodLabel, Operation, Protocol, Side, TrafficId},
    outcome::Status,
    rule::{self, Rule},
    runtime::Vitals,
    series::{BUCKETS, Bounds, Store, bucket_problem},
};

/// The settings of a [`Lookout`]; [`start`](Self::start) checks them.
#[must_use = "nothing is watched before `start`"]
pub struct LookoutBuilder {
    origin: Origin,
    rules: Vec<Rule>,
    notifiers: Vec<(Arc<Mailbox>, Worker)>,
    recorder: Option<SharedRecorder>,
    runtime: Option<Handle>,
    buckets: Vec<Duration>,
    route: Option<Naming>,
    templates: Vec<String>,
    ignore: Option<Box<IgnoreFn>>,
    failure: Option<Box<FailureFn>>,
    grpc_methods: Vec<String>,
    server_address: bool,
    upgrades: bool,
    max_operations: usize,
    shutdown_timeout: Duration,
}

impl LookoutBuilder {
    pub(super) fn new() -> Self {
        Self {
            origin: Origin::default(),
            rules: Vec::new(),
            notifiers: Vec::new(),
            recorder: None,
            runtime: None,
            buckets: BUCKETS.to_vec(),
            route: None,
            templates: Vec::new(),
            ignore: None,
            failure: None,
            grpc_methods: Vec::new(),
            server_address: false,
            upgrades: false,
            max_operations: 1_000,
            shutdown_timeout: Duration::from_secs(5),
        }
    }

    /// The service's name in alerts. Defaults to the name of the executable.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.origin.service = name.into();
        self
    }

    /// The instance in alerts, to tell replicas apart. Defaults to the host's name and the process
    /// id, `host:4711`.
    pub fn instance(mut self, name: impl Into<String>) -> Self {
        self.origin.instance = name.into();
        self
    }

    /// The service's version in alerts, such as `env!("CARGO_PKG_VERSION")`. Defaults to none.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.origin.version = Some(version.into());
        self
    }

    /// Adds a rule. Without any, the lookout only counts.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Adds rules, such as [`Rule::defaults`].
    pub fn rules(mut self, rules: impl IntoIterator<Item = Rule>) -> Self {
        self.rules.extend(rules);
        self
    }

    /// Adds a notifier, called after its type: `slack`, `log`. See [`notify`](crate::notify).
    ///
    /// It runs on the lookout's thread, so it must not block: what does belongs into
    /// [`on_alert`](Self::on_alert), or into `tokio::task::spawn_blocking`.
    pub fn notify<N>(self, notifier: N) -> Self
    where
        N: Service<Notification, Response = ()> + Send + 'static,
        N::Error: Into<BoxError>,
        N::Future: Send + 'static,
    {
        let name = type_word::<N>();
        self.notify_as(name, notifier)
    }

    /// Adds a notifier under a name of your own, by which its counters and log lines are told. Where
    /// the name is taken it gets a number, `slack-2`.
    pub fn notify_as<N>(self, name: impl Into<String>, notifier: N) -> Self
    where
        N: Service<Notification, Response = ()> + Send + 'static,
        N::Error: Into<BoxError>,
        N::Future: Send + 'static,
    {
        self.add(name.into(), |mailbox| Worker::new(mailbox, notifier))
    }

    fn add(mut self, name: String, worker: impl FnOnce(Arc<Mailbox>) -> Worker) -> Self {
        let is_taken = |name: &str| self.notifiers.iter().any(|(mailbox, _)| mailbox.name == name);
        let name = std::iter::once(name.clone())
            .chain((2..).map(|number| format!("{name}-{number}")))
            .find(|name| !is_taken(name))
            .unwrap_or(name);
        let mailbox = Arc::new(Mailbox::new(name));
        let worker = worker(Arc::clone(&mailbox));
        self.notifiers.push((mailbox, worker));
        self
    }

    /// Calls `hook` for each alert that fires or is resolved, one after the other, on a thread where it
    /// may block for as long as it likes. A panic in it counts as a failed delivery, and is not tried
    /// again.
    pub fn on_alert(self, hook: impl Fn(&Alert) + Send + Sync + 'static) -> Self {
        self.add("on_alert".to_owned(), |mailbox| Worker::of_hook(mailbox, hook))
    }

    /// The recorder that takes the figures. Defaults to the global one, whenever that is installed:
    /// what was counted before is carried over then.
    pub fn recorder(mut self, recorder: impl Recorder + Send + Sync + 'static) -> Self {
        self.recorder = Some(Arc::new(recorder));
        self
    }

    /// The application's runtime, which the lookout probes each 100 ms: for [`Rule::runtime_lag`] and
    /// `lookout_runtime_lag_seconds`, and with the feature `runtime-metrics` for `tokio_runtime_*`.
    /// Defaults to the one that [`start`](Self::start) is called in, if any; it is not kept alive.
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// The upper bounds of the recorder's buckets for durations, ascending: counts are exact if they
    /// are the same. Defaults to [`BUCKETS`], which [`prometheus::install`] uses, too.
    ///
    /// [`prometheus::install`]: crate::prometheus::install
    pub fn buckets(mut self, buckets: impl IntoIterator<Item = Duration>) -> Self {
        self.buckets = buckets.into_iter().collect();
        self
    }

    /// Names the route of a request that has no axum `MatchedPath`. It must give templates, a few of
    /// them, and never the path itself. Defaults to none: those requests are `unmatched`.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::Lookout;
    ///
    /// let builder = Lookout::builder().route(|request| {
    ///     request.uri.path().starts_with("/static/").then(|| "/static/{*file}".into())
    /// });
    /// ```
    pub fn route(
        mut self,
        route: impl for<'a> Fn(&RequestHead<'a>) -> Option<Cow<'a, str>> + Send + Sync + 'static,
    ) -> Self {
        self.route = Some(Naming::Closure(Box::new(route)));
        self
    }

    /// Names the route of a request that passed no router by templates of its path, as axum writes
    /// them: `/orders/{id}`, `/files/{*path}`. Defaults to none; takes the place of
    /// [`route`](Self::route).
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::Lookout;
    ///
    /// let builder = Lookout::builder().routes(["/orders", "/orders/{id}", "/files/{*path}"]);
    /// ```
    pub fn routes(mut self, templates: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.templates.extend(templates.into_iter().map(Into::into));
        self
    }

    /// Says which requests are not watched at all, such as health checks. Defaults to none.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::Lookout;
    ///
    /// let builder = Lookout::builder().ignore(|request| request.uri.path() == "/healthz");
    /// ```
    pub fn ignore(
        mut self,
        is_ignored: impl for<'a> Fn(&RequestHead<'a>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.ignore = Some(Box::new(is_ignored));
        self
    }

    /// Says which statuses are failures of which operations, and `None` where the convention shall
    /// decide ([`Outcome::Failure`](crate::Outcome::Failure)). It is asked once for each operation and
    /// status, not for each request. Defaults to the convention for all.
    ///
    /// # Examples
    ///
    /// A missing order is a failure, a conflict on the stock is none:
    ///
    /// ```
    /// use tower_lookout::{Lookout, Status};
    ///
    /// let builder = Lookout::builder().failure(|operation, status| {
    ///     match (operation.route(), status) {
    ///         ("/orders/{id}", Status::Http(status)) if status == 404 => Some(true),
    ///         ("/stock", Status::Http(status)) if status == 409 => Some(false),
    ///         _ => None,
    ///     }
    /// });
    /// ```
    pub fn failure(
        mut self,
        is_failure: impl Fn(&Operation, Status) -> Option<bool> + Send + Sync + 'static,
    ) -> Self {
        self.failure = Some(Box::new(is_failure));
        self
    }

    /// gRPC methods that the server knows, such as `shop.Orders/Create`, so that they are told apart
    /// from the first call on. Defaults to none: each is known from its first answer on.
    pub fn grpc_methods(mut self, methods: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.grpc_methods.extend(methods.into_iter().map(Into::into));
        self
    }

    /// Tells a client's operations apart by the server's address, too: the host of the request's URI,
    /// as label `server_address`. Only for clients whose hosts are few and known; each counts for
    /// [`max_operations`](Self::max_operations). Defaults to no.
    pub fn server_address(mut self, is_told: bool) -> Self {
        self.server_address = is_told;
        self
    }

    /// Gives each request that asks for an upgrade (WebSocket, CONNECT) an
    /// [`UpgradeWatch`](crate::observe::UpgradeWatch), by which its handler lets the connection count.
    /// Defaults to no, since it looks into the headers of every request.
    pub fn upgrades(mut self, are_watched: bool) -> Self {
        self.upgrades = are_watched;
        self
    }

    /// How many operations (method and route) are counted apart, from 1 to 100,000; those met after
    /// that share the route `_OVERFLOW`. Defaults to 1,000.
    pub fn max_operations(mut self, max: usize) -> Self {
        self.max_operations = max;
        self
    }

    /// How long [`Lookout::shutdown`] may take to deliver what is queued. Defaults to 5 s.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// Checks the settings and starts the lookout's thread.
    ///
    /// It calibrates the raw clock once a process, which takes up to 200 ms.
    ///
    /// # Errors
    ///
    /// A [`StartError`] that names the rule or the setting, and the mend.
    pub fn start(mut self) -> Result<Lookout, StartError> {
        self.check()?;
        if !self.templates.is_empty() {
            self.route = Some(Naming::Templates(router(&self.templates)?));
        }
        let runtime = self.runtime.or_else(|| Handle::try_current().ok());
        if let (None, Some(rule)) = (&runtime, self.rules.iter().find(|rule| rule.needs_runtime()))
        {
            tracing::warn!(
                rule = rule.name(),
                "there is no runtime to judge: start the lookout in one, or give .runtime(handle)"
            );
        }
        let splits: Vec<_> = self.rules.iter().flat_map(Rule::splits).collect();
        let bounds = Bounds::new(&self.buckets, &splits);
        let store = Arc::new(Store::new(self.max_operations, bounds));
        let rpc_server = TrafficId::new(Side::SERVER, Protocol::Grpc);
        for method in &self.grpc_methods {
            store.operations.id_of(rpc_server, MethodLabel::Other, method);
        }
        let (mailboxes, workers): (Vec<_>, Vec<_>) = self.notifiers.into_iter().unzip();
        let carried = mailboxes.iter().map(|mailbox| Arc::clone(&mailbox.stats) as Arc<dyn Carry>);
        let groups = Evaluator::groups(&self.rules);
        let facade = Facade::new(self.recorder);
        let collector = Collector::new(
            Arc::clone(&store),
            facade,
            Judge(self.failure),
            groups,
            carried.collect(),
        );
        let thread = LookoutThread {
            store: Arc::clone(&store),
            collector: share(collector),
            vitals: Vitals::new(runtime),
            evaluator: Evaluator::new(self.rules, Arc::new(self.origin)),
            mailboxes,
            workers,
            shutdown_timeout: self.shutdown_timeout,
        };
        let shutdown = spawn(thread).map_err(StartError::Thread)?;
        let (names_routes, ignores) = (self.route.is_some(), self.ignore.is_some());
        let id = observe::open(Arc::new(Core::new(Arc::clone(&store), self.route, self.ignore)));
        let (tells_address, watches_upgrades) = (self.server_address, self.upgrades);
        let inner =
            Inner { id, ignores, names_routes, tells_address, watches_upgrades, store, shutdown };
        Ok(Lookout { inner: Arc::new(inner) })
    }

    fn check(&self) -> Result<(), StartError> {
        rule::check(&self.rules)?;
        let setting = |field, problem| Err(StartError::Setting { field, problem });
        if self.origin.service.trim().is_empty() {
            return setting("service", "the name is empty: give the service's".to_owned());
        }
        if let Some(problem) = bucket_problem(&self.buckets) {
            return setting("buckets", problem);
        }
        if let Some(method) = self.grpc_methods.iter().find(|method| !is_grpc_method(method)) {
            return setting(
                "grpc_methods",
                format!("{method:?} is no method: give it as \"package.Service/Method\""),
            );
        }
        match self.max_operations {
            1..=100_000 => Ok(()),
            max => setting("max_operations", format!("{max} is not from 1 to 100,000")),
        }
    }
}

fn router(templates: &[String]) -> Result<matchit::Router<Arc<str>>, StartError> {
    let mut router = matchit::Router::new();
    for template in templates {
        router.insert(template, template.as_str().into()).map_err(|error| {
            let problem = format!(
                "{template:?} can't be a template: {error}; write it as \"/orders/{{id}}\""
            );
            StartError::Setting { field: "routes", problem }
        })?;
    }
    Ok(router)
}

/// `package.Service/Method`, without a slash before it.
fn is_grpc_method(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && !part.contains(['/', ' ']);
    text.split_once('/').is_some_and(|(service, method)| is_part(service) && is_part(method))
}

/// The last word of a type's path, in lower case and without its parameters: `slack`.
fn type_word<T>() -> String {
    let name = std::any::type_name::<T>();
    let path = name.split('<').next().unwrap_or(name);
    path.rsplit("::").next().unwrap_or(path).to_lowercase()
}

impl fmt::Debug for LookoutBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.notifiers.iter().map(|(mailbox, _)| &mailbox.name).collect();
        f.debug_struct("LookoutBuilder")
            .field("origin", &self.origin)
            .field("rules", &self.rules)
            .field("notifiers", &names)
            .finish_non_exhaustive()
    }
}
