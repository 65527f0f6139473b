use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    alert::{Alert, Notice, Origin},
    notify::NotifierQueue,
};

/// Sends the watchdog alert to a receiver at an interval. The tick sends it, so that it stops if the
/// ticks stop.
#[derive(Debug)]
pub(super) struct Heartbeat {
    every: Duration,
    mailbox: Arc<NotifierQueue>,
    watchdog: Alert,
    /// On the clock of the ticks.
    due: Duration,
}

impl Heartbeat {
    pub(super) fn new(every: Duration, mailbox: Arc<NotifierQueue>, origin: &Arc<Origin>) -> Self {
        let watchdog = Alert::notice_at(Notice::Watchdog, SystemTime::now(), Arc::clone(origin));
        Self { every, mailbox, watchdog, due: Duration::ZERO }
    }

    pub(super) fn tick(&mut self, now: Duration) {
        if now >= self.due {
            self.due = now.saturating_add(self.every);
            self.mailbox.put(self.watchdog.clone());
        }
    }

    pub(super) fn mailbox(&self) -> &Arc<NotifierQueue> {
        &self.mailbox
    }
}
