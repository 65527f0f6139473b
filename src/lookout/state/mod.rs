//! What survives a restart: alerts that fire, kinds of failures that are told, and what is not
//! delivered yet, in a file that is written anew when any of it has changed.

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
    report::{Reports, SavedKind},
    task::{BlockingThread, supervised},
};

/// The file's content, of one service.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Saved {
    version: u32,
    service: String,
    firing: Vec<SavedAlert>,
    kinds: Vec<SavedKind>,
    notifiers: Vec<SavedNotifier>,
}

impl Saved {
    /// Leaves out the details of reports.
    fn shorten(&mut self) {
        self.kinds.iter_mut().for_each(SavedKind::shorten);
        self.queues().for_each(SavedQueue::shorten);
    }

    fn queues(&mut self) -> impl Iterator<Item = &mut SavedQueue> {
        self.notifiers.iter_mut().filter_map(|notifier| notifier.queue.as_mut())
    }

    /// Leaves out half of the longest list; gives how many alerts that is.
    fn halve(&mut self) -> usize {
        let kinds = self.kinds.len();
        let longest = self.queues().max_by_key(|mailbox| mailbox.longest());
        match longest.filter(|mailbox| mailbox.longest() >= kinds) {
            Some(mailbox) => mailbox.halve(),
            None => {
                self.kinds.truncate(kinds / 2);
                kinds - kinds / 2
            }
        }
    }
}

/// What this version writes and reads.
const VERSION: u32 = 2;

/// How long the last write may take, after all that was delivered.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// How soon a write that failed is retried, if nothing changes meanwhile.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Keeps the file: one write at a time, on a thread of its own, and always of the newest.
pub(super) struct StateKeeper {
    path: PathBuf,
    service: String,
    reports: Arc<Reports>,
    dispatcher: Arc<Dispatcher>,
    /// The alerts that fired at the last tick, and how many kinds of failures there were.
    seen: Mutex<Seen>,
    changed: Arc<Notify>,
    is_closing: AtomicBool,
    is_failing: AtomicBool,
    thread: BlockingThread,
}

#[derive(Default)]
struct Seen {
    firing: Vec<Alert>,
    kinds: (usize, usize),
    /// Reports that are counted and not told, at the last of the ticks that look for them.
    untold: u64,
    ticks: u64,
}

/// How many ticks are from one look at the reports that repeat to the next, since in an error loop they
/// change with each.
const TICKS_TO_REPEATS: u64 = 10;

impl StateKeeper {
    pub(super) fn new(
        path: PathBuf,
        service: String,
        reports: Arc<Reports>,
        dispatcher: Arc<Dispatcher>,
    ) -> Self {
        let changed = Arc::new(Notify::new());
        for mailbox in dispatcher.mailboxes() {
            mailbox.keep_by(Arc::clone(&changed));
        }
        Self {
            path,
            service,
            reports,
            dispatcher,
            seen: Mutex::default(),
            changed,
            is_closing: AtomicBool::new(false),
            is_failing: AtomicBool::new(false),
            thread: BlockingThread::new("lookout-state"),
        }
    }

    /// Takes over what an earlier process has left. What can't be read is set aside, and nothing is
    /// taken over.
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
        let Saved { firing, kinds, notifiers, .. } = saved.unwrap_or_default();
        notifiers::restore(notifiers, self.dispatcher.mailboxes());
        self.reports.restore(kinds);
        let firing = firing.into_iter().map(|SavedAlert(alert)| alert).collect();
        let gone = evaluator.restore(firing, operations, naming, SystemTime::now());
        let told: Vec<_> = evaluator.firing().cloned().chain(self.reports.told()).collect();
        for mailbox in self.dispatcher.mailboxes() {
            mailbox.restore_told(&told);
        }
        gone.into_iter().for_each(|alert| self.dispatcher.put(alert));
        self.lock().firing = evaluator.firing().cloned().collect();
    }

    /// Compares, at a tick, the alerts and reports with those of the last one. The requests of an alert change
    /// at each tick, and are written with the next other change.
    pub(super) fn note<'a>(&self, firing: impl Iterator<Item = &'a Alert>) {
        let mut seen = self.lock();
        let ticks = seen.ticks + 1;
        let untold = if ticks.is_multiple_of(TICKS_TO_REPEATS) {
            self.reports.untold()
        } else {
            seen.untold
        };
        let kinds = self.reports.kinds();
        let now = Seen { firing: firing.cloned().collect(), kinds, untold, ticks };
        let has_changed = now.untold != seen.untold
            || now.kinds != seen.kinds
            || now.firing.len() != seen.firing.len()
            || !now.firing.iter().zip(&seen.firing).all(|(one, other)| is_same_in_file(one, other));
        *seen = now;
        drop(seen);
        if has_changed {
            self.changed.notify_one();
        }
    }

    /// Starts the thread that writes: at the start of the lookout, since later the system may have no thread
    /// left.
    pub(super) fn start_thread(&self) -> io::Result<()> {
        self.thread.start()
    }

    /// Writes the file at once, and after each change, until it is closed. Returns the result of the last
    /// write.
    pub(super) async fn run(mut self: Arc<Self>) -> io::Result<()> {
        supervised("the writer of the state", &mut self, async |keeper: &mut Arc<Self>| {
            keeper.write_changes().await
        })
        .await
    }

    async fn write_changes(&self) -> io::Result<()> {
        loop {
            // Read first: a change from here on is written by the next round.
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

    /// Writes a last time; gives whether what was not delivered is saved now.
    pub(super) async fn close(&self, running: JoinHandle<io::Result<()>>) -> bool {
        self.is_closing.store(true, Ordering::Release);
        self.changed.notify_one();
        let is_saved = matches!(within(LAST_WRITE, running).await, Ok(Ok(Ok(()))));
        if is_saved {
            self.dispatcher.mailboxes().iter().for_each(|mailbox| mailbox.leave());
        }
        is_saved
    }

    fn saved(&self) -> Saved {
        let mailboxes = self.dispatcher.mailboxes().iter();
        Saved {
            version: VERSION,
            service: self.service.clone(),
            firing: self.lock().firing.iter().cloned().map(SavedAlert).collect(),
            kinds: self.reports.saved(),
            notifiers: mailboxes.map(|mailbox| SavedNotifier::of(mailbox)).collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs the first failure of several, and the end of them.
    fn log(&self, written: &io::Result<()>) {
        let path = self.path.display();
        let was_failing = self.is_failing.swap(written.is_err(), Ordering::Relaxed);
        logged(|| match written {
            Err(error) if !was_failing => tracing::error!(
                %path,
                reason = %error,
                "the state can't be written, so a restart forgets it: the write is retried"
            ),
            Err(error) => tracing::debug!(%path, reason = %error, "the state can't be written"),
            Ok(()) if was_failing => tracing::info!(%path, "the state is written again"),
            Ok(()) => {}
        });
    }
}
