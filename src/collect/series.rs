use metrics::{KeyName, Label, SharedString};

use crate::{
    facade::{Counter, Facade, Histogram, MetricNaming, of_family},
    operation::Operation,
    outcome::{Outcome, Status},
    series::{Bounds, LabelSet, LabelTable, SeriesKey, Store, Tally},
};

/// The requests of an operation with the same status, ending and labels.
#[derive(Debug)]
pub(super) struct CollectedSeries {
    pub(super) outcome: Outcome,
    /// Whether the status is a client error.
    pub(super) is_client_error: bool,
    pub(super) duration: CollectedHistogram,
    /// The index of its [`EndedRequests`], if the preset has a counter of them.
    pub(super) requests: Option<usize>,
    /// The sum of the shards' versions at the last complete read.
    version: Option<u64>,
}

/// The sums of a histogram's cells over all shards, and the histogram that they are exported to.
#[derive(Debug)]
pub(super) struct CollectedHistogram {
    cells: Vec<Tally>,
    histogram: Histogram,
    family: Option<usize>,
}

/// The requests that one counter counts.
#[derive(Debug)]
pub(super) struct EndedRequests {
    set: LabelSet,
    labels: Vec<Label>,
    pub(super) total: u64,
    counter: Counter,
}

/// A histogram that few operations have, and a counter of its sum if the preset defines one.
#[derive(Debug)]
pub(super) struct CollectedOptional {
    pub(super) histogram: CollectedHistogram,
    pub(super) total: Option<Counter>,
}

impl CollectedSeries {
    /// Adds a counter to `requests`, unless one has the same labels.
    pub(super) fn new(
        operation: &Operation,
        key: SeriesKey,
        outcome: Outcome,
        store: &Store,
        naming: &MetricNaming,
        requests: &mut Vec<EndedRequests>,
    ) -> Self {
        let presets = &naming.presets;
        let names = presets.names(operation.traffic());
        let user_labels = || user_labels(&store.labels, key.labels);
        let mut labels = presets.duration_labels(operation, key, outcome);
        labels.extend(user_labels());
        let duration = CollectedHistogram::new(names.duration, operation, labels, &store.bounds);
        let requests = names.ended.map(|ended| {
            let mut labels = presets.ended_labels(operation, key, outcome);
            labels.extend(user_labels());
            let set = key.labels;
            let known =
                requests.iter().position(|known| known.set == set && known.labels == labels);
            known.unwrap_or_else(|| {
                let counter = Counter::new(ended, labels.clone());
                requests.push(EndedRequests { set, labels, total: 0, counter });
                requests.len() - 1
            })
        });
        let is_client_error = key.status.status().is_some_and(Status::is_client_error);
        Self { outcome, is_client_error, duration, requests, version: None }
    }

    /// Reads the shards' histograms if one has changed; see [`CollectedHistogram::read`].
    pub(super) fn read(
        &mut self,
        shards: &[&crate::series::Histogram],
        new: impl FnMut(usize, Tally),
    ) -> bool {
        // Read before the cells, so that the next read sees a change that happens during this one.
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
    /// Appends the family to the name if the operation has its own buckets.
    pub(super) fn new(
        name: &'static str,
        operation: &Operation,
        labels: Vec<Label>,
        bounds: &Bounds,
    ) -> Self {
        let family = bounds.family_of(operation);
        let name = family.map_or(KeyName::from_const_str(name), |index| {
            of_family(name, bounds.family(index)).into()
        });
        let cells = vec![Tally::default(); bounds.cells()];
        Self { cells, histogram: Histogram::new(name, labels), family }
    }

    /// The sum of the read samples.
    pub(super) fn total(&self) -> u64 {
        self.cells.iter().fold(0, |sum, cell| sum.wrapping_add(cell.nanos))
    }

    /// Exports the read samples. Returns whether all of them were exported.
    #[must_use]
    pub(super) fn export(&mut self, facade: &Facade, bounds: &Bounds) -> bool {
        self.histogram.export(facade, bounds.buckets(self.family), &self.cells)
    }

    /// Sums the shards' cells, and calls `new` with the increase of each cell since the last read.
    /// Returns whether all shards were read; otherwise it changes nothing.
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

impl EndedRequests {
    pub(super) fn export(&mut self, facade: &Facade) {
        self.counter.set(facade, self.total);
    }
}

/// The labels from the builder's `request_label`, `response_label` and `handler_label`.
fn user_labels(table: &LabelTable, set: LabelSet) -> impl Iterator<Item = Label> {
    table.texts(set).map(|(name, value)| {
        Label::new(SharedString::from_shared(name), SharedString::from_shared(value))
    })
}
