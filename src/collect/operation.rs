use std::{collections::HashMap, sync::Arc, time::Duration};

use metrics::Label;

use super::{
    Figures, certain_age,
    labels::{labels, url_scheme},
    series::{CollectedExtra, CollectedHistogram, CollectedSeries, Requests},
};
use crate::{
    facade::{Counter, Facade, Gauge, MetricNaming},
    operation::{Operation, OperationId},
    series::{
        Classifier, OldestStart, OperationCells, OptionalHistogram, SeriesKey, Shard, Store,
        StreamKind,
    },
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
    rare: u64,
    epoch: u32,
    /// Nothing changed the last time, and the recorder has all of it.
    is_settled: bool,
    oldest_start: OldestStart,
    begun: Option<Counter>,
    most_begun: i64,
    series: Vec<CollectedSeries>,
    /// By key, the place among `series`.
    places: HashMap<SeriesKey, usize, foldhash::fast::RandomState>,
    requests: Vec<Requests>,
    /// None where heads are not recorded.
    head: Option<CollectedHistogram>,
    /// What few operations have.
    extras: [Option<CollectedExtra>; OptionalHistogram::ALL.len()],
    /// By kind, the gauge and how many are open.
    streams: [Option<(Gauge, u64)>; StreamKind::ALL.len()],
    active: Gauge,
    oldest: Gauge,
}

/// What all operations are collected by.
#[derive(Debug)]
pub(super) struct CollectContext<'a> {
    pub(super) shards: &'a [Arc<Shard>],
    pub(super) store: &'a Store,
    pub(super) facade: &'a Facade,
    pub(super) classifier: &'a Classifier,
}

impl Collected {
    pub(super) fn new(
        id: OperationId,
        operation: Operation,
        store: &Store,
        dialect: &MetricNaming,
    ) -> Self {
        let labels = || labels(dialect, &operation);
        let active = labels().into_iter().chain(url_scheme(dialect, &operation)).collect();
        let names = dialect.presets.names(operation.traffic());
        Self {
            id,
            figures: Figures::new(store.bounds.cells()),
            started: 0,
            ended: 0,
            rare: 0,
            epoch: 0,
            is_settled: false,
            oldest_start: OldestStart::default(),
            begun: names.started.map(|name| Counter::new(name, labels())),
            most_begun: 0,
            series: Vec::new(),
            places: HashMap::default(),
            requests: Vec::new(),
            head: store
                .has_heads
                .then(|| CollectedHistogram::new(names.head, &operation, labels(), &store.bounds)),
            extras: [const { None }; OptionalHistogram::ALL.len()],
            streams: [const { None }; StreamKind::ALL.len()],
            active: Gauge::new(names.active, active),
            oldest: Gauge::new(names.oldest, labels()),
            operation,
        }
    }

    /// Reads the shards, adds what is new to the figures and carries it over to the facade.
    pub(super) fn collect(&mut self, means: &CollectContext<'_>, now: Duration) {
        let CollectContext { shards, store, facade, .. } = means;
        let id = self.id;
        let cells = || shards.iter().filter_map(|shard| shard.met(id));
        let sum = |count: fn(&OperationCells) -> u64| cells().map(count).fold(0, u64::wrapping_add);
        let (ended, rare) = (sum(OperationCells::ended), sum(OperationCells::changes));
        let started = sum(OperationCells::started);
        // Again after the starts: what began meanwhile must not pass for in flight.
        let ended_since = sum(OperationCells::ended);
        let is_new = facade.epoch() != self.epoch;
        // A start may be taken back, so that there is none again.
        let is_untouched = (started, self.started, rare) == (0, 0, 0);
        let is_unchanged = (started, ended, rare) == (self.started, self.ended, self.rare);
        if is_untouched || (!is_new && is_unchanged && self.is_settled) {
            self.keep_states(shards, facade, now);
            return;
        }
        self.is_settled = is_unchanged;
        let is_complete = self.read_series(means);
        let heads = || cells().flat_map(OperationCells::heads);
        let is_head_complete = self.head.as_mut().is_none_or(|head| {
            let is_complete = head.read(heads(), |_, _| {});
            head.carry(facade, &store.bounds) && is_complete
        });
        let is_carried = is_head_complete & self.extras(means);
        self.streams(means);
        for requests in &mut self.requests {
            requests.carry(facade);
        }
        if let Some(begun) = &mut self.begun {
            // What stands for other methods may lose a start to the right one, and no counter falls:
            // there a call has begun once it has ended.
            let total = if self.operation.is_of_several() { ended } else { started };
            // Nor does it where a start is taken back: the next one makes up for it.
            self.most_begun = self.most_begun.max(total as i64);
            begun.set(facade, self.most_begun as u64);
        }
        // What was taken back on another thread may be seen so before its start.
        self.figures.in_flight = (started.wrapping_sub(ended_since) as i64).max(0) as u64;
        self.set_in_flight(shards, facade, now);
        self.started = started;
        if is_complete && is_carried {
            // Else it is done again next time, though nothing else may have ended.
            (self.ended, self.rare) = (ended, rare);
        }
        self.epoch = facade.epoch();
    }

