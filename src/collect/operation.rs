use std::{sync::Arc, time::Duration};

use metrics::{Label, SharedString};

use super::{Figures, certain_age};
use crate::{
    facade::{
        ACTIVE_REQUESTS, Counter, Facade, Gauge, HEAD_DURATION, Histogram, OLDEST_REQUEST,
        REQUEST_DURATION, REQUESTS,
    },
    operation::{Operation, OperationId},
    outcome::Outcome,
    series::{OldestStart, OperationCells, SeriesKey, Shard, Store, Tally},
};

/// One operation as its reader knows it.
#[derive(Debug)]
pub(super) struct Collected {
    id: OperationId,
    pub(super) operation: Operation,
    pub(super) figures: Figures,
    /// What the cells said the last time; the rest is skipped while they say the same.
    started: u64,
    ended: u64,
    epoch: u32,
    oldest_start: OldestStart,
    series: Vec<CollectedSeries>,
    requests: Vec<Requests>,
    head: CollectedHistogram,
    active: Gauge,
    oldest: Gauge,
}

/// One way in which the operation ends.
#[derive(Debug)]
struct CollectedSeries {
    key: SeriesKey,
    duration: CollectedHistogram,
}

/// The sums of a histogram's cells over all shards, and where they go.
#[derive(Debug)]
struct CollectedHistogram {
    cells: Vec<Tally>,
    histogram: Histogram,
}

/// The requests of several statuses that share a class.
#[derive(Debug)]
struct Requests {
    class: &'static str,
    outcome: Outcome,
    total: u64,
    counter: Counter,
}

impl Collected {
    pub(super) fn new(id: OperationId, operation: Operation, cells: usize) -> Self {
        let labels = || labels(&operation);
        Self {
            id,
            figures: Figures::new(cells),
            started: 0,
            ended: 0,
            epoch: 0,
            oldest_start: OldestStart::default(),
            series: Vec::new(),
            requests: Vec::new(),
            head: CollectedHistogram {
                cells: vec![Tally::default(); cells],
                histogram: Histogram::new(HEAD_DURATION, labels()),
            },
            active: Gauge::new(ACTIVE_REQUESTS, labels()),
            oldest: Gauge::new(OLDEST_REQUEST, labels()),
            operation,
        }
    }

    /// Reads the shards, adds what is new to the figures and carries it over to the facade.
    pub(super) fn collect(
        &mut self,
        shards: &[Arc<Shard>],
        store: &Store,
        facade: &Facade,
        now: Duration,
    ) {
        let id = self.id.index();
        let cells = || shards.iter().filter_map(|shard| shard.seen(id));
        let ended = cells().map(OperationCells::ended).sum();
        let started: u64 = cells().map(OperationCells::started).sum();
        // Again after the starts: what began meanwhile must not pass for in flight.
        let ended_since: u64 = cells().map(OperationCells::ended).sum();
        let is_new = facade.epoch() != self.epoch;
        if started == 0 || (!is_new && (started, ended) == (self.started, self.ended)) {
            if self.figures.in_flight > 0 {
                self.age(shards, facade, now);
            }
            return;
        }
        let is_complete = self.read_series(shards, store, facade)
            & self.head.read(cells().flat_map(OperationCells::heads), |_, _| {});
        let is_carried = self.head.histogram.carry(facade, &store.bounds, &self.head.cells);
        for requests in &mut self.requests {
            requests.counter.set(facade, requests.total);
        }
        self.figures.in_flight = started.saturating_sub(ended_since);
        self.active.set(facade, self.figures.in_flight as f64);
        self.age(shards, facade, now);
        self.started = started;
        if is_complete && is_carried {
            // Else it is done again next time, though nothing else may have ended.
            self.ended = ended;
        }
        self.epoch = facade.epoch();
    }

    /// Whether all could be read and carried over.
    fn read_series(&mut self, shards: &[Arc<Shard>], store: &Store, facade: &Facade) -> bool {
        let id = self.id.index();
        let cells = || shards.iter().filter_map(|shard| shard.seen(id));
        for found in cells().flat_map(OperationCells::all_series) {
            if !self.series.iter().any(|series| series.key == found.key) {
                self.series.push(CollectedSeries::new(&self.operation, found.key, store));
            }
        }
        let mut is_complete = true;
        for CollectedSeries { key, duration } in &mut self.series {
            let requests = Requests::of(&mut self.requests, &self.operation, *key);
            let sources = cells()
                .flat_map(OperationCells::all_series)
                .filter(|found| found.key == *key)
                .map(|found| &found.duration);
            is_complete &= duration.read(sources, |cell, new| {
                self.figures.add(key.outcome, cell, new);
                requests.total += new.count;
            });
            is_complete &= duration.histogram.carry(facade, &store.bounds, &duration.cells);
        }
        is_complete
    }

    fn age(&mut self, shards: &[Arc<Shard>], facade: &Facade, now: Duration) {
        let ages = shards.iter().filter_map(|shard| Some(&shard.seen(self.id.index())?.ages));
        let began = self.oldest_start.at(ages, now.as_secs());
        self.figures.oldest = began.map(|began| certain_age(now, began));
        self.oldest.set(facade, self.figures.oldest.unwrap_or_default().as_secs_f64());
    }
}

impl CollectedSeries {
    fn new(operation: &Operation, key: SeriesKey, store: &Store) -> Self {
        let mut labels = labels(operation);
        if let Some(status) = key.status() {
            labels.push(Label::new("http_response_status_code", status));
        }
        if let Some(error) = key.error_type() {
            labels.push(Label::new("error_type", error));
        }
        Self {
            key,
            duration: CollectedHistogram {
                cells: vec![Tally::default(); store.bounds.cells()],
                histogram: Histogram::new(REQUEST_DURATION, labels),
            },
        }
    }
}

impl CollectedHistogram {
    /// Sums the shards' cells, and tells each cell that has more than the last time, with how much.
    /// Gives whether all of them could be read; else it leaves everything for the next time.
    fn read<'a>(
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
    fn of<'a>(all: &'a mut Vec<Self>, operation: &Operation, key: SeriesKey) -> &'a mut Self {
        let class = key.class();
        let place = all
            .iter()
            .position(|known| known.class == class && known.outcome == key.outcome)
            .unwrap_or_else(|| {
                let mut labels = labels(operation);
                labels.push(Label::from_static_parts("status_class", class));
                labels.push(Label::from_static_parts("outcome", key.outcome.as_str()));
                let counter = Counter::new(REQUESTS, labels);
                all.push(Self { class, outcome: key.outcome, total: 0, counter });
                all.len() - 1
            });
        &mut all[place]
    }
}

/// The labels of an operation, by OpenTelemetry's names in Prometheus form.
pub(crate) fn labels(operation: &Operation) -> Vec<Label> {
    vec![
        Label::from_static_parts("http_request_method", operation.method()),
        Label::new("http_route", SharedString::from_shared(operation.shared_route())),
    ]
}
