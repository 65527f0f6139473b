use std::time::Duration;

use crate::operation::Operation;

/// Routes whose histograms have their own buckets.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) routes: Vec<String>,
    /// The upper bounds, ascending and above zero.
    pub(crate) buckets: Vec<Duration>,
}

impl Family {
    /// Returns whether the operation is one of the routes. Only servers have routes.
    pub(crate) fn has(&self, operation: &Operation) -> bool {
        operation.dependency().is_none()
            && self.routes.iter().any(|route| *route == operation.route())
    }
}

/// The recorder's buckets of a histogram, and the bucket of each cell.
#[derive(Debug)]
pub(crate) struct Buckets {
    /// The upper bounds, ascending.
    le: Box<[u64]>,
    /// The bucket of each cell; above the last `le` it is `+Inf`.
    of: Box<[u16]>,
    /// The recorder's unit, measured in the cells' unit: 10⁹ if the recorder has seconds and the
    /// cells have nanoseconds.
    unit: f64,
}

impl Buckets {
    /// `upper` are the cells' bounds, which must contain each `le`.
    pub(super) fn new(unit: f64, le: &[u64], upper: &[u64]) -> Self {
        let of = upper.iter().map(|upper| le.partition_point(|le| le < upper) as u16).collect();
        Self { le: le.into(), of, unit }
    }

    /// Converts a value to the recorder's unit.
    pub(crate) fn in_unit(&self, value: f64) -> f64 {
        value / self.unit
    }

    /// Returns the number of buckets, including `+Inf`.
    pub(crate) fn count(&self) -> usize {
        self.le.len() + 1
    }

    /// Returns the bucket of a cell.
    pub(crate) fn of(&self, cell: usize) -> usize {
        usize::from(self.of[cell])
    }

    /// Returns the bounds `(lower, upper]` of a bucket; `+Inf` ends at `u64::MAX`.
    pub(crate) fn range(&self, bucket: usize) -> (u64, u64) {
        let lower = if bucket == 0 { 0 } else { self.le[bucket - 1] };
        (lower, self.le.get(bucket).copied().unwrap_or(u64::MAX))
    }
}
