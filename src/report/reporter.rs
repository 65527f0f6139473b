use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use metrics::{Label, SharedString};
use tokio::sync::{Notify, mpsc::Receiver};

#[cfg(feature = "state")]
use super::SavedGroup;
use super::{
    CallSite, Report, ReportableError,
    ledger::{Ledger, MAX_GROUPS, OVERFLOW},
    panic_queue::{PanicQueue, Panicked},
};
use crate::{
    alert::{Alert, Origin},
    catch_panic::logged,
    collect::Export,
    facade::{Counter, Facade, REPORTS},
    series::Store,
};

/// Reports failures in business code and background tasks that no error ratio shows. See the
/// [guide](crate::guide::errors). It is cheap to clone.
///
/// A call takes a lock for a few hundred nanoseconds, on any thread, with or without a runtime. The
/// lookout's own thread sends the alert. After the lookout has ended, a report is only logged.
#[doc(alias("sentry", "bugsnag"))]
#[derive(Clone)]
pub struct Reporter {
    pub(super) reports: Arc<Reports>,
}

impl Reporter {
    pub(crate) fn new(reports: Arc<Reports>) -> Self {
        Self { reports }
    }

    /// Reports an error with its causes, under the name of its type; see [`Report::of`].
    #[track_caller]
    pub fn report<K>(&self, error: &(impl ReportableError<K> + ?Sized)) {
        self.send(Report::of(error));
    }

    /// Sends a report.
    pub fn send(&self, report: Report) {
        self.reports.record(report);
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter").finish_non_exhaustive()
    }
}

/// Collects reports for the lookout's thread.
pub(crate) struct Reports {
    inner: Mutex<Inner>,
    /// Has its own lock, since a recorder may be slow, or may report its own failure.
    counters: Mutex<HashMap<CountKey, Counter>>,
    pub(super) panics: PanicQueue,
    /// Notified when a report belongs to a group without an alert.
    pub(super) is_new: Notify,
    store: Arc<Store>,
    origin: Arc<Origin>,
}

struct Inner {
    ledger: Ledger,
    panicked: Receiver<Panicked>,
    counts: HashMap<CountKey, u64>,
    is_closed: bool,
}

/// Name and severity.
type CountKey = (Arc<str>, &'static str);

impl Reports {
    pub(crate) fn new(store: Arc<Store>, origin: Arc<Origin>) -> Self {
        let (panics, panicked) = PanicQueue::new();
        let inner =
            Inner { ledger: Ledger::default(), panicked, counts: HashMap::new(), is_closed: false };
        let (inner, counters) = (Mutex::new(inner), Mutex::default());
        Self { inner, counters, panics, is_new: Notify::new(), store, origin }
    }

    fn record(&self, report: Report) {
        let mut inner = self.lock();
        if inner.is_closed {
            drop(inner);
            logged(|| {
                tracing::error!(
                    ?report,
                    "a report arrived after the lookout ended: no alert is sent"
                );
            });
            return;
        }
        let is_new = inner.record(report, self.store.elapsed());
        drop(inner);
        if is_new {
            self.is_new.notify_one();
        }
    }

    /// Waits for the first report of a group.
    pub(crate) async fn wait_for_new_group(&self) {
        self.is_new.notified().await;
    }

    /// The alerts that are due. Called each tick, and after
    /// [`wait_for_new_group`](Self::wait_for_new_group).
    pub(crate) fn changes(&self) -> Vec<Alert> {
        let mut inner = self.lock();
        self.record_panics(&mut inner);
        inner.ledger.changes(self.store.elapsed(), SystemTime::now(), &self.origin)
    }

    /// Rejects further reports, and returns the alerts of all unsent reports.
    pub(crate) fn close(&self) -> Vec<Alert> {
        let mut inner = self.lock();
        inner.panicked.close();
        self.record_panics(&mut inner);
        inner.is_closed = true;
        inner.ledger.close(self.store.elapsed(), &self.origin)
    }

    /// Records that a supervised task runs again.
    pub(super) fn task_resumed(&self, name: &str, site: &CallSite) {
        self.lock().ledger.task_resumed(name, site);
    }

    fn record_panics(&self, inner: &mut Inner) {
        for report in self.panics.reports(&mut inner.panicked) {
            inner.record(report, self.store.elapsed());
        }
    }

    /// The groups for the state file.
    #[cfg(feature = "state")]
    pub(crate) fn saved(&self) -> Vec<SavedGroup> {
        self.lock().ledger.saved(&self.origin)
    }

    /// The number of groups, and of those without an alert yet.
    #[cfg(feature = "state")]
    pub(crate) fn group_counts(&self) -> (usize, usize) {
        self.lock().ledger.group_counts()
    }

    /// The number of reports that no alert contains yet.
    #[cfg(feature = "state")]
    pub(crate) fn unsent(&self) -> u64 {
        self.lock().ledger.unsent()
    }

    /// Restores the groups that an earlier process saved.
    #[cfg(feature = "state")]
    pub(crate) fn restore(&self, saved: Vec<SavedGroup>) {
        self.lock().ledger.restore(saved);
    }

    /// The firing alerts.
    pub(crate) fn firing(&self) -> Vec<Alert> {
        self.lock().ledger.firing(&self.origin)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Returns whether the report needs an alert at once.
    fn record(&mut self, report: Report, now: Duration) -> bool {
        self.count(&report);
        self.ledger.record(report, now, SystemTime::now())
    }

    fn count(&mut self, report: &Report) {
        let severity = report.severity.as_str();
        let mut key = (Arc::from(&*report.name), severity);
        if !self.counts.contains_key(&key) && self.counts.len() >= MAX_GROUPS {
            key.0 = OVERFLOW.into();
        }
        let count = self.counts.entry(key).or_default();
        *count = count.saturating_add(report.count);
    }
}

impl Export for Reports {
    fn export(&self, facade: &Facade) {
        let counts: Vec<_> =
            self.lock().counts.iter().map(|(key, total)| (key.clone(), *total)).collect();
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, total) in counts {
            let counter = counters.entry(key).or_insert_with_key(|(name, severity)| {
                let name = SharedString::from_shared(Arc::clone(name));
                let severity = Label::from_static_parts("severity", severity);
                Counter::new(REPORTS, vec![Label::new("report", name), severity])
            });
            counter.set(facade, total);
        }
    }
}
