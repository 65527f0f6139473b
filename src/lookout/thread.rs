use std::{
    io,
    pin::pin,
    sync::{Arc, MutexGuard, PoisonError},
    thread,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

#[cfg(feature = "state")]
use super::state::StateKeeper;
use super::{ReloadError, Reloaded, heartbeat::Heartbeat, self_check::SelfCheck};
use crate::{
    alert::{Alert, Evaluator},
    catch_panic::{guarded, guarded_future, logged},
    collect::{Collector, SharedCollector},
    deadline::within,
    notify::{Dispatcher, TestDelivery, Worker},
    report::{self, Reports},
    rule::Rule,
    runtime::{PROBE_INTERVAL, RuntimeStats},
    series::{Bounds, Store},
    snapshot::Publisher,
    suppress::Suppressor,
    task::supervised,
};

/// The work of the lookout's own thread: the tick, the evaluation of the rules, the deliveries. It
/// does not use the application's runtime, since it must report when that runtime is blocked.
pub(super) struct LookoutThread {
    pub(super) publisher: Publisher,
    /// The rules in force.
    pub(super) rules: watch::Sender<Arc<[Rule]>>,
    pub(super) self_check: SelfCheck,
    pub(super) store: Arc<Store>,
    pub(super) collector: SharedCollector,
    pub(super) runtime_stats: RuntimeStats,
    pub(super) reports: Arc<Reports>,
    pub(super) evaluator: Evaluator,
    pub(super) dispatcher: Arc<Dispatcher>,
    pub(super) suppressor: Arc<Suppressor>,
    pub(super) heartbeats: Vec<Heartbeat>,
    pub(super) workers: Vec<Worker>,
    pub(super) shutdown_timeout: Duration,
    #[cfg(feature = "state")]
    pub(super) keeper: Option<Arc<StateKeeper>>,
}

/// A request of a handle to the thread.
#[derive(Debug)]
pub(super) enum Command {
    /// Ends the lookout, and then replies.
    Shutdown(oneshot::Sender<()>),
    /// Replaces the rules by these, which were checked, and replies with the changes.
    ReplaceRules(Vec<Rule>, oneshot::Sender<Result<Reloaded, ReloadError>>),
    /// Sends a test through each notifier, and replies with the results.
    SendTest(oneshot::Sender<Vec<TestDelivery>>),
}

const TICK: Duration = Duration::from_secs(1);

/// Starts the thread, and waits until it has resolved the recorder, so that a scrape right after
/// the start has all metrics.
pub(super) fn spawn(thread: LookoutThread) -> io::Result<mpsc::UnboundedSender<Command>> {
    let (commands, received) = mpsc::unbounded_channel();
    let (ready, is_ready) = std::sync::mpsc::channel();
    thread::Builder::new().name("lookout".to_owned()).spawn(move || {
        report::own_this_thread();
        thread.resolve();
        // Built on this thread: if that fails, a runtime must not be dropped inside another one.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .on_thread_start(report::own_this_thread)
            .enable_all()
            .build();
        let (runtime, made) = match runtime {
            Ok(runtime) => (Some(runtime), Ok(())),
            Err(error) => (None, Err(error)),
        };
        // `spawn` waits for the result, so the receiver exists.
        let _ = ready.send(made);
        let Some(runtime) = runtime else { return };
        runtime.block_on(thread.run(received));
        // A hook that blocks forever must not keep the thread alive.
        runtime.shutdown_background();
    })?;
    is_ready.recv().map_err(io::Error::other)??;
    Ok(commands)
}

impl LookoutThread {
    /// Resolves the recorder, and exports everything to it.
    pub(super) fn resolve(&self) {
        caught("the first export", || {
            let mut collector = self.collector();
            collector.facade.resolve();
            collector.export();
        });
    }

    pub(super) async fn run(mut self, commands: mpsc::UnboundedReceiver<Command>) {
        let mut workers = JoinSet::new();
        for worker in self.workers.drain(..) {
            workers.spawn(worker.run());
        }
        #[cfg(feature = "state")]
        let keeping = self.keeper.clone().map(|keeper| tokio::spawn(keeper.run()));
        let mut serving = (self, commands);
        let requested = supervised("the lookout", &mut serving, async |(thread, commands)| {
            thread.serve(commands).await
        })
        .await;
        let (mut thread, mut commands) = serving;
        if requested.is_none() {
            logged(|| {
                tracing::warn!(
                    "the last handle was dropped, so the lookout ends and evaluates no more rules: keep a \
                     handle as long as the service runs, and end the lookout with shutdown()"
                );
            });
        }
        thread.drain(workers).await;
        #[cfg(feature = "state")]
        let is_kept = thread.close_state(keeping).await;
        #[cfg(not(feature = "state"))]
        let is_kept = false;
        if !is_kept {
            thread.suppressor.give_up();
            thread.dispatcher.queues().iter().for_each(|queue| queue.give_up());
        }
        caught("the last export", || thread.collector().export());
        commands.close();
        while let Ok(command) = commands.try_recv() {
            // The drop of any other command closes its reply channel.
            if let Command::Shutdown(done) = command {
                let _ = done.send(());
            }
        }
        let _ = requested.map(|done| done.send(()));
    }

    /// Ticks, and executes the commands of the handles, until the lookout ends. Returns the channel
    /// of the shutdown, or `None` after the drop of the last handle.
    async fn serve(
        &mut self,
        commands: &mut mpsc::UnboundedReceiver<Command>,
    ) -> Option<oneshot::Sender<()>> {
        let mut probes = interval(PROBE_INTERVAL);
        probes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // One sleep for each tick: a new sleep after a probe could skip the tick.
        let mut ticks = pin!(sleep(self.until_tick()));
        loop {
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(Command::ReplaceRules(rules, done)) => {
                        let replaced = self.replace_rules(rules).await;
                        // The caller may be gone.
                        let _ = done.send(replaced);
                    }
                    Some(Command::SendTest(reply)) => self.send_test(reply),
                    Some(Command::Shutdown(done)) => break Some(done),
                    None => break None,
                },
                () = &mut ticks => {
                    self.tick().await;
                    ticks.as_mut().reset(Instant::now() + self.until_tick());
                }
                () = self.reports.wait_for_new_group() => {
                    self.hand_over(self.reports.changes(), SystemTime::now()).await;
                }
                _ = probes.tick(), if self.runtime_stats.has_probe() => self.runtime_stats.probe(),
            }
        }
    }

    fn collector(&self) -> MutexGuard<'_, Collector> {
        self.collector.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ticks are aligned to whole seconds of the store's clock, as ages are. So a rule sees each
    /// age as soon as it is reached, and not a tick later.
    fn until_tick(&self) -> Duration {
        let into = self.store.elapsed().as_nanos() % TICK.as_nanos();
        TICK - Duration::from_nanos(into as u64) + Duration::from_micros(500)
    }

    async fn tick(&mut self) {
        // A recorder is code of the application. If it panics, the next tick may succeed.
        let changes = caught("a tick", || {
            let mut collector = self.collector.lock().unwrap_or_else(PoisonError::into_inner);
            // Read both clocks at once, so that no time lies in the future.
            let (now, wall) = (self.store.elapsed(), SystemTime::now());
            collector.tick(now);
            let lag = self.runtime_stats.tick(&collector.facade);
            collector.note_runtime_lag(lag);
            let changes = self.evaluator.evaluate(&collector, wall);
            let changes = self.unsuppressed(changes, wall);
            // A panic in the snapshot must not lose the alerts.
            let _ = guarded(|| {
                self.publisher.publish(&self.evaluator, &collector, wall);
                self.self_check.tick(&collector, &self.evaluator);
            });
            changes
        });
        if let Some(changes) = changes {
            self.dispatcher.hand_over(changes).await;
            let now = self.store.elapsed();
            self.heartbeats.iter_mut().for_each(|heartbeat| heartbeat.tick(now));
        }
        self.hand_over(self.reports.changes(), SystemTime::now()).await;
        #[cfg(feature = "state")]
        if let Some(keeper) = &self.keeper {
            keeper.note(self.evaluator.firing());
        }
    }

    /// Sends the changes that no control suppresses.
    async fn hand_over(&self, changes: Vec<Alert>, now: SystemTime) {
        if changes.is_empty() {
            return;
        }
        self.dispatcher.hand_over(self.unsuppressed(changes, now)).await;
    }

    fn unsuppressed(&self, changes: Vec<Alert>, now: SystemTime) -> Vec<Alert> {
        let firing = || self.evaluator.firing().cloned().chain(self.reports.firing()).collect();
        self.suppressor.filter(changes, firing, now)
    }

    async fn replace_rules(&mut self, rules: Vec<Rule>) -> Result<Reloaded, ReloadError> {
        let before: Vec<_> = self.evaluator.rules().cloned().collect();
        match guarded(|| self.swap_rules(rules)) {
            Ok((reloaded, changes)) => {
                self.hand_over(changes, SystemTime::now()).await;
                Ok(reloaded)
            }
            Err(panic) => {
                let mut collector = self.collector.lock().unwrap_or_else(PoisonError::into_inner);
                collector.regroup(Evaluator::groups(&before));
                self.evaluator.restart(before);
                let message = panic.message().to_owned();
                logged(|| tracing::error!(message, "the replacement of the rules panicked"));
                Err(ReloadError::Panicked { message })
            }
        }
    }

    fn swap_rules(&mut self, rules: Vec<Rule>) -> (Reloaded, Vec<Alert>) {
        warn_without_runtime(&rules, self.runtime_stats.has_probe());
        let mut collector = self.collector.lock().unwrap_or_else(PoisonError::into_inner);
        let needs_restart = inexact(&rules, collector.bounds());
        collector.regroup(Evaluator::groups(&rules));
        let (replaced, changes) =
            self.evaluator.replace(rules, &collector.facade, SystemTime::now());
        self.publisher.publish(&self.evaluator, &collector, SystemTime::now());
        self.rules.send_replace(self.evaluator.rules().cloned().collect());
        drop(collector);
        for needs in &needs_restart {
            logged(|| tracing::warn!("{needs}"));
        }
        let reloaded = Reloaded::new(replaced, needs_restart);
        logged(|| tracing::info!("{reloaded}"));
        (reloaded, changes)
    }

    /// Runs as a task, so that the ticks continue.
    fn send_test(&self, reply: oneshot::Sender<Vec<TestDelivery>>) {
        let dispatcher = Arc::clone(&self.dispatcher);
        tokio::spawn(async move {
            let deliveries = guarded_future(dispatcher.send_test()).await.unwrap_or_else(|panic| {
                let reason = panic.message().to_owned();
                logged(|| tracing::error!(reason, "the test of the notifiers panicked"));
                dispatcher.untested(&format!("the test panicked: {reason}"))
            });
            // The caller may be gone.
            let _ = reply.send(deliveries);
        });
    }

    /// Evaluates the rules a last time, and delivers the queued alerts until the deadline.
    async fn drain(&mut self, mut workers: JoinSet<()>) {
        // After a panic here the workers must still deliver.
        let _ = guarded_future(async {
            self.tick().await;
            self.hand_over(self.reports.close(), SystemTime::now()).await;
        })
        .await;
        let heartbeats = self.heartbeats.iter().map(Heartbeat::queue);
        for queue in self.dispatcher.queues().iter().chain(heartbeats) {
            queue.close();
        }
        let all = async { while workers.join_next().await.is_some() {} };
        if within(self.shutdown_timeout, all).await.is_err() {
            // An alert whose delivery is cancelled returns to its queue.
            workers.shutdown().await;
        }
    }

    /// Writes the state a last time. Returns whether the file contains the undelivered alerts.
    #[cfg(feature = "state")]
    async fn close_state(&self, keeping: Option<tokio::task::JoinHandle<io::Result<()>>>) -> bool {
        let (Some(keeper), Some(keeping)) = (&self.keeper, keeping) else { return false };
        keeper.note(self.evaluator.firing());
        keeper.close(keeping).await
    }
}

