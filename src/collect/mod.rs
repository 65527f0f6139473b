//! What the tick and the scrape do: sum the shards, and carry what is new over to the facade and
//! into the windows.

mod figures;
mod labels;
mod live;
mod operation;
mod series;

use std::{fmt, mem, sync::Arc, time::Duration};

#[cfg(feature = "prometheus")]
pub(crate) use self::live::carry_all;
use self::operation::{CollectContext, Collected};
pub(crate) use self::{
    figures::Figures,
    labels::{labels, route_labels},
    live::{SharedCollector, share},
};
use crate::{
    catch_panic::logged,
    facade::{Counter, Facade, Gauge, Histogram, MEMORY, OVERFLOWED, THROUGHPUT},
    operation::Operation,
    series::{Bounds, Classifier, Store},
    window::Timeline,
};

/// Whether an operation belongs to a group.
pub(crate) type Member = Box<dyn Fn(&Operation) -> bool + Send>;

/// Figures that are kept elsewhere, and carried over with the rest.
pub(crate) trait Export: Send + Sync {
    /// Tells the facade what there is.
    fn carry(&self, facade: &Facade);
}

/// The one reader of all cells.
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
    others: Vec<Arc<dyn Export>>,
}

/// What was logged already.
#[derive(Debug, Default)]
struct Warned {
    operations: bool,
    memory: bool,
}

impl Collector {
    /// `groups` are the sets of operations that are watched as one, besides each by itself.
    pub(crate) fn new(
        store: Arc<Store>,
        facade: Facade,
        classifier: Arc<Classifier>,
        groups: Vec<Member>,
        others: Vec<Arc<dyn Export>>,
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
            others,
            store,
            facade,
        }
    }

    /// Carries everything over that the calling thread may; a scrape's part.
    pub(crate) fn carry(&mut self) {
        if self.facade.in_sight() {
            self.collect(self.store.elapsed());
        }
    }

    /// Carries everything over and marks the moment in all windows: `now`, since the store was made.
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
        // The part of a second before the shutdown would tell anything.
        if elapsed > 0.5 {
            self.throughput.record(&self.facade, ended as f64 / elapsed);
        }
    }

    /// Watches other groups from now on, whose windows reach as far back as those of the operations in
    /// them. What is in flight in them is known with the next tick.
    pub(crate) fn regroup(&mut self, groups: Vec<Member>) {
        let cells = self.store.bounds.cells();
        let regrouped = groups.into_iter().map(|member| {
            let parts = self.operations.iter().filter(|collected| member(&collected.operation));
            let figures = Figures::of_parts(cells, parts.map(|collected| &collected.figures));
            (member, figures)
        });
        self.groups = regrouped.collect();
    }

    /// Notes how late the application's runtime is, which is the same for all groups.
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

    /// The figures of a group, by its place in what `new` was given.
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
            let dialect = self.facade.dialect();
            self.operations.push(Collected::new(id, operation, &self.store, dialect));
        }
        let means = CollectContext {
            shards: &self.store.shards(),
            store: &self.store,
            facade: &self.facade,
            classifier: &self.classifier,
        };
        for collected in &mut self.operations {
            collected.collect(&means, now);
        }
        let overflows =
            self.operations.iter().filter(|collected| collected.operation.is_overflow());
        let overflowed = overflows.map(|collected| collected.figures.all_requests()).sum();
        self.overflowed.set(&self.facade, overflowed);
        self.memory.set(&self.facade, self.store.memory.used() as f64);
        self.warn_of_bounds(overflowed);
        self.group_figures();
        for other in &self.others {
            other.carry(&self.facade);
        }
    }

    /// Logs once that a bound was reached, since less is counted apart from then on.
    fn warn_of_bounds(&mut self, overflowed: u64) {
        let memory = &self.store.memory;
        if memory.is_exhausted() {
            if !mem::replace(&mut self.has_warned.memory, true) {
                logged(|| {
                    tracing::warn!(
                        max_memory = memory.max(),
                        "max_memory is used up: new statuses and label values share a series per status \
                         class, new operations the route _OVERFLOW"
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

    /// What is in flight is a state, and so summed anew each time.
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

/// An age as far as it is certain: a start is known to the second, so it is taken as late in it as
/// it can have been.
fn certain_age(now: Duration, began: u64) -> Duration {
    now.saturating_sub(Duration::from_secs(began + 1))
}
