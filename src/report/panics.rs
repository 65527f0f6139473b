use std::{
    cell::Cell,
    panic::{self, PanicHookInfo},
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};

use super::{CallSite, Report, Reporter, reporter::Reports};
use crate::{
    catch_panic::{Panic, panic_message},
    causes::bounded,
};

/// How many panics wait for the lookout's thread; further ones are only counted.
const MOST_WAITING: usize = 1_000;

/// The name of the alert.
const NAME: &str = "Panic";

thread_local! {
    /// A task is polled here whose panics are reported as its end.
    static IS_SUPERVISED: Cell<bool> = const { Cell::new(false) };
    /// The last panic of such a task that nobody has told yet.
    static UNTOLD: Cell<Option<Panicked>> = const { Cell::new(None) };
}

/// A panic as its hook sees it.
#[derive(Clone, Debug)]
pub(super) struct Panicked {
    message: String,
    place: CallSite,
    thread: String,
}

impl Panicked {
    fn of(info: &PanicHookInfo<'_>) -> Self {
        let message = panic_message(info.payload());
        let place = info.location().map_or_else(CallSite::unknown, |location| {
            CallSite::new(location.file().to_owned(), location.line())
        });
        let thread = bounded(thread::current().name().unwrap_or("unnamed"));
        Self { message: bounded(message), place, thread }
    }

    fn into_report(self) -> Report {
        Report::new(NAME, self.message).at(self.place).field("thread", self.thread)
    }
}

/// The way of panics to the lookout's thread: whoever panics waits for nobody.
#[derive(Debug)]
pub(super) struct Panics {
    sender: Sender<Panicked>,
    missed: AtomicU64,
    is_hooked: AtomicBool,
}

impl Panics {
    pub(super) fn new() -> (Self, Receiver<Panicked>) {
        let (sender, receiver) = channel(MOST_WAITING);
        let panics = Self { sender, missed: AtomicU64::new(0), is_hooked: AtomicBool::new(false) };
        (panics, receiver)
    }

    fn hand_over(&self, panicked: Panicked) {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(panicked) {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The panics that waited, and one report for all that were only counted.
    pub(super) fn reports(&self, receiver: &mut Receiver<Panicked>) -> Vec<Report> {
        let mut reports = Vec::new();
        while let Ok(panicked) = receiver.try_recv() {
            reports.push(panicked.into_report());
        }
        let missed = self.missed.swap(0, Ordering::Relaxed);
        if missed > 0 {
            let text = "too many panics at once to keep their messages";
            reports.push(Report::new(NAME, text).at(CallSite::unknown()).times(missed));
        }
        reports
    }
}

/// A lookout that is told of panics: a list that only grows, so that the hook reads it without a lock.
struct Listener {
    reports: Weak<Reports>,
    next: Listeners,
}

type Listeners = OnceLock<Box<Listener>>;

static LISTENERS: Listeners = OnceLock::new();

impl Listener {
    fn add(reports: Weak<Reports>) {
        let mut listener = Box::new(Self { reports, next: OnceLock::new() });
        let mut place = &LISTENERS;
        let mut is_first = true;
        while let Err(refused) = place.set(listener) {
            listener = refused;
            is_first = false;
            match place.get() {
                Some(taken) => place = &taken.next,
                // It was refused because it is taken.
                None => return,
            }
        }
        if is_first {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                before(info);
                hear(info);
            }));
        }
    }

    fn all() -> impl Iterator<Item = &'static Self> {
        std::iter::successors(LISTENERS.get(), |listener| listener.next.get()).map(Box::as_ref)
    }
}

fn hear(info: &PanicHookInfo<'_>) {
    if super::is_own_thread() {
        return;
    }
    // Its thread may be past its locals.
    let is_supervised = IS_SUPERVISED.try_with(Cell::get).unwrap_or(false);
    let panicked = Panicked::of(info);
    let mut to_report = Some(panicked);
    if is_supervised {
        // It may be caught within the task, which then goes on.
        let earlier = UNTOLD.try_with(|untold| untold.replace(to_report.take()));
        to_report = earlier.unwrap_or(to_report);
    }
    let Some(panicked) = to_report else { return };
    for reports in Listener::all().filter_map(|listener| listener.reports.upgrade()) {
        reports.panics.hand_over(panicked.clone());
        reports.is_new.notify_one();
    }
}

impl Reporter {
    /// Reports each panic of the process from now on, as `Panic` with its message, its place in the code
    /// and its thread: those of handlers, of tasks that nobody joins, and of threads. Defaults to none
    /// but those of [supervised](Self::supervise) tasks.
    ///
    /// The first call in a process sets a [panic hook](panic::set_hook), which calls the one that was set
    /// before. The thread that panics waits for no lock of the lookout. Up to 1,000 panics wait for the
    /// lookout's thread with their messages; further ones are counted by an alert `Panic` of `several places`. A supervised task's panic is told once, as the end of that task, and with its
    /// place. Panics of the lookout's own thread, such as a notifier's, are logged and not reported.
    ///
    /// Of the same lookout a second call does nothing. With `panic = "abort"` the process has ended before anybody is told.
    ///
    /// # Examples
    ///
    /// ```
    /// let lookout = tower_lookout::Lookout::builder().service("orders").start()?;
    /// lookout.reporter().report_panics();
    /// # Ok::<_, tower_lookout::StartError>(())
    /// ```
    pub fn report_panics(&self) {
        if !self.reports.panics.is_hooked.swap(true, Ordering::Relaxed) {
            Listener::add(Arc::downgrade(&self.reports));
        }
    }

    /// Whether panics are reported.
    #[cfg(feature = "tracing-layer")]
    pub(super) fn reports_panics(&self) -> bool {
        self.reports.panics.is_hooked.load(Ordering::Relaxed)
    }

    /// Polls a supervised task; gives where it panicked, too, as far as a hook has seen it.
    pub(super) fn polling<R>(
        &self,
        poll: impl FnOnce() -> Result<R, Panic>,
    ) -> Result<R, (Panic, Option<CallSite>)> {
        let before = IS_SUPERVISED.replace(true);
        let polled = poll();
        IS_SUPERVISED.set(before);
        let seen = UNTOLD.take();
        match (polled, seen) {
            (Err(panic), seen) => Err((panic, seen.map(|seen| seen.place))),
            (Ok(polled), caught) => {
                // The task goes on, and is not the one to tell of it.
                if let Some(caught) = caught {
                    self.send(caught.into_report());
                }
                Ok(polled)
            }
        }
    }
}
