//! The state file: firing alerts, report groups and undelivered alerts survive a restart.
//! The file is rewritten when one of them changes.

mod file;
mod notifiers;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use tokio::{sync::Notify, task::JoinHandle, time::sleep};

use self::{
    file::{read, set_aside, write},
    notifiers::SavedNotifier,
};
use crate::{
    alert::{Alert, Evaluator, SavedAlert, is_same_in_file},
    catch_panic::logged,
    deadline::within,
    facade::MetricNaming,
    notify::{Dispatcher, SavedQueue},
    operation::OperationTable,
    report::{Reports, SavedGroup},
    suppress::{SavedControls, Suppressor},
    task::{BlockingThread, supervised},
};

/// The file's content. It belongs to one service.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Saved {
    version: u32,
    service: String,
    firing: Vec<SavedAlert>,
    groups: Vec<SavedGroup>,
    notifiers: Vec<SavedNotifier>,
    #[serde(default)]
    controls: SavedControls,
}

impl Saved {
    /// Drops the details of reports.
    fn shorten(&mut self) {
        self.groups.iter_mut().for_each(SavedGroup::shorten);
        self.queues().for_each(SavedQueue::shorten);
        self.controls.shorten();
    }

    fn queues(&mut self) -> impl Iterator<Item = &mut SavedQueue> {
        self.notifiers.iter_mut().filter_map(|notifier| notifier.queue.as_mut())
    }

    /// Drops half of the longest list, and returns the number of dropped alerts.
    fn halve(&mut self) -> usize {
        let groups = self.groups.len();
        let longest_queue = self.queues().map(|queue| queue.longest()).max().unwrap_or_default();
        if self.controls.len() > groups.max(longest_queue) {
            return self.controls.halve();
        }
        let longest = self.queues().max_by_key(|queue| queue.longest());
        match longest.filter(|queue| queue.longest() >= groups) {
            Some(queue) => queue.halve(),
            None => {
                self.groups.truncate(groups / 2);
                groups - groups / 2
            }
        }
    }
}

/// The version of the file's format.
const VERSION: u32 = 2;

/// The timeout of the last write, after the deliveries.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// The delay before a failed write is retried, unless the state changes earlier.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Writes the file: one write at a time, on its own thread, always with the newest state.
pub(super) struct StateKeeper {
    path: PathBuf,
    service: String,
    reports: Arc<Reports>,
    dispatcher: Arc<Dispatcher>,
    suppressor: Arc<Suppressor>,
    /// The state at the last tick.
    seen: Mutex<Seen>,
    changed: Arc<Notify>,
    is_closing: AtomicBool,
    is_failing: AtomicBool,
    thread: BlockingThread,
}

#[derive(Default)]
struct Seen {
    firing: Vec<Alert>,
    groups: (usize, usize),
    /// Reports that no alert contains yet, at the last tick that counted them.
    unsent: u64,
    ticks: u64,
}

/// The number of ticks between two checks for repeated reports, since an error loop changes them at
/// each tick.
const TICKS_TO_REPEATS: u64 = 10;

impl StateKeeper {
    pub(super) fn new(
        path: PathBuf,
        service: String,
        reports: Arc<Reports>,
        dispatcher: Arc<Dispatcher>,
        suppressor: Arc<Suppressor>,
    ) -> Self {
        let changed = Arc::new(Notify::new());
        for queue in dispatcher.queues() {
            queue.keep_by(Arc::clone(&changed));
        }
        suppressor.keep_by(Arc::clone(&changed));
        Self {
            path,
            service,
            reports,
            dispatcher,
            suppressor,
            seen: Mutex::default(),
            changed,
            is_closing: AtomicBool::new(false),
            is_failing: AtomicBool::new(false),
            thread: BlockingThread::new("lookout-state"),
        }
    }

