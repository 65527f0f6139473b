use std::{collections::HashMap, sync::Arc, time::Duration};

use metrics::Label;

use super::{
    Figures, certain_age,
    series::{CollectedHistogram, CollectedOptional, CollectedSeries, EndedRequests},
};
use crate::{
    facade::{Counter, Facade, Gauge, MetricNaming},
    operation::{Operation, OperationId},
    series::{
        Classifier, OldestStart, OperationCells, OptionalHistogram, SeriesKey, Shard, Store,
        StreamKind,
    },
};

/// The sums of one operation over all shards.
#[derive(Debug)]
pub(super) struct Collected {
    id: OperationId,
    pub(super) operation: Operation,
    pub(super) figures: Figures,
    /// The counts of the cells at the last read. While they stay the same, the read stops there.
    started: u64,
    ended: u64,
    optional_records: u64,
    epoch: u32,
    /// Nothing changed at the last read, and everything is exported.
    is_settled: bool,
    oldest_start: OldestStart,
    started_counter: Option<Counter>,
    most_started: i64,
    series: Vec<CollectedSeries>,
    /// The index in `series` by key.
    indexes: HashMap<SeriesKey, usize, foldhash::fast::RandomState>,
    ended_requests: Vec<EndedRequests>,
    /// `None` if heads are not recorded.
    head: Option<CollectedHistogram>,
    optional: [Option<CollectedOptional>; OptionalHistogram::ALL.len()],
    /// By kind, the gauge and the number of open streams.
    streams: [Option<(Gauge, u64)>; StreamKind::ALL.len()],
    active: Gauge,
    oldest: Gauge,
}

