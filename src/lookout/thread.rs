use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, PoisonError},
    thread,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

use crate::{
    alert::{Alert, Evaluator},
    collect::SharedCollector,
    notify::{Mailbox, Worker},
    report::Reports,
    runtime::{BEAT, Vitals},
    series::Store,
};

/// What runs on the lookout's own thread: the tick, the verdicts, the deliveries. It shares nothing
/// with the application's runtime, because a runtime that is blocked is what it must report.
pub(super) struct LookoutThread {
    pub(super) store: Arc<Store>,
    pub(super) collector: SharedCollector,
    pub(super) vitals: Vitals,
    pub(super) reports: Arc<Reports>,
    pub(super) evaluator: Evaluator,
    pub(super) mailboxes: Vec<Arc<Mailbox>>,
    pub(super) workers: Vec<Worker>,
    pub(super) shutdown_timeout: Duration,
}

const TICK: Duration = Duration::from_secs(1);

/// Starts the thread, and waits until it has found the recorder: so that a scrape that comes right
/// after has all names.
pub(super) fn spawn(
    thread: LookoutThread,
) -> io::Result<mpsc::UnboundedSender<oneshot::Sender<()>>> {
    let (shutdown, asked) = mpsc::unbounded_channel();
    let (ready, is_ready) = std::sync::mpsc::channel();
    thread::Builder::new().name("lookout".to_owned()).spawn(move || {
        thread.resolve();
        // Made here, since a runtime may not be dropped within another one, if that is all there is.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
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
    Ok(shutdown)
}

impl LookoutThread {
    /// Finds the recorder and tells it all that is there.
    pub(super) fn resolve(&self) {
        let mut collector = self.collector.lock().unwrap_or_else(PoisonError::into_inner);
        collector.facade.resolve();
        collector.carry();
    }

    pub(super) async fn run(mut self, mut shutdown: mpsc::UnboundedReceiver<oneshot::Sender<()>>) {
        let mut workers = JoinSet::new();
        for worker in self.workers.drain(..) {
            workers.spawn(worker.run());
        }
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // One sleep a tick, whatever comes between: a new one after a beat could pass the tick by.
        let mut ticks = pin!(sleep(self.until_tick()));
        let asked = loop {
            tokio::select! {
                biased;
                asked = shutdown.recv() => break asked,
                () = &mut ticks => {
                    self.tick();
                    ticks.as_mut().reset(Instant::now() + self.until_tick());
                }
                () = self.reports.wait_for_news() => self.put(self.reports.changes()),
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
        // Nobody may wait any more, which is as well.
        shutdown.close();
        while let Ok(asked) = shutdown.try_recv() {
            let _ = asked.send(());
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
        let ticked = catch_unwind(AssertUnwindSafe(|| {
            let mut collector = self.collector.lock().unwrap_or_else(PoisonError::into_inner);
            collector.tick(self.store.elapsed());
            let lag = self.vitals.tick(&collector.facade);
            collector.note_runtime_lag(lag);
            self.evaluator.evaluate(&collector, SystemTime::now())
        }));
        let Ok(changes) = ticked else {
            tracing::error!("a tick of the lookout panicked, so this second is judged by the next");
            self.put(self.reports.changes());
            return;
        };
        self.put(changes);
        self.put(self.reports.changes());
    }

    fn put(&self, changes: Vec<Alert>) {
        for alert in changes {
            for mailbox in &self.mailboxes {
                mailbox.put(alert.clone());
            }
        }
    }

    /// Delivers what is queued until the deadline, and names what is left.
    async fn drain(&self, mut workers: JoinSet<()>) {
        self.put(self.reports.close());
        for mailbox in &self.mailboxes {
            mailbox.close();
        }
        let all = async { while workers.join_next().await.is_some() {} };
        if timeout(self.shutdown_timeout, all).await.is_err() {
            // Stopped first, so that what is under way is back in its mailbox.
            workers.shutdown().await;
            for mailbox in &self.mailboxes {
                mailbox.give_up();
            }
        }
        self.collector.lock().unwrap_or_else(PoisonError::into_inner).carry();
    }
}
