//! The builder of a lookout.

mod alerting;
mod check;
#[cfg(feature = "toml")]
mod config;
mod controls;
#[cfg(feature = "prost")]
mod descriptor;
mod labels;
mod naming;
mod requests;
#[cfg(feature = "state")]
mod state;

use std::{
    fmt, mem,
    sync::Arc,
    time::{Duration, SystemTime},
};

use metrics::Recorder;
use tokio::{runtime::Handle, sync::watch};

use self::{check::router, labels::UserLabel};

#[cfg(feature = "state")]
use super::state::StateKeeper;
use super::{
    Inner, Lookout, StartError,
    heartbeat::Heartbeat,
    self_check::{Layers, SelfCheck, log_start},
    thread::{LookoutThread, spawn, warn_without_runtime},
};
#[cfg(feature = "toml")]
use crate::config::{Controls, Source};
use crate::{
    alert::{Evaluator, Origin},
    collect::{Collector, Export, share},
    facade::{Facade, GrpcType, MetricNaming, SharedRecorder},
    generate::Exports,
    notify::{Dispatcher, NotifierQueue, Worker},
    observe::{self, Core, LayerConfig, Naming, ObserveConfig},
    operation::{MethodLabel, Protocol, Side, TrafficId},
    report::Reports,
    rule::{self, Rule},
    runtime::RuntimeStats,
    series::{BUCKETS, Bounds, Classifier, FailureFn, Family, LabelTable, Limits, Store},
    snapshot::{Publisher, Snapshot},
    suppress::{Inhibition, Silence, Suppressor},
};

/// The settings of a [`Lookout`]. [`start`](Self::start) checks them.
///
/// All settings have defaults: `Lookout::builder().start()` counts requests and raises no alerts.
/// The [guide](crate::guide) has a page for each task.
#[must_use = "nothing is watched before `start`"]
pub struct LookoutBuilder {
    origin: Origin,
    rules: Vec<Rule>,
    #[cfg(feature = "toml")]
    config: Option<Source>,
    notifiers: Vec<(Arc<NotifierQueue>, Worker)>,
    heartbeats: Vec<(Duration, Arc<NotifierQueue>, Worker)>,
    recorder: Option<SharedRecorder>,
    runtime: Option<Handle>,
    silences: Vec<Silence>,
    inhibitions: Vec<Inhibition>,
    quiet_after_start: Option<Duration>,
    #[cfg(feature = "toml")]
    file_controls: Controls,
    buckets: Vec<Duration>,
    families: Vec<Family>,
    naming: MetricNaming,
    observe: ObserveConfig,
    templates: Vec<String>,
    labels: Vec<UserLabel>,
    failure: Option<Box<FailureFn>>,
    grpc_methods: Vec<String>,
    #[cfg(feature = "prost")]
    grpc_descriptor_problem: Option<String>,
    limits: Limits,
    shutdown_timeout: Duration,
    #[cfg(feature = "state")]
    state_path: Option<std::path::PathBuf>,
}

/// Export: the recorder and its buckets; and the start.
impl LookoutBuilder {
    pub(super) fn new() -> Self {
        Self {
            origin: Origin::default(),
            rules: Vec::new(),
            #[cfg(feature = "toml")]
            config: None,
            notifiers: Vec::new(),
            heartbeats: Vec::new(),
            recorder: None,
            runtime: None,
            silences: Vec::new(),
            inhibitions: Vec::new(),
            quiet_after_start: None,
            #[cfg(feature = "toml")]
            file_controls: Controls::default(),
            buckets: BUCKETS.to_vec(),
            families: Vec::new(),
            naming: MetricNaming::default(),
            observe: ObserveConfig::default(),
            templates: Vec::new(),
            labels: Vec::new(),
            failure: None,
            grpc_methods: Vec::new(),
            #[cfg(feature = "prost")]
            grpc_descriptor_problem: None,
            limits: Limits::default(),
            shutdown_timeout: Duration::from_secs(5),
            #[cfg(feature = "state")]
            state_path: None,
        }
    }

