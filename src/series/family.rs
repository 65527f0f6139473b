use std::time::Duration;

use crate::operation::Operation;

/// Routes whose durations have other buckets than the rest.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) routes: Vec<String>,
    /// Upper bounds, ascending and above zero.
    pub(crate) buckets: Vec<Duration>,
}

impl Family {
    /// Only what is served has routes.
    pub(crate) fn has(&self, operation: &Operation) -> bool {
        operation.dependency().is_none()
            && self.routes.iter().any(|route| *route == operation.route())
    }
}

/// The recorder's buckets of a histogram, and which cells lie in each.
#[derive(Debug)]
pub(crate) struct Buckets {
    /// The upper bounds, ascending.
    le: Box<[u64]>,
    /// The bucket of each cell; past the last `le` it is `+Inf`'s.
    of: Box<[u16]>,
    /// What the recorder's unit is, in this one's: a second has 10⁹ nanoseconds.
    unit: f64,
}

impl Buckets {
    /// `upper` are the cells' bounds, of which each `le` must be one.
    pub(super) fn new(unit: f64, le: &[u64], upper: &[u64]) -> Self {
        let of = upper.iter().map(|upper| le.partition_point(|le| le < upper) as u16).collect();
        Self { le: le.into(), of, unit }
    }

    /// A value as the recorder is told it.
    pub(crate) fn in_unit(&self, value: f64) -> f64 {
        value / self.unit
    }

    /// How many there are, `+Inf` included.
    pub(crate) fn count(&self) -> usize {
        self.le.len() + 1
    }

    /// The bucket that a cell lies in.
    pub(crate) fn of(&self, cell: usize) -> usize {
        usize::from(self.of[cell])
    }

    /// A bucket as `(lower, upper]`; that of `+Inf` ends at `u64::MAX`.
    pub(crate) fn range(&self, bucket: usize) -> (u64, u64) {
        let lower = if bucket == 0 { 0 } else { self.le[bucket - 1] };
        (lower, self.le.get(bucket).copied().unwrap_or(u64::MAX))
    }
}
