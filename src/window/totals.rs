use std::time::Duration;

use crate::outcome::Outcome;

/// Sums since the start: exchanges by outcome, and their total duration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    outcomes: [u64; Outcome::COUNT],
    /// Exchanges with a client error, with any outcome.
    client_errors: u64,
    nanos: u128,
}

impl Totals {
    pub(crate) fn add(&mut self, outcome: Outcome, count: u64, nanos: u64) {
        self.outcomes[outcome as usize] += count;
        self.nanos += u128::from(nanos);
    }

    /// Counts client errors among the [added](Self::add) exchanges.
    pub(crate) fn add_client_errors(&mut self, count: u64) {
        self.client_errors += count;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (outcome, more) in self.outcomes.iter_mut().zip(other.outcomes) {
            *outcome += more;
        }
        self.client_errors += other.client_errors;
        self.nanos += other.nanos;
    }

    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut difference = *self;
        for (outcome, less) in difference.outcomes.iter_mut().zip(earlier.outcomes) {
            *outcome -= less;
        }
        difference.client_errors -= earlier.client_errors;
        difference.nanos -= earlier.nanos;
        difference
    }

    /// The sum of the outcomes. A separate counter could fall behind the errors.
    pub(crate) fn requests(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    pub(crate) fn errors(&self) -> u64 {
        Outcome::ALL
            .iter()
            .filter(|outcome| outcome.is_error())
            .map(|outcome| self.outcomes[*outcome as usize])
            .sum()
    }

    pub(crate) fn client_errors(&self) -> u64 {
        self.client_errors
    }

    /// The total duration of all requests.
    pub(crate) fn time(&self) -> Duration {
        let seconds = u64::try_from(self.nanos / 1_000_000_000).unwrap_or(u64::MAX);
        Duration::new(seconds, (self.nanos % 1_000_000_000) as u32)
    }
}