/// The data that the collection of each operation needs.
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
        naming: &MetricNaming,
    ) -> Self {
        let presets = &naming.presets;
        let labels = || presets.operation_labels(&operation);
        let active = labels().into_iter().chain(presets.scheme_label(&operation)).collect();
        let names = presets.names(operation.traffic());
        Self {
            id,
            figures: Figures::new(store.bounds.cells()),
            started: 0,
            ended: 0,
            optional_records: 0,
            epoch: 0,
            is_settled: false,
            oldest_start: OldestStart::default(),
            started_counter: names.started.map(|name| Counter::new(name, labels())),
            most_started: 0,
            series: Vec::new(),
            indexes: HashMap::default(),
            ended_requests: Vec::new(),
            head: names
                .head()
                .filter(|_| store.has_heads)
                .map(|name| CollectedHistogram::new(name, &operation, labels(), &store.bounds)),
            optional: [const { None }; OptionalHistogram::ALL.len()],
            streams: [const { None }; StreamKind::ALL.len()],
            active: Gauge::new(names.active, active),
            oldest: Gauge::new(names.oldest, labels()),
            operation,
        }
    }

    /// Reads the shards, adds the new counts to the figures and exports them to the facade.
    pub(super) fn collect(&mut self, context: &CollectContext<'_>, now: Duration) {
        let CollectContext { shards, store, facade, .. } = context;
        let id = self.id;
        let cells = || shards.iter().filter_map(|shard| shard.get(id));
        let sum = |count: fn(&OperationCells) -> u64| cells().map(count).fold(0, u64::wrapping_add);
        let ended = sum(OperationCells::ended);
        let optional_records = sum(OperationCells::changes);
        let started = sum(OperationCells::started);
        // Read after the starts, so that a request that started and ended in between is not in
        // flight.
        let ended_since = sum(OperationCells::ended);
        let is_new = facade.epoch() != self.epoch;
        // A layer may take back a start, so the count may return to zero.
        let is_untouched = (started, self.started, optional_records) == (0, 0, 0);
        let is_unchanged =
            (started, ended, optional_records) == (self.started, self.ended, self.optional_records);
        if is_untouched || (!is_new && is_unchanged && self.is_settled) {
            self.keep_states(shards, facade, now);
            return;
        }
        self.is_settled = is_unchanged;
        let is_complete = self.read_series(context);
        let heads = || cells().flat_map(OperationCells::heads);
        let is_head_complete = self.head.as_mut().is_none_or(|head| {
            let is_complete = head.read(heads(), |_, _| {});
            head.export(facade, &store.bounds) && is_complete
        });
        let is_exported = is_head_complete & self.export_optional(context);
        self.export_streams(context);
        for requests in &mut self.ended_requests {
            requests.export(facade);
        }
        self.export_started(facade, started, ended);
        // A start that another thread takes back may be visible only later.
        self.figures.in_flight = (started.wrapping_sub(ended_since) as i64).max(0) as u64;
        self.set_in_flight(shards, facade, now);
        self.started = started;
        if is_complete && is_exported {
            // Otherwise the next read retries, even if no other request has ended.
            (self.ended, self.optional_records) = (ended, optional_records);
        }
        self.epoch = facade.epoch();
    }

    fn export_started(&mut self, facade: &Facade, started: u64, ended: u64) {
        let Some(counter) = &mut self.started_counter else { return };
        // A counter must not decrease. An operation that stands for several methods may lose a
        // start to the actual method, so there a call counts as started only when it has ended.
        let total = if self.operation.is_of_several() { ended } else { started };
        // If a start is taken back, the counter stays until the next start makes up for it.
        self.most_started = self.most_started.max(total as i64);
        counter.set(facade, self.most_started as u64);
    }

    /// Returns whether everything was read and exported.
    fn read_series(&mut self, context: &CollectContext<'_>) -> bool {
        let CollectContext { shards, store, facade, classifier } = context;
        let id = self.id;
        let cells = || shards.iter().filter_map(|shard| shard.get(id));
        let mut sources = vec![Vec::new(); self.series.len()];
        for found in cells().flat_map(OperationCells::all_series) {
            let index = *self.indexes.entry(found.key).or_insert_with(|| {
                let outcome = classifier.outcome(&self.operation, found.key);
                self.series.push(CollectedSeries::new(
                    &self.operation,
                    found.key,
                    outcome,
                    store,
                    facade.naming(),
                    &mut self.ended_requests,
                ));
                sources.push(Vec::new());
                self.series.len() - 1
            });
            sources[index].push(&found.duration);
        }
        let mut is_complete = true;
        for (series, sources) in self.series.iter_mut().zip(sources) {
            let (outcome, is_client_error) = (series.outcome, series.is_client_error);
            let mut requests = series.requests.and_then(|index| self.ended_requests.get_mut(index));
            is_complete &= series.read(&sources, |cell, new| {
                self.figures.add(outcome, cell, new);
                if is_client_error {
                    self.figures.add_client_errors(new.count);
                }
                if let Some(requests) = &mut requests {
                    requests.total += new.count;
                }
            });
            is_complete &= series.duration.export(facade, &store.bounds);
        }
        is_complete
    }

    /// Reads and exports the optional histograms. Returns whether everything was exported.
    fn export_optional(&mut self, context: &CollectContext<'_>) -> bool {
        let CollectContext { shards, store, facade, .. } = context;
        let cells = || shards.iter().filter_map(|shard| shard.get(self.id));
        let presets = &facade.naming().presets;
        let names = presets.names(self.operation.traffic());
        let mut is_all = true;
        for (collected, kind) in self.optional.iter_mut().zip(OptionalHistogram::ALL) {
            let sources = || cells().filter_map(|cells| cells.optional(kind));
            let (bounds, Some(name)) = (store.bounds_of(kind), names.optional(kind)) else {
                continue;
            };
            if sources().next().is_none() {
                continue;
            }
            let CollectedOptional { histogram, total } = collected.get_or_insert_with(|| {
                let mut labels = presets.operation_labels(&self.operation);
                if kind.is_size() {
                    labels.extend(presets.scheme_label(&self.operation));
                }
                let total = names.total(kind).map(|name| Counter::new(name, labels.clone()));
                let histogram = CollectedHistogram::new(name, &self.operation, labels, bounds);
                CollectedOptional { histogram, total }
            });
            is_all &= histogram.read(sources(), |_, _| {});
            is_all &= histogram.export(facade, bounds);
            if let Some(total) = total {
                total.set(facade, histogram.total());
            }
        }
        is_all
    }

    fn export_streams(&mut self, context: &CollectContext<'_>) {
        let cells = || context.shards.iter().filter_map(|shard| shard.get(self.id));
        let presets = &context.facade.naming().presets;
        let names = presets.names(self.operation.traffic());
        for (gauge, kind) in self.streams.iter_mut().zip(StreamKind::ALL) {
            let counts = cells().map(|cells| cells.streams(kind));
            let [opened, closed] =
                counts.fold([0_u64; 2], |[open, close], [more, less]| [open + more, close + less]);
            if opened > 0 {
                let (gauge, open) = gauge.get_or_insert_with(|| {
                    let mut labels = presets.operation_labels(&self.operation);
                    labels.push(Label::from_static_parts("kind", kind.as_str()));
                    (Gauge::new(names.streams, labels), 0)
                });
                *open = opened.saturating_sub(closed);
                gauge.set(context.facade, *open as f64);
            }
        }
    }

    /// Sets the gauges of unchanged values again, so that the recorder does not drop them as idle.
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
        let ages = shards.iter().filter_map(|shard| Some(&shard.get(self.id)?.ages));
        let start = self.oldest_start.at(ages, now.as_secs());
        self.figures.oldest = start.map(|start| certain_age(now, start));
        self.oldest.set(facade, self.figures.oldest.unwrap_or_default().as_secs_f64());
    }
}
