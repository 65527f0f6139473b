//! The panic hook that reports the panics of a process.

use std::{
    cell::Cell,
    panic::{self, PanicHookInfo},
    sync::{Arc, OnceLock, Weak, atomic::Ordering},
};

use super::{CallSite, Reporter, panic_queue::Panicked, reporter::Reports};
use crate::catch_panic::Panic;

thread_local! {
    /// Whether this thread polls a supervised task. Its panics are reported as its end.
    static IS_SUPERVISED: Cell<bool> = const { Cell::new(false) };
    /// The last panic of a supervised task, until it is reported.
    static UNREPORTED: Cell<Option<Panicked>> = const { Cell::new(None) };
}

/// A lookout that reports panics. The list only grows, so the hook reads it without a lock.
struct Listener {
    reports: Weak<Reports>,
    next: Listeners,
}

type Listeners = OnceLock<Box<Listener>>;

static LISTENERS: Listeners = OnceLock::new();

impl Listener {
    fn add(reports: Weak<Reports>) {
        let mut listener = Box::new(Self { reports, next: OnceLock::new() });
        let mut end = &LISTENERS;
        let mut is_first = true;
        while let Err(returned) = end.set(listener) {
            listener = returned;
            is_first = false;
            match end.get() {
                Some(other) => end = &other.next,
                // `set` fails only if a listener is there.
                None => return,
            }
        }
        if is_first {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                before(info);
                queue_panic(info);
            }));
        }
    }

    fn all() -> impl Iterator<Item = &'static Self> {
        std::iter::successors(LISTENERS.get(), |listener| listener.next.get()).map(Box::as_ref)
    }
}

fn queue_panic(info: &PanicHookInfo<'_>) {
    if super::is_own_thread() {
        return;
    }
    // The thread may have destroyed its thread-locals.
    let is_supervised = IS_SUPERVISED.try_with(Cell::get).unwrap_or(false);
    let panicked = Panicked::of(info);
    let mut to_report = Some(panicked);
    if is_supervised {
        // The task may have caught its earlier panic, which is still to be reported.
        let earlier = UNREPORTED.try_with(|unreported| unreported.replace(to_report.take()));
        to_report = earlier.unwrap_or(to_report);
    }
    let Some(panicked) = to_report else { return };
    for reports in Listener::all().filter_map(|listener| listener.reports.upgrade()) {
        reports.panics.push(panicked.clone());
        reports.is_new.notify_one();
    }
}

impl Reporter {
    /// Reports each panic of the process from now on, as an alert `Panic`.
    ///
    /// The report contains the message, the source location and the thread. It covers handlers,
    /// detached tasks and threads. Without this call, only panics of [supervised](Self::supervise)
    /// tasks are reported. A second call on the same lookout has no effect.
    ///
    /// The first call in a process sets a [panic hook](panic::set_hook), which calls the previous
    /// hook. A panicking thread never waits for a lock of the lookout. Up to 1,000 panics wait with
    /// their messages for the lookout's thread; an alert `Panic` at `several locations` counts any
    /// further ones. The panic of a supervised task is reported once, as the end of that task.
    /// Panics on the lookout's own thread, such as those of a notifier, are logged and not
    /// reported. With `panic = "abort"` the process ends before the lookout can send an alert.
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

    /// Whether this lookout reports panics.
    #[cfg(feature = "tracing-layer")]
    pub(super) fn reports_panics(&self) -> bool {
        self.reports.panics.is_hooked.load(Ordering::Relaxed)
    }

    /// Polls a supervised task. If the hook is set, a panic is returned with its source location.
    pub(super) fn polling<R>(
        &self,
        poll: impl FnOnce() -> Result<R, Panic>,
    ) -> Result<R, (Panic, Option<CallSite>)> {
        let before = IS_SUPERVISED.replace(true);
        let polled = poll();
        IS_SUPERVISED.set(before);
        let seen = UNREPORTED.take();
        match (polled, seen) {
            (Err(panic), seen) => Err((panic, seen.map(|seen| seen.location))),
            (Ok(polled), caught) => {
                // The task caught the panic and continues, so nothing else reports it.
                if let Some(caught) = caught {
                    self.send(caught.into_report());
                }
                Ok(polled)
            }
        }
    }
}