/// Calls `call`, and logs a panic in it.
fn caught<R>(action: &str, call: impl FnOnce() -> R) -> Option<R> {
    let panic = match guarded(call) {
        Ok(result) => return Some(result),
        Err(panic) => panic,
    };
    let reason = panic.message();
    logged(|| tracing::error!(reason, "{action} of the lookout panicked: the lookout continues"));
    None
}

/// Warns about a rule that evaluates the runtime if there is no runtime.
pub(super) fn warn_without_runtime(rules: &[Rule], has_runtime: bool) {
    if let (false, Some(rule)) = (has_runtime, rules.iter().find(|rule| rule.needs_runtime())) {
        logged(|| {
            tracing::warn!(
                rule = rule.name(),
                "the rule has no runtime to evaluate: start the lookout inside one, or set .runtime(handle)"
            );
        });
    }
}

/// Returns a warning for each threshold that lies between two cells, since the cells' bounds are
/// fixed at the start.
fn inexact(rules: &[Rule], bounds: &Bounds) -> Vec<String> {
    rules
        .iter()
        .flat_map(|rule| rule.splits().map(move |split| (rule, split)))
        .filter(|(_, split)| !bounds.is_exact(*split))
        .map(|(rule, split)| {
            let name = rule.name();
            format!("rule `{name}`: the threshold {split:?} is accurate to 11% until a restart")
        })
        .collect()
}
