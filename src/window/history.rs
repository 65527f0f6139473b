use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::{
    Timeline, Totals,
    timeline::{Tick, Tier},
};
use crate::series::Bounds;

/// The counts of one scope (the service or an operation), by tick. A tick without a change is not
/// stored.
#[derive(Debug, Default)]
pub(crate) struct History {
    now: Totals,
    seconds: Changes,
    minutes: Changes,
}

/// The changes of one tier, oldest first.
#[derive(Debug, Default)]
struct Changes {
    /// The sums before the first change.
    before: Totals,
    changes: VecDeque<Change>,
    /// The number of cells of all changes.
    cells: usize,
    /// The sums of the cells of all changes, which spare a window over all of them a walk.
    sums: CellSums,
}

/// `(cell, durations)`, in the order of the cells, without zeros.
#[derive(Debug, Default)]
struct CellSums(Vec<(u16, u64)>);

impl CellSums {
    fn add(&mut self, cells: &[(u16, u32)]) {
        for (cell, count) in cells {
            match self.0.binary_search_by_key(cell, |(cell, _)| *cell) {
                Ok(place) => self.0[place].1 += u64::from(*count),
                Err(place) => self.0.insert(place, (*cell, u64::from(*count))),
            }
        }
    }

    fn subtract(&mut self, cells: &[(u16, u32)]) {
        for (cell, count) in cells {
            if let Ok(place) = self.0.binary_search_by_key(cell, |(cell, _)| *cell) {
                self.0[place].1 -= u64::from(*count);
            }
        }
        self.0.retain(|(_, count)| *count > 0);
    }
}

#[derive(Debug)]
struct Change {
    tick: u64,
    /// The sums after the change.
    totals: Totals,
    /// The number of added durations by cell.
    cells: Box<[(u16, u32)]>,
}

impl History {
    /// Adds the counts since the last tick: the sums, and `(cell, durations)` in order.
    pub(crate) fn tick(&mut self, tick: &Tick, new: &Totals, cells: &[(u16, u32)]) {
        if new.requests() > 0 {
            self.now.merge(new);
            self.seconds.push(Change { tick: tick.number, totals: self.now, cells: cells.into() });
        }
        if let Some(since) = tick.minute_since {
            let mut merged = BTreeMap::new();
            for (cell, count) in self.seconds.after(since).flat_map(|change| &change.cells) {
                *merged.entry(*cell).or_insert(0) += count;
            }
            if !merged.is_empty() {
                let cells = merged.into_iter().collect();
                self.minutes.push(Change { tick: tick.number, totals: self.now, cells });
            }
        }
        self.seconds.forget(tick.oldest_second);
        self.minutes.forget(tick.oldest_minute);
    }

    /// The history of a scope that consists of these parts.
    pub(crate) fn of_parts<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        let mut whole = Self::default();
        let parts: Vec<_> = parts.collect();
        for part in &parts {
            whole.now.merge(&part.now);
        }
        whole.seconds = Changes::of_parts(parts.iter().map(|part| &part.seconds));
        whole.minutes = Changes::of_parts(parts.iter().map(|part| &part.minutes));
        whole
    }

    /// The bytes of all changes.
    pub(crate) fn bytes(&self) -> usize {
        self.seconds.bytes() + self.minutes.bytes()
    }

    /// The sums since the start.
    pub(crate) fn totals(&self) -> &Totals {
        &self.now
    }

    /// The shortest window of at least this length that starts at a mark of `timeline`. It is
    /// shorter than `over` only if the lookout is younger.
    pub(crate) fn window<'a>(&'a self, timeline: &'a Timeline, over: Duration) -> Window<'a> {
        let (tier, mark) = timeline.reference(over);
        let changes = match tier {
            Tier::Seconds => &self.seconds,
            Tier::Minutes => &self.minutes,
        };
        Window {
            elapsed: timeline.now().saturating_sub(mark.at),
            totals: self.now.since(changes.totals_at(mark.tick)),
            history: self,
            // Only the seconds tier has the changes after the last minute mark.
            minutes_after: (tier == Tier::Minutes).then_some(mark.tick),
            seconds_after: match tier {
                Tier::Seconds => mark.tick,
                Tier::Minutes => timeline.last_minute().tick,
            },
        }
    }
}

