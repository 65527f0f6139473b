use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    alert::{Alert, Notice, Origin},
    notify::NotifierQueue,
};

/// Sends the watchdog alert to a receiver at an interval. The tick sends it, so that it stops if
/// the ticks stop.
#[derive(Debug)]
pub(super) struct Heartbeat {
    every: Duration,
    queue: Arc<NotifierQueue>,
    watchdog: Alert,
    /// The time of the next beat on the tick's clock.
    due: Duration,
}

impl Heartbeat {
    pub(super) fn new(every: Duration, queue: Arc<NotifierQueue>, origin: &Arc<Origin>) -> Self {
        let watchdog = Alert::notice_at(Notice::Watchdog, SystemTime::now(), Arc::clone(origin));
        Self { every, queue, watchdog, due: Duration::ZERO }
    }

    pub(super) fn tick(&mut self, now: Duration) {
        if now >= self.due {
            self.due = now.saturating_add(self.every);
            self.queue.put(self.watchdog.clone());
        }
    }

    pub(super) fn queue(&self) -> &Arc<NotifierQueue> {
        &self.queue
    }
}