    /// Sets the recorder that receives the metrics. Defaults to the global one. If that is
    /// installed later, it also receives the earlier counts. See the
    /// [guide](crate::guide::metrics).
    #[doc(alias("statsd", "datadog", "registry"))]
    pub fn recorder(mut self, recorder: impl Recorder + Send + Sync + 'static) -> Self {
        self.recorder = Some(Arc::new(recorder));
        self
    }

    /// Sets the application's runtime, which the lookout probes every 100 ms: for
    /// [`Rule::runtime_lag`] and `lookout_runtime_lag_seconds`, and with the feature
    /// `runtime-metrics` for `tokio_runtime_*`. The lookout does not keep it alive. Defaults to the
    /// runtime in which [`start`](Self::start) is called, if any.
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Sets the upper bounds of the recorder's duration buckets, in ascending order. The bucket
    /// counts are exact if the recorder has the same bounds. Defaults to [`BUCKETS`], which
    /// [`prometheus::install`] uses too.
    ///
    /// [`prometheus::install`]: crate::prometheus::install
    #[doc(alias("histogram"))]
    pub fn buckets(mut self, buckets: impl IntoIterator<Item = Duration>) -> Self {
        self.buckets = buckets.into_iter().collect();
        self
    }

    /// Sets other buckets for the durations of some routes, written as in the label, or of gRPC
    /// methods. A recorder chooses the buckets by the metric's name, so the name contains `family`
    /// before the unit: `http_server_request_duration_slow_seconds`. Rules, counters and gauges do
    /// not change. Defaults to none.
    ///
    /// # Examples
    ///
    /// Give the recorder the same bounds:
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_lookout::{Lookout, prometheus};
    ///
    /// let slow = [1, 10, 60, 600].map(Duration::from_secs);
    /// let (recorder, scrape) = prometheus::Builder::new().buckets_for("slow", slow).build()?;
    /// let lookout = Lookout::builder()
    ///     .recorder(recorder)
    ///     .buckets_for("slow", ["/reports/{id}", "/exports"], slow)
    ///     .start()?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("histogram"))]
    pub fn buckets_for(
        mut self,
        family: impl Into<String>,
        routes: impl IntoIterator<Item = impl Into<String>>,
        buckets: impl IntoIterator<Item = Duration>,
    ) -> Self {
        self.families.push(Family {
            name: family.into(),
            routes: routes.into_iter().map(Into::into).collect(),
            buckets: buckets.into_iter().collect(),
        });
        self
    }

