use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::watch;

use super::{
    Snapshot,
    rule_gauges::RuleGauges,
    target_status::{TargetRef, updated},
};
use crate::{
    alert::{Evaluator, Origin},
    collect::Collector,
    notify::Dispatcher,
    report::Reports,
    suppress::Suppressor,
    window::SECONDS,
};

/// Publishes a snapshot at each tick, and sets the gauges of the rules.
pub(crate) struct Publisher {
    channel: watch::Sender<Arc<Snapshot>>,
    gauges: RuleGauges,
    reports: Arc<Reports>,
    dispatcher: Arc<Dispatcher>,
    suppressor: Arc<Suppressor>,
}

impl Publisher {
    /// Publishes a first snapshot before any tick, and returns the channel for readers.
    pub(crate) fn new(
        evaluator: &Evaluator,
        collector: &Collector,
        reports: Arc<Reports>,
        dispatcher: Arc<Dispatcher>,
        suppressor: Arc<Suppressor>,
    ) -> (Self, watch::Receiver<Arc<Snapshot>>) {
        let empty = Snapshot::empty(Arc::clone(evaluator.origin()));
        let (channel, readers) = watch::channel(Arc::new(empty));
        let gauges = RuleGauges::default();
        let publisher = Self { channel, gauges, reports, dispatcher, suppressor };
        publisher.channel.send_replace(publisher.next(evaluator, collector, SystemTime::now()));
        (publisher, readers)
    }

    /// Publishes the state after a tick, or after the rules were replaced.
    pub(crate) fn publish(&mut self, evaluator: &Evaluator, collector: &Collector, at: SystemTime) {
        let snapshot = self.next(evaluator, collector, at);
        self.gauges.set(&snapshot.rules, &collector.facade);
        self.channel.send_replace(snapshot);
    }

    #[cfg(test)]
    pub(super) fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.channel.borrow())
    }

    #[cfg(test)]
    pub(super) fn reports(&self) -> Arc<Reports> {
        Arc::clone(&self.reports)
    }

    /// Builds the next snapshot. It shares unchanged parts with the previous one.
    fn next(&self, evaluator: &Evaluator, collector: &Collector, at: SystemTime) -> Arc<Snapshot> {
        let previous = Arc::clone(&self.channel.borrow());
        let (timeline, bounds) = (collector.timeline(), collector.bounds());
        let targets = evaluator.targets().enumerate();
        let scopes =
            targets.map(|(group, target)| (TargetRef::Scope(target), collector.group(group)));
        // Every lookout has operations for the overflow: omit those without requests.
        let operations = collector.operations().filter(|(operation, figures)| {
            !operation.is_overflow() || figures.history.totals().requests() > 0
        });
        let operations =
            operations.map(|(operation, figures)| (TargetRef::Operation(operation), figures));
        let mut alerts: Vec<_> = evaluator.firing().cloned().chain(self.reports.firing()).collect();
        self.suppressor.annotate(&mut alerts);
        Arc::new(Snapshot {
            origin: Arc::clone(&previous.origin),
            at,
            uptime: timeline.now(),
            has_recorder: collector.facade.has_recorder(),
            rules: shared(&previous.rules, evaluator.statuses(collector)),
            window: collector.group(0).history.window(timeline, SECONDS).elapsed(),
            scopes: updated(&previous.scopes, scopes, timeline, bounds),
            operations: updated(&previous.operations, operations, timeline, bounds),
            alerts: shared(&previous.alerts, alerts),
            silences: shared(&previous.silences, self.suppressor.silences()),
            notifiers: shared(&previous.notifiers, self.dispatcher.statuses()),
        })
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}

impl Snapshot {
    fn empty(origin: Arc<Origin>) -> Self {
        Self {
            origin,
            at: SystemTime::UNIX_EPOCH,
            uptime: Duration::ZERO,
            has_recorder: false,
            rules: Arc::default(),
            window: Duration::ZERO,
            scopes: Arc::default(),
            operations: Arc::default(),
            alerts: Arc::default(),
            silences: Arc::default(),
            notifiers: Arc::default(),
        }
    }
}

/// Returns the previous list if the current one is equal.
fn shared<T: PartialEq>(previous: &Arc<[T]>, current: Vec<T>) -> Arc<[T]> {
    if **previous == *current { Arc::clone(previous) } else { current.into() }
}
