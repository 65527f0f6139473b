use std::time::Duration;

use crate::{
    outcome::Outcome,
    series::Tally,
    window::{History, Tick, Totals},
};

/// The figures of an operation or a group: the ended requests in its windows, and the requests in
/// flight.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) history: History,
    pub(crate) in_flight: u64,
    /// The minimum age of the oldest request that waits for its response's head.
    pub(crate) oldest: Option<Duration>,
    /// The lag of the application's runtime; only groups have it.
    pub(crate) runtime_lag: Option<Duration>,
    /// The requests that ended since the last tick.
    new: Totals,
    /// Their durations by cell.
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

    /// The figures of a group of these operations. The next tick adds the requests in flight and
    /// those that ended since the last tick.
    pub(super) fn of_parts<'a>(cells: usize, parts: impl Iterator<Item = &'a Self>) -> Self {
        let history = History::of_parts(parts.map(|part| &part.history));
        Self { history, ..Self::new(cells) }
    }

    /// Adds durations with this outcome to a cell.
    pub(super) fn add(&mut self, outcome: Outcome, cell: usize, tally: Tally) {
        self.new.add(outcome, tally.count, tally.nanos);
        self.new_cells[cell] += u32::try_from(tally.count).unwrap_or(u32::MAX);
    }

    /// Adds the number of new requests whose status is a client error.
    pub(super) fn add_client_errors(&mut self, count: u64) {
        self.new.add_client_errors(count);
    }

    /// Adds the new requests of an operation to this group.
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

    /// All ended requests, including those since the last tick.
    pub(super) fn all_requests(&self) -> u64 {
        self.history.totals().requests() + self.new_requests()
    }

    /// Closes a tick, and returns the memory of the windows in bytes.
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