    /// Limits how long [`Lookout::shutdown`] delivers queued alerts. Defaults to 5 s.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// Checks the settings and starts the lookout's thread.
    ///
    /// The first start in a process calibrates the clock, which takes up to 200 ms.
    ///
    /// # Errors
    ///
    /// A [`StartError`] that names the rule or the setting, and the fix.
    pub fn start(mut self) -> Result<Lookout, StartError> {
        #[cfg(feature = "toml")]
        let reloadable = self.load()?;
        self.check()?;
        #[cfg(feature = "_http")]
        crate::notify::check_clients();
        self.rules = rule::with_names(self.rules);
        let route_settings = self.route_settings();
        if !self.templates.is_empty() {
            self.observe.route = Some(Naming::Templates(router(&self.templates)?));
        }
        let families = self.families.clone();
        let store = Arc::new(self.build_store());
        let exports = Arc::new(self.exports(families));
        let (running_rules, rules_in_force) = watch::channel(self.rules.clone().into());
        let classifier = Arc::new(Classifier(self.failure.take()));
        let observe = mem::take(&mut self.observe);
        let core = Arc::new(Core::new(Arc::clone(&store), Arc::clone(&classifier), observe));
        let layers = Arc::<Layers>::default();
        let service = self.origin.service.clone();
        let self_check = SelfCheck::new(Arc::clone(&layers), route_settings);
        let (thread, snapshots) =
            self.build_thread(&store, classifier, self_check, running_rules)?;
        let (reports, dispatcher) = (Arc::clone(&thread.reports), Arc::clone(&thread.dispatcher));
        let suppressor = Arc::clone(&thread.suppressor);
        let commands = spawn(thread).map_err(StartError::Thread)?;
        let id = observe::open(Arc::clone(&core)).ok_or(StartError::TooMany)?;
        let layer = LayerConfig::new(id, &core.config);
        let notifiers: Vec<_> =
            dispatcher.queues().iter().map(|queue| queue.name.clone()).collect();
        let (rules, has_recorder) = {
            let snapshot = snapshots.borrow();
            (snapshot.rules.len(), snapshot.has_recorder)
        };
        log_start(&service, rules, &notifiers, has_recorder);
        Ok(Lookout {
            inner: Arc::new(Inner {
                layer,
                store,
                reports,
                dispatcher,
                suppressor,
                commands,
                snapshots,
                layers,
                exports,
                rules: rules_in_force,
                #[cfg(feature = "toml")]
                reloadable,
                #[cfg(feature = "toml")]
                reloading: tokio::sync::Mutex::default(),
            }),
        })
    }

    /// The settings that the generated files depend on. The store must have been built.
    fn exports(&self, families: Vec<Family>) -> Exports {
        Exports {
            service: self.origin.service.clone(),
            naming: self.naming.clone(),
            buckets: self.buckets.clone(),
            families,
        }
    }

    /// Builds the lookout's thread, and starts the threads of the notifiers and of the state file.
    fn build_thread(
        mut self,
        store: &Arc<Store>,
        classifier: Arc<Classifier>,
        self_check: SelfCheck,
        rules: watch::Sender<Arc<[Rule]>>,
    ) -> Result<(LookoutThread, watch::Receiver<Arc<Snapshot>>), StartError> {
        let runtime = self.runtime.take().or_else(|| Handle::try_current().ok());
        warn_without_runtime(&self.rules, runtime.is_some());
        let origin = Arc::new(mem::take(&mut self.origin));
        let reports = Arc::new(Reports::new(Arc::clone(store), Arc::clone(&origin)));
        let notifiers = mem::take(&mut self.notifiers);
        let heartbeats = mem::take(&mut self.heartbeats);
        let (dispatcher, heartbeats, workers) = notifying(notifiers, heartbeats, &origin);
        let suppressor = Arc::new(self.controls(&dispatcher)?);
        if !self.has_state_file() {
            dispatcher.note_unknown(SystemTime::now(), false);
        }
        let collector = Collector::new(
            Arc::clone(store),
            Facade::new(self.recorder, self.naming),
            classifier,
            Evaluator::groups(&self.rules),
            exports(&reports, &dispatcher, &suppressor, &heartbeats),
        );
        #[cfg_attr(
            not(feature = "state"),
            expect(unused_mut, reason = "the state is restored into it")
        )]
        let mut evaluator = Evaluator::new(self.rules, Arc::clone(&origin));
        #[cfg(feature = "state")]
        let keeper = self.state_path.map(|path| {
            let (reports, dispatcher) = (Arc::clone(&reports), Arc::clone(&dispatcher));
            let (service, suppressor) = (origin.service.clone(), Arc::clone(&suppressor));
            let keeper = StateKeeper::new(path, service, reports, dispatcher, suppressor);
            keeper.restore(&mut evaluator, &store.operations, collector.facade.naming());
            Arc::new(keeper)
        });
        // At the start, since the system may have no thread left later.
        workers.iter().try_for_each(Worker::start_thread).map_err(StartError::Thread)?;
        #[cfg(feature = "state")]
        keeper.iter().try_for_each(|keeper| keeper.start_thread()).map_err(StartError::Thread)?;
        let (publisher, snapshots) = Publisher::new(
            &evaluator,
            &collector,
            Arc::clone(&reports),
            Arc::clone(&dispatcher),
            Arc::clone(&suppressor),
        );
        let thread = LookoutThread {
            publisher,
            rules,
            self_check,
            store: Arc::clone(store),
            collector: share(collector),
            runtime_stats: RuntimeStats::new(runtime),
            evaluator,
            reports,
            dispatcher,
            suppressor,
            heartbeats,
            workers,
            shutdown_timeout: self.shutdown_timeout,
            #[cfg(feature = "state")]
            keeper,
        };
        Ok((thread, snapshots))
    }

    fn has_state_file(&self) -> bool {
        #[cfg(feature = "state")]
        {
            self.state_path.is_some()
        }
        #[cfg(not(feature = "state"))]
        {
            false
        }
    }

    /// Builds the store. Moves the labels and the bucket families into the configuration of the
    /// request path and of the metrics.
    fn build_store(&mut self) -> Store {
        let splits: Vec<_> = self.rules.iter().flat_map(Rule::splits).collect();
        let labels = mem::take(&mut self.labels);
        let table = LabelTable::new(labels.iter().map(|label| (&*label.name, label.values)));
        self.observe.labels = labels.into_iter().map(|label| label.source).collect();
        // The server responds to such a call after the last message of the client.
        let types = self.naming.presets.options.grpc_types.iter();
        let streamed = types.filter(|(_, kind)| **kind == GrpcType::ClientStream);
        self.observe.long_polls.extend(streamed.map(|(method, _)| method.clone()));
        let families = mem::take(&mut self.families);
        self.naming.families = families.iter().map(|family| family.name.clone()).collect();
        let bounds = Bounds::with_families(&self.buckets, families, &splits);
        let store = Store::new(self.limits, bounds, table);
        let grpc_server = TrafficId::new(Side::SERVER, Protocol::Grpc);
        for method in &self.grpc_methods {
            store.operations.id_of(grpc_server, MethodLabel::Other, method);
        }
        store
    }
}

