//! Support for this crate's benches, which run the ticks themselves. Not part of the public API.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    alert::{Change, Evaluator, Origin, State, Timing},
    collect::{Collector, Figures},
    facade::{Facade, MetricNaming},
    notify::Dispatcher,
    operation::{MethodLabel, TrafficId},
    outcome::{Ending, Outcome},
    report::Reports,
    rule::Rule,
    series::{
        BUCKETS, Bounds, Classifier, End, LabelSet, LabelTable, Limits, Shard, StatusKey, Store,
    },
    snapshot::Publisher,
    suppress::Suppressor,
    window::{Timeline, Totals},
};

/// A lookout's collector and evaluator without its thread.
pub struct Ticker {
    store: Arc<Store>,
    shards: Vec<Arc<Shard>>,
    collector: Collector,
    evaluator: Evaluator,
    publisher: Publisher,
    second: u64,
}

impl Ticker {
    /// Creates a ticker with the default rules, for the service and for each route.
    pub fn new(operations: usize, shards: usize) -> Self {
        let each = Rule::defaults().into_iter().map(|rule| {
            let name = format!("{}OfRoute", rule.name());
            rule.each_route().named(name)
        });
        let rules: Vec<_> = Rule::defaults().into_iter().chain(each).collect();
        let bounds = Bounds::new(BUCKETS, &[]);
        let store = Arc::new(Store::new(
            Limits { operations, ..Limits::default() },
            bounds,
            LabelTable::default(),
        ));
        let groups = Evaluator::groups(&rules);
        let mut facade = Facade::new(None, MetricNaming::default());
        facade.resolve();
        let collector = Collector::new(
            Arc::clone(&store),
            facade,
            Arc::new(Classifier(None)),
            groups,
            Vec::new(),
        );
        let origin = Arc::new(Origin::default());
        let evaluator = Evaluator::new(rules, Arc::clone(&origin));
        let reports = Arc::new(Reports::new(Arc::clone(&store), Arc::clone(&origin)));
        let dispatcher = Arc::new(Dispatcher::new(Vec::new(), origin));
        let suppressor = Arc::new(Suppressor::new(Arc::clone(&dispatcher)));
        Self {
            publisher: Publisher::new(&evaluator, &collector, reports, dispatcher, suppressor).0,
            shards: (0..shards).filter_map(|_| store.lease()).collect(),
            collector,
            evaluator,
            store,
            second: 0,
        }
    }

    /// Ends one request per shard, operation and status. The statuses count up from 200.
    pub fn touch(&self, operations: usize, statuses: u16) {
        for operation in 0..operations {
            let id = self.store.operations.id_of(
                TrafficId::HTTP_SERVER,
                MethodLabel::Get,
                &format!("/route/{operation}"),
            );
            let nanos = 1_000_000 * (1 + operation as u64 % 50);
            for (shard, status) in
                self.shards.iter().flat_map(|shard| (0..statuses).map(move |nth| (shard, nth)))
            {
                let cells = shard.operation(id);
                cells.start();
                let status = http::StatusCode::from_u16(200 + status).unwrap_or_default();
                let end = End {
                    status: StatusKey::http(status),
                    ending: Ending::Complete,
                    labels: LabelSet::NONE,
                    is_head_recorded: false,
                };
                shard.end(cells, id, end, &self.store, nanos);
            }
        }
    }

    /// The accounted memory in bytes.
    pub fn memory(&self) -> usize {
        self.store.memory.used()
    }

    /// Runs the tick of the next simulated second, with its evaluation. Returns the number of alerts
    /// that changed.
    pub fn tick(&mut self) -> usize {
        self.second += 1;
        self.collector.tick(Duration::from_secs(self.second));
        self.evaluator.evaluate(&self.collector, SystemTime::now()).len()
    }

    /// Publishes the snapshot of the last tick.
    pub fn publish(&mut self) {
        self.publisher.publish(&self.evaluator, &self.collector, SystemTime::now());
    }
}

impl fmt::Debug for Ticker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticker").finish_non_exhaustive()
    }
}

/// Evaluates a rule on the error ratio of one service, in simulated seconds.
pub struct RatioTrial {
    rule: Rule,
    timing: Timing,
    timeline: Timeline,
    bounds: Bounds,
    figures: Figures,
    state: State,
    second: u64,
}

impl RatioTrial {
    pub fn new(rule: Rule) -> Self {
        let bounds = Bounds::new(BUCKETS, &[]);
        Self {
            timing: Timing::of(&rule),
            rule,
            timeline: Timeline::new(Duration::ZERO),
            figures: Figures::new(bounds.cells()),
            bounds,
            state: State::default(),
            second: 0,
        }
    }

    /// Simulates a second in which these requests end. Returns whether an alert fires.
    pub fn tick(&mut self, succeeded: u64, failed: u64) -> bool {
        self.second += 1;
        let now = Duration::from_secs(self.second);
        let mut new = Totals::default();
        new.add(Outcome::Success, succeeded, 0);
        new.add(Outcome::Failure, failed, 0);
        self.figures.history.tick(&self.timeline.tick(now), &new, &[]);
        let reading = self.rule.read(&self.figures, &self.timeline, &self.bounds);
        let holds = reading.map(|reading| reading.verdict.holds(self.state.is_firing()));
        let change;
        (self.state, change) = self.state.next(self.timing, holds, now);
        change == Some(Change::Fired)
    }

    pub fn is_firing(&self) -> bool {
        self.state.is_firing()
    }
}

impl fmt::Debug for RatioTrial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RatioTrial").finish_non_exhaustive()
    }
}
