use std::{
    io,
    pin::pin,
    sync::{Arc, PoisonError},
    thread,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

#[cfg(feature = "state")]
use super::state::StateKeeper;
use super::{Reloaded, heartbeat::Heartbeat};
use crate::{
    alert::Evaluator,
    collect::SharedCollector,
    deadline::within,
    guard::guarded,
    notify::{Dispatcher, TestDelivery, Worker},
    report::{self, Reports},
    rule::Rule,
    runtime::{BEAT, Vitals},
    series::{Bounds, Store},
};

/// What runs on the lookout's own thread: the tick, the verdicts, the deliveries. It shares nothing
/// with the application's runtime, because a runtime that is blocked is what it must report.
pub(super) struct LookoutThread {
    pub(super) store: Arc<Store>,
    pub(super) collector: SharedCollector,
    pub(super) vitals: Vitals,
    pub(super) reports: Arc<Reports>,
    pub(super) evaluator: Evaluator,
    pub(super) dispatcher: Arc<Dispatcher>,
    pub(super) heartbeats: Vec<Heartbeat>,
    pub(super) workers: Vec<Worker>,
    pub(super) shutdown_timeout: Duration,
    #[cfg(feature = "state")]
    pub(super) keeper: Option<Arc<StateKeeper>>,
}

/// What a handle asks of the thread.
#[derive(Debug)]
pub(super) enum Command {
    /// To end, and to say so.
    Shutdown(oneshot::Sender<()>),
    /// To judge by these rules, which were checked, and to say what became of the others.
    ReplaceRules(Vec<Rule>, oneshot::Sender<Reloaded>),
    /// To send a test by each notifier, and to say how that went.
    SendTest(oneshot::Sender<Vec<TestDelivery>>),
}

const TICK: Duration = Duration::from_secs(1);

/// Starts the thread, and waits until it has found the recorder: so that a scrape that comes right
/// after has all names.
pub(super) fn spawn(thread: LookoutThread) -> io::Result<mpsc::UnboundedSender<Command>> {
    let (commands, asked) = mpsc::unbounded_channel();
    let (ready, is_ready) = std::sync::mpsc::channel();
    thread::Builder::new().name("lookout".to_owned()).spawn(move || {
        report::own_this_thread();
        thread.resolve();
        // Made here, since a runtime may not be dropped within another one, if that is all there is.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .on_thread_start(report::own_this_thread)
            .enable_all()
            .build();
        let (runtime, made) = match runtime {
            Ok(runtime) => (Some(runtime), Ok(())),
            Err(error) => (None, Err(error)),
        };
        // The starter waits, or is gone.
        let _ = ready.send(made);
        let Some(runtime) = runtime else { return };
        runtime.block_on(thread.run(asked));
        // A hook that blocks for ever must not keep the thread.
        runtime.shutdown_background();
    })?;
    is_ready.recv().map_err(io::Error::other)??;
    Ok(commands)
}

impl LookoutThread {
    /// Finds the recorder and tells it all that is there.
    pub(super) fn resolve(&self) {
        let mut collector = self.collector.lock().unwrap_or_else(PoisonError::into_inner);
        collector.facade.resolve();
        collector.carry();
    }

    pub(super) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut workers = JoinSet::new();
        for worker in self.workers.drain(..) {
            workers.spawn(worker.run());
        }
        #[cfg(feature = "state")]
        let keeping = self.keeper.clone().map(|keeper| tokio::spawn(keeper.run()));
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // One sleep a tick, whatever comes between: a new one after a beat could pass the tick by.
        let mut ticks = pin!(sleep(self.until_tick()));
        let asked = loop {
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(Command::ReplaceRules(rules, done)) => {
                        // Nobody may wait any more, which is as well.
                        let _ = guarded(|| done.send(self.replace_rules(rules)));
                    }
                    Some(Command::SendTest(answer)) => self.send_test(answer),
                    Some(Command::Shutdown(done)) => break Some(done),
                    None => break None,
                },
                () = &mut ticks => {
                    let _ = guarded(|| self.tick());
                    ticks.as_mut().reset(Instant::now() + self.until_tick());
                }
                () = self.reports.wait_for_news() => {
                    let _ = guarded(|| self.dispatcher.put(self.reports.changes()));
                }
                // Before the shutdown none ends but by a mistake of ours.
                Some(ended) = workers.join_next() => {
                    let reason = ended.err().map(|error| error.to_string());
                    tracing::error!(reason, "a notifier's worker has ended: it delivers no more");
                }
                _ = beats.tick(), if self.vitals.has_probe() => self.vitals.beat(),
            }
        };
        if asked.is_none() {
            tracing::warn!(
                "the lookout ends with its last handle, and raises no more alerts: keep a handle \
                 as long as the service, and end it with shutdown()"
            );
        }
        self.drain(workers).await;
        #[cfg(feature = "state")]
        let is_kept = self.close_state(keeping).await;
        #[cfg(not(feature = "state"))]
        let is_kept = false;
        if !is_kept {
            self.dispatcher.mailboxes().iter().for_each(|mailbox| mailbox.give_up());
        }
        self.collector.lock().unwrap_or_else(PoisonError::into_inner).carry();
        // Nobody may wait any more, which is as well.
        commands.close();
        while let Ok(command) = commands.try_recv() {
            // Who has asked for other rules or a test is told by the drop.
            if let Command::Shutdown(done) = command {
                let _ = done.send(());
            }
        }
        let _ = asked.map(|asked| asked.send(()));
    }

    /// Ticks are on the whole seconds of the store's clock, by which ages are counted, too: so an
    /// age that is certain at a tick is not told a tick later.
    fn until_tick(&self) -> Duration {
        let into = self.store.elapsed().as_nanos() % TICK.as_nanos();
        TICK - Duration::from_nanos(into as u64) + Duration::from_micros(500)
    }

    fn tick(&mut self) {
        // A recorder is somebody else's code; should it panic, the next tick may go well.
        let ticked = guarded(|| {
            let mut collector = self.collector.lock().unwrap_or_else(PoisonError::into_inner);
            // One moment by both clocks, so that none is told that is yet to come.
            let (now, wall) = (self.store.elapsed(), SystemTime::now());
            collector.tick(now);
            let lag = self.vitals.tick(&collector.facade);
            collector.note_runtime_lag(lag);
            self.evaluator.evaluate(&collector, wall)
        });
        let Ok(changes) = ticked else {
            tracing::error!("a tick of the lookout panicked, so this second is judged by the next");
            self.dispatcher.put(self.reports.changes());
            return;
        };
        self.dispatcher.put(changes);
        self.dispatcher.put(self.reports.changes());
        let now = self.store.elapsed();
        self.heartbeats.iter_mut().for_each(|heartbeat| heartbeat.tick(now));
        #[cfg(feature = "state")]
        if let Some(keeper) = &self.keeper {
            keeper.note(self.evaluator.firing());
        }
    }

    fn replace_rules(&mut self, rules: Vec<Rule>) -> Reloaded {
        warn_without_runtime(&rules, self.vitals.has_probe());
        let mut collector = self.collector.lock().unwrap_or_else(PoisonError::into_inner);
        let needs_restart = inexact(&rules, collector.bounds());
        collector.regroup(Evaluator::groups(&rules));
        let (replaced, told) = self.evaluator.replace(rules, &collector.facade, SystemTime::now());
        drop(collector);
        for needs in &needs_restart {
            tracing::warn!("{needs}");
        }
        let reloaded = Reloaded::new(replaced, needs_restart);
        tracing::info!("{reloaded}");
        self.dispatcher.put(told);
        reloaded
    }

    /// Beside the ticks, which go on.
    fn send_test(&self, answer: oneshot::Sender<Vec<TestDelivery>>) {
        let dispatcher = Arc::clone(&self.dispatcher);
        tokio::spawn(async move {
            // Whoever asked may have left.
            let _ = answer.send(dispatcher.send_test().await);
        });
    }

    /// Judges the last part of a second, and delivers what is queued until the deadline.
    async fn drain(&mut self, mut workers: JoinSet<()>) {
        let _ = guarded(|| self.tick());
        self.dispatcher.put(self.reports.close());
        let heartbeats = self.heartbeats.iter().map(Heartbeat::mailbox);
        for mailbox in self.dispatcher.mailboxes().iter().chain(heartbeats) {
            mailbox.close();
        }
        let all = async { while workers.join_next().await.is_some() {} };
        if within(self.shutdown_timeout, all).await.is_err() {
            // So that what is under way is back in its mailbox.
            workers.shutdown().await;
        }
    }

    /// Writes the state a last time; gives whether what was not delivered is in it.
    #[cfg(feature = "state")]
    async fn close_state(&self, keeping: Option<tokio::task::JoinHandle<io::Result<()>>>) -> bool {
        let (Some(keeper), Some(keeping)) = (&self.keeper, keeping) else { return false };
        keeper.note(self.evaluator.firing());
        keeper.close(keeping).await
    }
}

/// Says that a rule will judge nothing.
pub(super) fn warn_without_runtime(rules: &[Rule], has_runtime: bool) {
    if let (false, Some(rule)) = (has_runtime, rules.iter().find(|rule| rule.needs_runtime())) {
        tracing::warn!(
            rule = rule.name(),
            "there is no runtime to judge: start the lookout in one, or give .runtime(handle)"
        );
    }
}

/// The cells are split when they are made, so a threshold that comes later is no bound of theirs.
fn inexact(rules: &[Rule], bounds: &Bounds) -> Vec<String> {
    rules
        .iter()
        .flat_map(|rule| rule.splits().map(move |split| (rule, split)))
        .filter(|(_, split)| !bounds.is_exact(*split))
        .map(|(rule, split)| {
            let name = rule.name();
            format!("rule `{name}` tells what is slower than {split:?} within 11 % until a restart")
        })
        .collect()
}