/// Creates the dispatcher of the notifiers, and the heartbeats.
fn notifying(
    notifiers: Vec<(Arc<NotifierQueue>, Worker)>,
    heartbeats: Vec<(Duration, Arc<NotifierQueue>, Worker)>,
    origin: &Arc<Origin>,
) -> (Arc<Dispatcher>, Vec<Heartbeat>, Vec<Worker>) {
    let (queues, mut workers): (Vec<_>, Vec<_>) = notifiers.into_iter().unzip();
    let mut beating = Vec::new();
    for (every, queue, worker) in heartbeats {
        beating.push(Heartbeat::new(every, queue, origin));
        workers.push(worker);
    }
    (Arc::new(Dispatcher::new(queues, Arc::clone(origin))), beating, workers)
}

/// Lists the parts that export metrics of their own at each collection.
fn exports(
    reports: &Arc<Reports>,
    dispatcher: &Arc<Dispatcher>,
    suppressor: &Arc<Suppressor>,
    heartbeats: &[Heartbeat],
) -> Vec<Arc<dyn Export>> {
    let queues = dispatcher.queues().iter().chain(heartbeats.iter().map(Heartbeat::queue));
    let stats = queues.map(|queue| Arc::clone(&queue.stats) as _);
    let own = [
        Arc::clone(reports) as Arc<dyn Export>,
        Arc::clone(dispatcher) as _,
        Arc::clone(suppressor) as _,
    ];
    own.into_iter().chain(stats).collect()
}

impl fmt::Debug for LookoutBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.notifiers.iter().map(|(queue, _)| &queue.name).collect();
        f.debug_struct("LookoutBuilder")
            .field("origin", &self.origin)
            .field("rules", &self.rules)
            .field("notifiers", &names)
            .finish_non_exhaustive()
    }
}
