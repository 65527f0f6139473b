use metrics::{KeyName, Label};

use super::labels;
use crate::{
    facade::{Counter, Facade, Histogram, MetricNaming, of_family},
    operation::Operation,
    outcome::{Outcome, Status},
    series::{Bounds, LabelSet, SeriesKey, Store, Tally},
};

/// One way in which the operation ends.
#[derive(Debug)]
pub(super) struct CollectedSeries {
    pub(super) outcome: Outcome,
    /// Its status rejects what the client asked for.
    pub(super) is_client_error: bool,
    pub(super) duration: CollectedHistogram,
    /// The place of its [`Requests`], if they are counted besides the durations.
    pub(super) requests: Option<usize>,
    /// What the shards' versions said when all was read.
    version: Option<u64>,
}

/// The sums of a histogram's cells over all shards, and where they go.
#[derive(Debug)]
pub(super) struct CollectedHistogram {
    cells: Vec<Tally>,
    histogram: Histogram,
    family: Option<usize>,
}

/// The requests that ended in ways which are counted as one.
#[derive(Debug)]
pub(super) struct Requests {
    set: LabelSet,
    labels: Vec<Label>,
    pub(super) total: u64,
    counter: Counter,
}

/// What few operations have: a histogram, and where the preset has one, a counter of its sum.
#[derive(Debug)]
pub(super) struct CollectedExtra {
    pub(super) histogram: CollectedHistogram,
    pub(super) total: Option<Counter>,
}

impl CollectedSeries {
    /// With its counter among `requests`, a new one if none has its labels.
    pub(super) fn new(
        operation: &Operation,
        key: SeriesKey,
        outcome: Outcome,
        store: &Store,
        dialect: &MetricNaming,
        requests: &mut Vec<Requests>,
    ) -> Self {
        let names = dialect.presets.names(operation.traffic());
        let of_user = || labels::user_labels(&store.labels, key.labels);
        let mut labels = labels::duration_labels(dialect, operation, key, outcome);
        labels.extend(of_user());
        let duration = CollectedHistogram::new(names.duration, operation, labels, &store.bounds);
        let requests = names.ended.map(|ended| {
            let mut labels = labels::ended_labels(dialect, operation, key, outcome);
            labels.extend(of_user());
            let set = key.labels;
            let known =
                requests.iter().position(|known| known.set == set && known.labels == labels);
            known.unwrap_or_else(|| {
                let counter = Counter::new(ended, labels.clone());
                requests.push(Requests { set, labels, total: 0, counter });
                requests.len() - 1
            })
        });
        let is_client_error = key.status.status().is_some_and(Status::is_client_error);
        Self { outcome, is_client_error, duration, requests, version: None }
    }

    /// Reads the shards' histograms of it, unless nothing has changed; see
    /// [`CollectedHistogram::read`].
    pub(super) fn read(
        &mut self,
        shards: &[&crate::series::Histogram],
        new: impl FnMut(usize, Tally),
    ) -> bool {
        // Before the cells: what comes meanwhile is read again.
        let versions = shards.iter().map(|shard| shard.version());
        let version = Some(versions.fold(0, u64::wrapping_add));
        if self.version == version {
            return true;
        }
        let is_complete = self.duration.read(shards.iter().copied(), new);
        if is_complete {
            self.version = version;
        }
        is_complete
    }
}

impl CollectedHistogram {
    /// Of an operation whose durations may have buckets of their own, and so a name.
    pub(super) fn new(
        name: &'static str,
        operation: &Operation,
        labels: Vec<Label>,
        bounds: &Bounds,
    ) -> Self {
        let family = bounds.family_of(operation);
        let name = family.map_or(KeyName::from_const_str(name), |place| {
            of_family(name, bounds.family(place)).into()
        });
        let cells = vec![Tally::default(); bounds.cells()];
        Self { cells, histogram: Histogram::new(name, labels), family }
    }

    /// The sum of all that was read.
    pub(super) fn total(&self) -> u64 {
        self.cells.iter().fold(0, |sum, cell| sum.wrapping_add(cell.nanos))
    }

    /// Carries over what was read; gives whether that was all.
    #[must_use]
    pub(super) fn carry(&mut self, facade: &Facade, bounds: &Bounds) -> bool {
        self.histogram.carry(facade, bounds.buckets(self.family), &self.cells)
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
    pub(super) fn carry(&mut self, facade: &Facade) {
        self.counter.set(facade, self.total);
    }
}