    /// Whether all could be read and carried over.
    fn read_series(&mut self, means: &CollectContext<'_>) -> bool {
        let CollectContext { shards, store, facade, classifier } = means;
        let id = self.id;
        let cells = || shards.iter().filter_map(|shard| shard.met(id));
        let mut sources = vec![Vec::new(); self.series.len()];
        for found in cells().flat_map(OperationCells::all_series) {
            let place = *self.places.entry(found.key).or_insert_with(|| {
                let outcome = classifier.outcome(&self.operation, found.key);
                self.series.push(CollectedSeries::new(
                    &self.operation,
                    found.key,
                    outcome,
                    store,
                    facade.dialect(),
                    &mut self.requests,
                ));
                sources.push(Vec::new());
                self.series.len() - 1
            });
            sources[place].push(&found.duration);
        }
        let mut is_complete = true;
        for (series, sources) in self.series.iter_mut().zip(sources) {
            let (outcome, is_client_error) = (series.outcome, series.is_client_error);
            let mut requests = series.requests.and_then(|place| self.requests.get_mut(place));
            is_complete &= series.read(&sources, |cell, new| {
                self.figures.add(outcome, cell, new);
                if is_client_error {
                    self.figures.add_client_errors(new.count);
                }
                if let Some(requests) = &mut requests {
                    requests.total += new.count;
                }
            });
            is_complete &= series.duration.carry(facade, &store.bounds);
        }
        is_complete
    }

    /// Reads and carries over what few operations have; gives whether that was all.
    fn extras(&mut self, means: &CollectContext<'_>) -> bool {
        let CollectContext { shards, store, facade, .. } = means;
        let cells = || shards.iter().filter_map(|shard| shard.met(self.id));
        let dialect = facade.dialect();
        let names = dialect.presets.names(self.operation.traffic());
        let mut is_all = true;
        for (collected, extra) in self.extras.iter_mut().zip(OptionalHistogram::ALL) {
            let sources = || cells().filter_map(|cells| cells.optional(extra));
            let (bounds, Some(name)) = (store.bounds_of(extra), names.extra(extra)) else {
                continue;
            };
            if sources().next().is_none() {
                continue;
            }
            let CollectedExtra { histogram, total } = collected.get_or_insert_with(|| {
                let mut labels = labels(dialect, &self.operation);
                if extra.is_size() {
                    labels.extend(url_scheme(dialect, &self.operation));
                }
                let total = names.total(extra).map(|name| Counter::new(name, labels.clone()));
                let histogram = CollectedHistogram::new(name, &self.operation, labels, bounds);
                CollectedExtra { histogram, total }
            });
            is_all &= histogram.read(sources(), |_, _| {});
            is_all &= histogram.carry(facade, bounds);
            if let Some(total) = total {
                total.set(facade, histogram.total());
            }
        }
        is_all
    }

    fn streams(&mut self, means: &CollectContext<'_>) {
        let cells = || means.shards.iter().filter_map(|shard| shard.met(self.id));
        let dialect = means.facade.dialect();
        let names = dialect.presets.names(self.operation.traffic());
        for (gauge, kind) in self.streams.iter_mut().zip(StreamKind::ALL) {
            let counts = cells().map(|cells| cells.streams(kind));
            let [opened, closed] =
                counts.fold([0_u64; 2], |[open, close], [more, less]| [open + more, close + less]);
            if opened > 0 {
                let (gauge, open) = gauge.get_or_insert_with(|| {
                    let mut labels = labels(dialect, &self.operation);
                    labels.push(Label::from_static_parts("kind", kind.as_str()));
                    (Gauge::new(names.streams, labels), 0)
                });
                *open = opened.saturating_sub(closed);
                gauge.set(means.facade, *open as f64);
            }
        }
    }

    /// Sets the gauges of what goes on without a change, so that the recorder does not drop them as idle.
    fn keep_states(&mut self, shards: &[Arc<Shard>], facade: &Facade, now: Duration) {
        if self.figures.in_flight > 0 {
            self.set_in_flight(shards, facade, now);
        }
        for (gauge, open) in self.streams.iter_mut().flatten().filter(|(_, open)| *open > 0) {
            gauge.set(facade, *open as f64);
        }
    }

    fn set_in_flight(&mut self, shards: &[Arc<Shard>], facade: &Facade, now: Duration) {
        self.active.set(facade, self.figures.in_flight as f64);
        let ages = shards.iter().filter_map(|shard| Some(&shard.met(self.id)?.ages));
        let began = self.oldest_start.at(ages, now.as_secs());
        self.figures.oldest = began.map(|began| certain_age(now, began));
        self.oldest.set(facade, self.figures.oldest.unwrap_or_default().as_secs_f64());
    }
}
