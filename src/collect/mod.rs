//! Sums the shards at each tick and scrape, and exports the new counts to the facade and the
//! windows.

mod figures;
mod live;
mod operation;
mod series;

use std::{fmt, mem, sync::Arc, time::Duration};

#[cfg(feature = "prometheus")]
pub(crate) use self::live::export_all;
use self::operation::{CollectContext, Collected};
pub(crate) use self::{
    figures::Figures,
    live::{SharedCollector, share},
};
use crate::{
    catch_panic::logged,
    facade::{Counter, Facade, Gauge, Histogram, MEMORY, OVERFLOWED, THROUGHPUT},
    operation::Operation,
    series::{Bounds, Classifier, Store},
    window::Timeline,
};

/// Decides whether an operation belongs to a group.
pub(crate) type Member = Box<dyn Fn(&Operation) -> bool + Send>;

/// The metrics of another module, exported together with the collector's.
pub(crate) trait Export: Send + Sync {
    /// Exports the current counts to the facade.
    fn export(&self, facade: &Facade);
}

/// Reads the cells of all shards, and exports their sums.
pub(crate) struct Collector {
    store: Arc<Store>,
    pub(crate) facade: Facade,
    timeline: Timeline,
    operations: Vec<Collected>,
    classifier: Arc<Classifier>,
    groups: Vec<(Member, Figures)>,
    throughput: Histogram,
    overflowed: Counter,
    memory: Gauge,
    has_warned: Warned,
    exports: Vec<Arc<dyn Export>>,
}

/// The warnings that were logged, each once.
#[derive(Debug, Default)]
struct Warned {
    operations: bool,
    memory: bool,
}

impl Collector {
    /// The figures of each group are the sum over its operations.
    pub(crate) fn new(
        store: Arc<Store>,
        facade: Facade,
        classifier: Arc<Classifier>,
        groups: Vec<Member>,
        exports: Vec<Arc<dyn Export>>,
    ) -> Self {
        let cells = store.bounds.cells();
        Self {
            timeline: Timeline::new(Duration::ZERO),
            operations: Vec::new(),
            classifier,
            groups: groups.into_iter().map(|member| (member, Figures::new(cells))).collect(),
            throughput: Histogram::new(THROUGHPUT, Vec::new()),
            overflowed: Counter::new(OVERFLOWED, Vec::new()),
            memory: Gauge::new(MEMORY, Vec::new()),
            has_warned: Warned::default(),
            exports,
            store,
            facade,
        }
    }

    /// Exports everything for a scrape, if the calling thread uses the lookout's recorder.
    pub(crate) fn export(&mut self) {
        if self.facade.sees_recorder() {
            self.collect(self.store.elapsed());
        }
    }

    /// Exports everything and closes a tick in all windows. `now` is the time since the store was
    /// made.
    pub(crate) fn tick(&mut self, now: Duration) {
        self.facade.resolve();
        self.collect(now);
        let before = self.timeline.now();
        let tick = self.timeline.tick(now);
        let (mut ended, mut windows) = (0, 0);
        for collected in &mut self.operations {
            if collected.operation.dependency().is_none() {
                ended += collected.figures.new_requests();
            }
            for (member, group) in &mut self.groups {
                if member(&collected.operation) {
                    group.absorb(&collected.figures);
                }
            }
            windows += collected.figures.tick(&tick);
        }
        for (_, group) in &mut self.groups {
            windows += group.tick(&tick);
        }
        self.store.memory.set_windows(windows);
        let elapsed = (self.timeline.now().saturating_sub(before)).as_secs_f64();
        // The last tick before the shutdown may be too short for a meaningful rate.
        if elapsed > 0.5 {
            self.throughput.record(&self.facade, ended as f64 / elapsed);
        }
    }

    /// Replaces the groups. Their windows reach as far back as those of their operations. The next
    /// tick counts their requests in flight.
    pub(crate) fn regroup(&mut self, groups: Vec<Member>) {
        let cells = self.store.bounds.cells();
        let regrouped = groups.into_iter().map(|member| {
            let parts = self.operations.iter().filter(|collected| member(&collected.operation));
            let figures = Figures::of_parts(cells, parts.map(|collected| &collected.figures));
            (member, figures)
        });
        self.groups = regrouped.collect();
    }

    /// Sets the lag of the application's runtime in all groups.
    pub(crate) fn note_runtime_lag(&mut self, lag: Option<Duration>) {
        for (_, group) in &mut self.groups {
            group.runtime_lag = lag;
        }
    }

    pub(crate) fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    pub(crate) fn bounds(&self) -> &Bounds {
        &self.store.bounds
    }

    /// The figures of a group, by its index in the groups.
    pub(crate) fn group(&self, group: usize) -> &Figures {
        &self.groups[group].1
    }

    pub(crate) fn operations(&self) -> impl Iterator<Item = (&Operation, &Figures)> {
        self.operations.iter().map(|collected| (&collected.operation, &collected.figures))
    }

    fn collect(&mut self, now: Duration) {
        let known = self.operations.len();
        for (new, operation) in self.store.operations.listed_from(known).into_iter().enumerate() {
            let id = self.store.operations.nth(known + new);
            let naming = self.facade.naming();
            self.operations.push(Collected::new(id, operation, &self.store, naming));
        }
        let context = CollectContext {
            shards: &self.store.shards(),
            store: &self.store,
            facade: &self.facade,
            classifier: &self.classifier,
        };
        for collected in &mut self.operations {
            collected.collect(&context, now);
        }
        let overflows =
            self.operations.iter().filter(|collected| collected.operation.is_overflow());
        let overflowed = overflows.map(|collected| collected.figures.all_requests()).sum();
        self.overflowed.set(&self.facade, overflowed);
        self.memory.set(&self.facade, self.store.memory.used() as f64);
        self.warn_of_limits(overflowed);
        self.group_figures();
        for export in &self.exports {
            export.export(&self.facade);
        }
    }

    /// Logs once that a limit is reached, since requests are then counted in less detail.
    fn warn_of_limits(&mut self, overflowed: u64) {
        let memory = &self.store.memory;
        if memory.is_exhausted() {
            if !mem::replace(&mut self.has_warned.memory, true) {
                logged(|| {
                    tracing::warn!(
                        max_memory = memory.max(),
                        "max_memory is used up: new statuses and label values share a series per status \
                         class, and new operations share the route _OVERFLOW"
                    );
                });
            }
        } else if overflowed > 0 && !mem::replace(&mut self.has_warned.operations, true) {
            logged(|| {
                tracing::warn!(
                    operations = self.operations.len(),
                    "max_operations is reached: further operations share the route _OVERFLOW"
                );
            });
        }
    }

    /// Recomputes the requests in flight of each group, since they are a state and not a count.
    fn group_figures(&mut self) {
        for (member, group) in &mut self.groups {
            group.in_flight = 0;
            group.oldest = None;
            for Collected { operation, figures, .. } in &self.operations {
                if figures.in_flight > 0 && member(operation) {
                    group.in_flight += figures.in_flight;
                    group.oldest = group.oldest.max(figures.oldest);
                }
            }
        }
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector")
            .field("operations", &self.operations.len())
            .field("groups", &self.groups.len())
            .finish_non_exhaustive()
    }
}

/// The minimum age of a request. Its start is known to the second, so it may have started at the
/// end of that second.
fn certain_age(now: Duration, began: u64) -> Duration {
    now.saturating_sub(Duration::from_secs(began + 1))
}
