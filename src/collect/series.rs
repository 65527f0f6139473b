use std::borrow::Cow;

use metrics::Label;

use super::labels;
use crate::{
    facade::{Counter, Facade, Histogram, Names},
    operation::Operation,
    outcome::Outcome,
    series::{Bounds, SeriesKey, Store, Tally},
};

/// One way in which the operation ends.
#[derive(Debug)]
pub(super) struct CollectedSeries {
    pub(super) key: SeriesKey,
    pub(super) outcome: Outcome,
    pub(super) duration: CollectedHistogram,
}

/// The sums of a histogram's cells over all shards, and where they go.
#[derive(Debug)]
pub(super) struct CollectedHistogram {
    cells: Vec<Tally>,
    histogram: Histogram,
}

/// The requests of several statuses that share a class.
#[derive(Debug)]
pub(super) struct Requests {
    class: Cow<'static, str>,
    outcome: Outcome,
    pub(super) total: u64,
    counter: Counter,
}

impl CollectedSeries {
    pub(super) fn new(
        operation: &Operation,
        key: SeriesKey,
        outcome: Outcome,
        store: &Store,
    ) -> Self {
        let name = Names::of(operation.traffic()).duration;
        let labels = labels::duration_labels(operation, key, outcome);
        Self { key, outcome, duration: CollectedHistogram::new(name, labels, &store.bounds) }
    }
}

impl CollectedHistogram {
    pub(super) fn new(name: &'static str, labels: Vec<Label>, bounds: &Bounds) -> Self {
        Self {
            cells: vec![Tally::default(); bounds.cells()],
            histogram: Histogram::new(name, labels),
        }
    }

    /// Carries over what was read; gives whether that was all.
    #[must_use]
    pub(super) fn carry(&mut self, facade: &Facade, bounds: &Bounds) -> bool {
        self.histogram.carry(facade, bounds, &self.cells)
    }

    /// Sums the shards' cells, and tells each cell that has more than the last time, with how much.
    /// Gives whether all of them could be read; else it leaves everything for the next time.
    pub(super) fn read<'a>(
        &mut self,
        shards: impl Iterator<Item = &'a crate::series::Histogram>,
        mut new: impl FnMut(usize, Tally),
    ) -> bool {
        let mut sums = vec![Tally::default(); self.cells.len()];
        let mut copy = Vec::new();
        for histogram in shards {
            if !histogram.add_to(&mut sums, &mut copy) {
                return false;
            }
        }
        for (cell, (before, sum)) in self.cells.iter_mut().zip(sums).enumerate() {
            if sum.count > before.count {
                new(cell, sum.since(*before));
                *before = sum;
            }
        }
        true
    }
}

impl Requests {
    /// The counter that an end belongs to.
    pub(super) fn of<'a>(
        all: &'a mut Vec<Self>,
        operation: &Operation,
        key: SeriesKey,
        outcome: Outcome,
    ) -> &'a mut Self {
        let (label, class) = labels::class(operation, key.status);
        let place = all
            .iter()
            .position(|known| known.class == class && known.outcome == outcome)
            .unwrap_or_else(|| {
                let mut labels = labels::labels(operation);
                labels.push(Label::new(label, class.clone()));
                labels.push(Label::from_static_parts("outcome", outcome.as_str()));
                let counter = Counter::new(Names::of(operation.traffic()).ended, labels);
                all.push(Self { class, outcome, total: 0, counter });
                all.len() - 1
            });
        &mut all[place]
    }

    pub(super) fn carry(&mut self, facade: &Facade) {
        self.counter.set(facade, self.total);
    }
}
