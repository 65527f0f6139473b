use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use metrics::Label;

#[cfg(feature = "state")]
use super::SavedControls;
use super::{
    ControlError, Inhibition, Silence, SilenceStatus,
    state::{Source, State},
};
use crate::{
    alert::{Alert, SuppressionKind},
    collect::Export,
    facade::{ACKNOWLEDGED, Counter, Facade, Gauge, SILENCES, SUPPRESSED},
    notify::Dispatcher,
};

/// Stands before the dispatcher: sends the changes that no control suppresses.
#[derive(Debug)]
pub(crate) struct Suppressor {
    state: Mutex<State>,
    dispatcher: Arc<Dispatcher>,
    series: Mutex<Series>,
    /// Notified when the state to be saved changes.
    #[cfg(feature = "state")]
    keeper: std::sync::OnceLock<Arc<tokio::sync::Notify>>,
}

#[derive(Debug)]
struct Series {
    suppressed: [Counter; SuppressionKind::ALL.len()],
    silences: Gauge,
    acknowledged: Gauge,
}

impl Suppressor {
    pub(crate) fn new(dispatcher: Arc<Dispatcher>) -> Self {
        let counter = |kind: SuppressionKind| {
            Counter::new(SUPPRESSED, vec![Label::from_static_parts("reason", kind.as_str())])
        };
        Self {
            state: Mutex::default(),
            dispatcher,
            series: Mutex::new(Series {
                suppressed: SuppressionKind::ALL.map(counter),
                silences: Gauge::new(SILENCES, Vec::new()),
                acknowledged: Gauge::new(ACKNOWLEDGED, Vec::new()),
            }),
            #[cfg(feature = "state")]
            keeper: std::sync::OnceLock::new(),
        }
    }

    /// Replaces the silences and the inhibitions of the builder or of the file.
    pub(crate) fn configure(
        &self,
        is_file: bool,
        silences: Vec<Silence>,
        inhibitions: Vec<Inhibition>,
    ) -> Result<(), ControlError> {
        let source = if is_file { Source::File } else { Source::Builder };
        self.with(|state| state.configure(source, silences, inhibitions, SystemTime::now()))
    }

    /// Suppresses the alerts of rules for this time after the start.
    pub(crate) fn quiet(&self, since: SystemTime, duration: Duration) {
        self.with(|state| state.quiet(since, duration));
    }

    pub(crate) fn silence(&self, silence: Silence) -> Result<u64, ControlError> {
        self.with(|state| state.silence(silence, Source::Handle, SystemTime::now()))
    }

    pub(crate) fn end_silence(&self, id: u64, by: &str) -> Result<(), ControlError> {
        self.with(|state| state.end_silence(id, by))
    }

    pub(crate) fn acknowledge(
        &self,
        alert: &Alert,
        by: &str,
        reason: &str,
    ) -> Result<(), ControlError> {
        self.with(|state| state.acknowledge(alert, by, reason, SystemTime::now()))
    }

    /// Returns the changes to send. `firing` returns all firing alerts after these changes; it is
    /// called only if a control exists.
    pub(crate) fn filter(
        &self,
        changes: Vec<Alert>,
        firing: impl FnOnce() -> Vec<Alert>,
        now: SystemTime,
    ) -> Vec<Alert> {
        if self.lock().is_idle() {
            return changes;
        }
        let firing = firing();
        self.with(|state| state.filter(changes, &firing, now))
    }

    /// The silences that have not ended.
    pub(crate) fn silences(&self) -> Vec<SilenceStatus> {
        self.lock().silences.iter().map(|silence| silence.status.clone()).collect()
    }

    /// Adds to each firing alert whether it is suppressed or acknowledged.
    pub(crate) fn annotate(&self, alerts: &mut [Alert]) {
        let state = self.lock();
        if state.alerts.is_empty() {
            return;
        }
        for alert in alerts {
            if let Some(entry) = state.alerts.get(&alert.fingerprint()) {
                entry.annotate(alert);
                alert.suppressed = alert.suppressed.take().filter(|by| by.ended_at.is_none());
            }
        }
    }

    /// Logs the alerts that are suppressed and were not sent, at the end of the lookout.
    pub(crate) fn give_up(&self) {
        self.lock().give_up();
    }

    /// Changes the state, and passes the effects on.
    fn with<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let before = state.muted();
        let result = change(&mut state);
        let muted = state.muted();
        let has_changed = std::mem::take(&mut state.has_changed);
        if muted != before {
            self.mute(muted);
        }
        drop(state);
        if has_changed {
            self.touch();
        }
        result
    }

    fn mute(&self, muted: HashSet<u64>) {
        let muted = Arc::new(muted);
        self.dispatcher.queues().iter().for_each(|queue| queue.mute_repeats(Arc::clone(&muted)));
    }

    /// Requests a save of the state.
    fn touch(&self) {
        #[cfg(feature = "state")]
        if let Some(keeper) = self.keeper.get() {
            keeper.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state file.
#[cfg(feature = "state")]
impl Suppressor {
    /// Sets the `Notify` that is woken when the state to be saved changes.
    pub(crate) fn keep_by(&self, keeper: Arc<tokio::sync::Notify>) {
        // Called once, when the lookout starts.
        let _ = self.keeper.set(keeper);
    }

    pub(crate) fn saved(&self) -> SavedControls {
        self.lock().saved()
    }

    /// Restores the controls of the previous process.
    pub(crate) fn restore(&self, saved: SavedControls) {
        self.with(|state| state.restore(saved, SystemTime::now()));
    }

    /// Whether no notifier got this firing alert.
    pub(crate) fn is_unsent(&self, alert: &Alert) -> bool {
        let state = self.lock();
        state.alerts.get(&alert.fingerprint()).is_some_and(|entry| !entry.was_sent)
    }
}

impl Export for Suppressor {
    fn export(&self, facade: &Facade) {
        let (totals, silences, acknowledged) = {
            let state = self.lock();
            let now = SystemTime::now();
            let silences = state.silences.iter().filter(|silence| silence.status.is_active(now));
            let entries = state.alerts.values();
            let acknowledged = entries.filter(|entry| entry.acknowledged.is_some()).count();
            (state.suppressed, silences.count(), acknowledged)
        };
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        for (counter, total) in series.suppressed.iter_mut().zip(totals) {
            counter.set(facade, total);
        }
        series.silences.set(facade, silences as f64);
        series.acknowledged.set(facade, acknowledged as f64);
    }
}
