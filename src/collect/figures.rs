use std::time::Duration;

use crate::{
    outcome::Outcome,
    series::Tally,
    window::{History, Tick, Totals},
};

/// The figures of one scope: what has ended, in its windows, and what is in flight now.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) history: History,
    pub(crate) in_flight: u64,
    /// The age of the oldest request that waits for its head, as far as it is certain.
    pub(crate) oldest: Option<Duration>,
    /// How late the application's runtime is; told of a group alone.
    pub(crate) runtime_lag: Option<Duration>,
    /// What ended since the last tick: the sums, and the durations by cell.
    new: Totals,
    new_cells: Vec<u32>,
}

impl Figures {
    pub(crate) fn new(cells: usize) -> Self {
        Self {
            history: History::default(),
            in_flight: 0,
            oldest: None,
            runtime_lag: None,
            new: Totals::default(),
            new_cells: vec![0; cells],
        }
    }

    /// The figures of a scope that these are the parts of; what is of the moment comes with the next
    /// tick, and so does what was counted since the last one.
    pub(super) fn of_parts<'a>(cells: usize, parts: impl Iterator<Item = &'a Self>) -> Self {
        let history = History::of_parts(parts.map(|part| &part.history));
        Self { history, ..Self::new(cells) }
    }

    /// Counts durations that ended in one way, and fell into one cell.
    pub(super) fn add(&mut self, outcome: Outcome, cell: usize, tally: Tally) {
        self.new.add(outcome, tally.count, tally.nanos);
        self.new_cells[cell] += u32::try_from(tally.count).unwrap_or(u32::MAX);
    }

    /// Of the requests that were added, counts those whose status is a client error.
    pub(super) fn add_client_errors(&mut self, count: u64) {
        self.new.add_client_errors(count);
    }

    /// Counts what another scope, a part of this one, has new.
    pub(super) fn absorb(&mut self, part: &Self) {
        if part.new_requests() > 0 {
            self.new.merge(&part.new);
            for (cell, more) in self.new_cells.iter_mut().zip(&part.new_cells) {
                *cell += more;
            }
        }
    }

    pub(super) fn new_requests(&self) -> u64 {
        self.new.requests()
    }

    /// All requests that have ended.
    pub(super) fn all_requests(&self) -> u64 {
        self.history.totals().requests() + self.new_requests()
    }

    /// Closes a tick; gives how many bytes the windows take.
    pub(super) fn tick(&mut self, tick: &Tick) -> usize {
        let cells: Vec<_> = if self.new_requests() == 0 {
            Vec::new()
        } else {
            let counts = self.new_cells.iter().enumerate();
            counts.filter(|(_, n)| **n > 0).map(|(cell, n)| (cell as u16, *n)).collect()
        };
        self.history.tick(tick, &self.new, &cells);
        for (cell, _) in cells {
            self.new_cells[usize::from(cell)] = 0;
        }
        self.new = Totals::default();
        self.history.bytes()
    }
}