impl Changes {
    fn of_parts<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        let mut before = Totals::default();
        let mut ticks: BTreeMap<u64, (Totals, BTreeMap<u16, u32>)> = BTreeMap::new();
        for part in parts {
            before.merge(&part.before);
            let mut last = &part.before;
            for change in &part.changes {
                let (more, cells) = ticks.entry(change.tick).or_default();
                more.merge(&change.totals.since(last));
                for (cell, count) in &change.cells {
                    *cells.entry(*cell).or_insert(0) += count;
                }
                last = &change.totals;
            }
        }
        let mut totals = before;
        let changes = ticks.into_iter().map(|(tick, (more, cells))| {
            totals.merge(&more);
            Change { tick, totals, cells: cells.into_iter().collect() }
        });
        let mut all = Self { before, ..Self::default() };
        changes.for_each(|change| all.push(change));
        all
    }

    fn push(&mut self, change: Change) {
        self.cells += change.cells.len();
        self.sums.add(&change.cells);
        self.changes.push_back(change);
    }

    fn bytes(&self) -> usize {
        self.changes.capacity() * size_of::<Change>()
            + self.cells * size_of::<(u16, u32)>()
            + self.sums.0.capacity() * size_of::<(u16, u64)>()
    }

    /// The sums of the cells if all changes are after this tick.
    fn sums_after(&self, tick: u64) -> Option<&CellSums> {
        self.changes.front().is_none_or(|first| first.tick > tick).then_some(&self.sums)
    }

    fn after(&self, tick: u64) -> impl Iterator<Item = &Change> {
        let first = self.changes.partition_point(|change| change.tick <= tick);
        self.changes.range(first..)
    }

    fn totals_at(&self, tick: u64) -> &Totals {
        let after = self.changes.partition_point(|change| change.tick <= tick);
        match after.checked_sub(1) {
            Some(last) => &self.changes[last].totals,
            None => &self.before,
        }
    }

    fn forget(&mut self, oldest: u64) {
        while self.changes.front().is_some_and(|change| change.tick <= oldest) {
            if let Some(change) = self.changes.pop_front() {
                self.cells -= change.cells.len();
                self.sums.subtract(&change.cells);
                self.before = change.totals;
            }
        }
    }
}

/// The counts of one scope in a period that ends at the last tick.
#[derive(Clone, Debug)]
pub(crate) struct Window<'a> {
    elapsed: Duration,
    totals: Totals,
    history: &'a History,
    minutes_after: Option<u64>,
    seconds_after: u64,
}

impl Window<'_> {
    /// The actual length: at least the requested one, unless the lookout is younger.
    pub(crate) fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// The sums at the start of the window.
    pub(crate) fn before(&self) -> Totals {
        self.history.now.since(&self.totals)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.totals.requests()
    }

    pub(crate) fn errors(&self) -> u64 {
        self.totals.errors()
    }

    pub(crate) fn client_errors(&self) -> u64 {
        self.totals.client_errors()
    }

    /// The total duration of all requests.
    pub(crate) fn time(&self) -> Duration {
        self.totals.time()
    }

    /// The exact mean duration; `None` without requests.
    pub(crate) fn mean(&self) -> Option<Duration> {
        let requests = self.requests();
        (requests > 0).then(|| Duration::from_secs_f64(self.time().as_secs_f64() / requests as f64))
    }

    /// The requests per second that ended; `None` for a window of length zero.
    pub(crate) fn throughput(&self) -> Option<f64> {
        (!self.elapsed.is_zero()).then(|| self.requests() as f64 / self.elapsed.as_secs_f64())
    }

    /// The number of requests that took longer than `threshold`. It is exact if that is one of the
    /// bounds; otherwise the threshold is rounded to the nearest one.
    pub(crate) fn slower_than(&self, threshold: Duration, bounds: &Bounds) -> u64 {
        let above = bounds.first_above(threshold);
        self.cells().filter(|(cell, _)| usize::from(*cell) >= above).map(|(_, count)| count).sum()
    }

    /// The `q`-quantile of the durations, with a relative error of at most 1/9; `None` without
    /// requests.
    pub(crate) fn quantile(&self, q: f64, bounds: &Bounds) -> Option<Duration> {
        self.quantiles([q], bounds).map(|[quantile]| quantile)
    }

    /// Several quantiles in one pass over the durations.
    pub(crate) fn quantiles<const N: usize>(
        &self,
        qs: [f64; N],
        bounds: &Bounds,
    ) -> Option<[Duration; N]> {
        let mut counts = vec![0_u64; bounds.cells()];
        for (cell, count) in self.cells() {
            counts[usize::from(cell)] += count;
        }
        let total: u64 = counts.iter().sum();
        if total == 0 {
            return None;
        }
        Some(qs.map(|q| {
            let rank = ((q * total as f64).ceil() as u64).clamp(1, total);
            let mut below = 0;
            let is_reached = |count: &u64| {
                below += count;
                below >= rank
            };
            let cell = counts.iter().position(is_reached).unwrap_or(counts.len() - 1);
            Duration::from_nanos(bounds.middle(cell))
        }))
    }

    /// `(cell, durations)`. A cell may appear several times.
    fn cells(&self) -> impl Iterator<Item = (u16, u64)> {
        let minutes = self.minutes_after.map(|tick| cells(&self.history.minutes, tick));
        minutes.into_iter().flatten().chain(cells(&self.history.seconds, self.seconds_after))
    }
}

fn cells(changes: &Changes, after: u64) -> impl Iterator<Item = (u16, u64)> {
    let sums = changes.sums_after(after);
    let rest = sums.is_none().then(|| changes.after(after));
    let rest = rest.into_iter().flatten().flat_map(|change| &change.cells);
    let rest = rest.map(|(cell, count)| (*cell, u64::from(*count)));
    sums.into_iter().flat_map(|sums| sums.0.iter().copied()).chain(rest)
}

#[cfg(test)]
#[path = "oracle.rs"]
mod oracle;
