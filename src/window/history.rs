use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::{
    Timeline, Totals,
    timeline::{Tick, Tier},
};
use crate::series::Bounds;

/// What one scope (the service, an operation) counted, tick by tick; a tick without change costs
/// nothing and keeps nothing.
#[derive(Debug, Default)]
pub(crate) struct History {
    now: Totals,
    seconds: Changes,
    minutes: Changes,
}

/// The ticks at which something changed, in the order of time.
#[derive(Debug, Default)]
struct Changes {
    /// The sums before the first of them.
    before: Totals,
    changes: VecDeque<Change>,
    /// How many cells they have together.
    cells: usize,
}

#[derive(Debug)]
struct Change {
    tick: u64,
    /// The sums after it.
    totals: Totals,
    /// By cell, how many durations it added.
    cells: Box<[(u16, u32)]>,
}

impl History {
    /// Takes what was counted since the last tick: the sums, and `(cell, durations)` in order.
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

    /// What a scope would have counted all along that these are the parts of.
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

    /// What the changes take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.seconds.bytes() + self.minutes.bytes()
    }

    /// The sums since the start.
    pub(crate) fn totals(&self) -> &Totals {
        &self.now
    }

    /// The window that is `over` long by the marks of `timeline`; shorter only where the lookout is
    /// younger than that.
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
            // What came after the last minute mark is only in the seconds.
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
        self.changes.push_back(change);
    }

    fn bytes(&self) -> usize {
        self.changes.capacity() * size_of::<Change>() + self.cells * size_of::<(u16, u32)>()
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
                self.before = change.totals;
            }
        }
    }
}

/// What one scope counted in a stretch of time that ends at the last tick.
#[derive(Clone, Debug)]
pub(crate) struct Window<'a> {
    elapsed: Duration,
    totals: Totals,
    history: &'a History,
    minutes_after: Option<u64>,
    seconds_after: u64,
}

impl Window<'_> {
    /// The time that really passed: at least the length asked for, unless the lookout is younger.
    pub(crate) fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// The sums from the start to where the window begins.
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

    /// The durations of all requests together.
    pub(crate) fn time(&self) -> Duration {
        self.totals.time()
    }

    /// Exact; `None` without requests.
    pub(crate) fn mean(&self) -> Option<Duration> {
        let requests = self.requests();
        (requests > 0).then(|| Duration::from_secs_f64(self.time().as_secs_f64() / requests as f64))
    }

    /// Requests a second that ended; `None` before any time has passed.
    pub(crate) fn throughput(&self) -> Option<f64> {
        (!self.elapsed.is_zero()).then(|| self.requests() as f64 / self.elapsed.as_secs_f64())
    }

    /// How many requests took longer than `threshold`; exact where that is one of the bounds, else by
    /// the nearest one.
    pub(crate) fn slower_than(&self, threshold: Duration, bounds: &Bounds) -> u64 {
        let above = bounds.first_above(threshold);
        self.cells()
            .filter(|(cell, _)| usize::from(*cell) >= above)
            .map(|(_, count)| u64::from(count))
            .sum()
    }

    /// The duration that a share `q` of the requests did not exceed, within 1/9 of it; `None` without
    /// requests.
    pub(crate) fn quantile(&self, q: f64, bounds: &Bounds) -> Option<Duration> {
        let mut counts = vec![0_u64; bounds.cells()];
        for (cell, count) in self.cells() {
            counts[usize::from(cell)] += u64::from(count);
        }
        let total: u64 = counts.iter().sum();
        let rank = ((q * total as f64).ceil() as u64).clamp(1, total.max(1));
        let mut below = 0;
        let cell = counts.iter().position(|count| {
            below += count;
            below >= rank
        })?;
        Some(Duration::from_nanos(bounds.middle(cell)))
    }

    /// `(cell, durations)`, a cell as often as it changed.
    fn cells(&self) -> impl Iterator<Item = (u16, u32)> {
        let minutes = self.minutes_after.map(|tick| self.history.minutes.after(tick));
        let seconds = self.history.seconds.after(self.seconds_after);
        minutes.into_iter().flatten().chain(seconds).flat_map(|change| change.cells.iter().copied())
    }
}

#[cfg(test)]
#[path = "oracle.rs"]
mod oracle;
