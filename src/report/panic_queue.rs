//! The queue of panics from the hook to the lookout's thread.

use std::{
    panic::PanicHookInfo,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};

use super::{CallSite, Report};
use crate::{catch_panic::panic_message, causes::bounded};

/// The maximum number of panics in the queue; further ones are only counted.
const MAX_QUEUED: usize = 1_000;

/// The name of the alert.
const NAME: &str = "Panic";

/// A panic, with the details that the panic hook gets.
#[derive(Clone, Debug)]
pub(super) struct Panicked {
    message: String,
    pub(super) location: CallSite,
    thread: String,
}

impl Panicked {
    pub(super) fn of(info: &PanicHookInfo<'_>) -> Self {
        let message = panic_message(info.payload());
        let location = info.location().map_or_else(CallSite::unknown, |location| {
            CallSite::new(location.file().to_owned(), location.line())
        });
        let thread = bounded(thread::current().name().unwrap_or("unnamed"));
        Self { message: bounded(message), location, thread }
    }

    pub(super) fn into_report(self) -> Report {
        Report::new(NAME, self.message).at(self.location).field("thread", self.thread)
    }
}

/// A bounded queue to the lookout's thread. A panicking thread never waits for it.
#[derive(Debug)]
pub(super) struct PanicQueue {
    sender: Sender<Panicked>,
    missed: AtomicU64,
    pub(super) is_hooked: AtomicBool,
}

impl PanicQueue {
    pub(super) fn new() -> (Self, Receiver<Panicked>) {
        let (sender, receiver) = channel(MAX_QUEUED);
        let panics = Self { sender, missed: AtomicU64::new(0), is_hooked: AtomicBool::new(false) };
        (panics, receiver)
    }

    pub(super) fn push(&self, panicked: Panicked) {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(panicked) {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One report per queued panic, and one for all panics that were only counted.
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