    /// Restores the state of an earlier process. An unreadable file is set aside.
    pub(super) fn restore(
        &self,
        evaluator: &mut Evaluator,
        operations: &OperationTable,
        naming: &MetricNaming,
    ) {
        let saved = match read(&self.path, &self.service) {
            Ok(saved) => saved,
            Err(reason) => {
                set_aside(&self.path, &reason);
                self.dispatcher.note_unknown(SystemTime::now(), true);
                None
            }
        };
        let Saved { firing, groups, notifiers, controls, .. } = saved.unwrap_or_default();
        notifiers::restore(notifiers, self.dispatcher.queues());
        self.reports.restore(groups);
        self.suppressor.restore(controls);
        let firing = firing.into_iter().map(|SavedAlert(alert)| alert).collect();
        let gone = evaluator.restore(firing, operations, naming, SystemTime::now());
        let firing: Vec<_> = evaluator.firing().cloned().chain(self.reports.firing()).collect();
        let sent = firing.iter().filter(|alert| !self.suppressor.is_unsent(alert));
        let sent: Vec<_> = sent.cloned().collect();
        for queue in self.dispatcher.queues() {
            queue.restore_delivered(&sent);
        }
        let gone = self.suppressor.filter(gone, || firing, SystemTime::now());
        gone.into_iter().for_each(|alert| self.dispatcher.put(alert));
        self.lock().firing = evaluator.firing().cloned().collect();
    }

    /// Compares the alerts and reports with those of the last tick, and triggers a write after a
    /// change. The request count of an alert changes at each tick, so it does not trigger a write.
    pub(super) fn note<'a>(&self, firing: impl Iterator<Item = &'a Alert>) {
        let mut seen = self.lock();
        let ticks = seen.ticks + 1;
        let unsent = if ticks.is_multiple_of(TICKS_TO_REPEATS) {
            self.reports.unsent()
        } else {
            seen.unsent
        };
        let groups = self.reports.group_counts();
        let now = Seen { firing: firing.cloned().collect(), groups, unsent, ticks };
        let has_changed = now.unsent != seen.unsent
            || now.groups != seen.groups
            || now.firing.len() != seen.firing.len()
            || !now.firing.iter().zip(&seen.firing).all(|(one, other)| is_same_in_file(one, other));
        *seen = now;
        drop(seen);
        if has_changed {
            self.changed.notify_one();
        }
    }

    /// Starts the writing thread with the lookout, since the system may have no thread left later.
    pub(super) fn start_thread(&self) -> io::Result<()> {
        self.thread.start()
    }

    /// Writes the file now and after each change, until it is closed. Returns the result of the
    /// last write.
    pub(super) async fn run(mut self: Arc<Self>) -> io::Result<()> {
        supervised("the writer of the state", &mut self, async |keeper: &mut Arc<Self>| {
            keeper.write_changes().await
        })
        .await
    }

    async fn write_changes(&self) -> io::Result<()> {
        loop {
            // Read before the write: the next round writes any later change.
            let is_last = self.is_closing.load(Ordering::Acquire);
            let (path, saved) = (self.path.clone(), self.saved());
            let written = self.thread.call(move || write(&path, &saved)).await;
            let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
            self.log(&written);
            if is_last {
                return written;
            }
            tokio::select! {
                () = self.changed.notified() => {}
                () = sleep(RETRY_AFTER), if written.is_err() => {}
            }
        }
    }

    /// Writes a last time. Returns whether the file contains the undelivered alerts.
    pub(super) async fn close(&self, running: JoinHandle<io::Result<()>>) -> bool {
        self.is_closing.store(true, Ordering::Release);
        self.changed.notify_one();
        let is_saved = matches!(within(LAST_WRITE, running).await, Ok(Ok(Ok(()))));
        if is_saved {
            self.dispatcher.queues().iter().for_each(|queue| queue.leave());
        }
        is_saved
    }

    fn saved(&self) -> Saved {
        let queues = self.dispatcher.queues().iter();
        Saved {
            version: VERSION,
            service: self.service.clone(),
            firing: self.lock().firing.iter().cloned().map(SavedAlert).collect(),
            groups: self.reports.saved(),
            notifiers: queues.map(|queue| SavedNotifier::of(queue)).collect(),
            controls: self.suppressor.saved(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs the first of several failures in a row, and the recovery.
    fn log(&self, written: &io::Result<()>) {
        let path = self.path.display();
        let was_failing = self.is_failing.swap(written.is_err(), Ordering::Relaxed);
        logged(|| match written {
            Err(error) if !was_failing => tracing::error!(
                %path,
                reason = %error,
                "the state file cannot be written, so a restart would lose its alerts: the write is retried"
            ),
            Err(error) => {
                tracing::debug!(%path, reason = %error, "the state file cannot be written")
            }
            Ok(()) if was_failing => tracing::info!(%path, "the state file is written again"),
            Ok(()) => {}
        });
    }
}
