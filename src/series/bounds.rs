use std::time::Duration;

use super::{Buckets, Family};
use crate::operation::Operation;

/// The upper bounds of a histogram's cells, in nanoseconds.
///
/// The bounds are log-linear, four per octave from 16 µs to 73 min, plus the recorder's `le` bounds
/// and the rules' thresholds. So the same cells yield exact Prometheus buckets, the exact share
/// above a threshold, and quantiles with a relative error of at most 1/9.
#[derive(Debug)]
pub(crate) struct Bounds {
    /// The inclusive upper bound of each cell, ascending; the last one is `u64::MAX`.
    upper: Box<[u64]>,
    /// The upper bound of the first cell.
    lowest: u64,
    /// The first cell of each step, indexed by [`start_of`].
    first: [u16; STARTS],
    /// The recorder's buckets.
    buckets: Buckets,
    /// The buckets of routes with their own buckets.
    families: Box<[(Family, Buckets)]>,
}

const SUB_BITS: u32 = 2;
const LOWEST: u32 = 14;
const HIGHEST: u32 = 42;
const STEPS: usize = 2 + ((HIGHEST - LOWEST) as usize) * (1 << SUB_BITS);
const STARTS: usize = 64 << SUB_BITS;

impl Bounds {
    /// The maximum relative error of a quantile between 16 µs and 73 min: half the width of a step
    /// divided by its middle, 1/(2·4+1). Below 16 µs the error is less than 16 µs.
    #[cfg(test)]
    pub(crate) const QUANTILE_ERROR: f64 = 1.0 / 9.0;

    /// `le` must be ascending and above zero, which the builder checks.
    pub(crate) fn new(le: &[Duration], thresholds: &[Duration]) -> Self {
        Self::with_families(le, Vec::new(), thresholds)
    }

    /// Like [`new`](Self::new), but also splits the cells at the bounds of each family, so that its
    /// buckets are exact, too.
    pub(crate) fn with_families(
        le: &[Duration],
        families: Vec<Family>,
        thresholds: &[Duration],
    ) -> Self {
        let in_nanos =
            |bounds: &[Duration]| -> Vec<u64> { bounds.iter().copied().map(nanos).collect() };
        let families: Vec<_> = families
            .into_iter()
            .map(|family| {
                let le = in_nanos(&family.buckets);
                (family, le)
            })
            .collect();
        let mut splits = in_nanos(thresholds);
        splits.extend(families.iter().flat_map(|(_, le)| le));
        let mut bounds = Self::of_unit(1e9, &in_nanos(le), &splits);
        let of_family = |(family, le): (Family, Vec<u64>)| {
            let buckets = Buckets::new(1e9, &le, &bounds.upper);
            (family, buckets)
        };
        bounds.families = families.into_iter().map(of_family).collect();
        bounds
    }

    /// Creates the bounds of values that are not durations.
    pub(crate) fn of(le: &[u64]) -> Self {
        Self::of_unit(1.0, le, &[])
    }

    fn of_unit(unit: f64, le: &[u64], splits: &[u64]) -> Self {
        let mut upper: Vec<u64> = (0..STEPS).map(step_upper).collect();
        upper.extend(le.iter().chain(splits));
        upper.sort_unstable();
        upper.dedup();
        let mut first = [0; STARTS];
        // Values below the lowest step start at the first cell.
        for octave in LOWEST..u64::BITS - 1 {
            for sub in 0..1_u128 << SUB_BITS {
                let start = (((1 << SUB_BITS) + sub) << octave).div_ceil(1 << SUB_BITS) as u64;
                // Beyond the highest step, the conversion to a float may round up into the next
                // step.
                let below = start.min(1 << HIGHEST);
                let cell = upper.partition_point(|upper| *upper <= below);
                first[usize::from(start_of(start + 1))] = cell as u16;
            }
        }
        let buckets = Buckets::new(unit, le, &upper);
        let lowest = upper[0];
        Self { buckets, families: Box::default(), upper: upper.into(), lowest, first }
    }

    /// Returns the number of cells.
    pub(crate) fn cells(&self) -> usize {
        self.upper.len()
    }

    /// Returns the cell of a duration. A cell's bounds are `(lower, upper]`, since Prometheus's
    /// `le` is inclusive.
    #[inline]
    pub(crate) fn cell_of(&self, nanos: u64) -> usize {
        // The durations of most operations are always above or always below, so the CPU predicts
        // this branch, and the shortest durations need no lookup.
        if nanos <= self.lowest {
            return 0;
        }
        let mut cell = usize::from(self.first[usize::from(start_of(nanos))]);
        while nanos > self.upper[cell] {
            cell += 1;
        }
        cell
    }

    /// Returns the family of an operation, if it has one.
    pub(crate) fn family_of(&self, operation: &Operation) -> Option<usize> {
        self.families.iter().position(|(family, _)| family.has(operation))
    }

    /// Returns the name of a family.
    pub(crate) fn family(&self, index: usize) -> &str {
        &self.families[index].0.name
    }

    /// Returns the recorder's buckets for a family, or with `None` those for all other routes.
    pub(crate) fn buckets(&self, family: Option<usize>) -> &Buckets {
        family.map_or(&self.buckets, |index| &self.families[index].1)
    }

    /// Returns the first cell above `threshold`. The result is exact for the thresholds of the
    /// rules at the start, since these are bounds. Any other threshold is rounded to the nearest
    /// bound, which is within 1/9 of it.
    pub(crate) fn first_above(&self, threshold: Duration) -> usize {
        let threshold = nanos(threshold);
        let above = self.upper.partition_point(|upper| *upper <= threshold);
        let lower = above.checked_sub(1).map_or(0, |below| self.upper[below]);
        let is_nearer_to_upper =
            self.upper.get(above).is_some_and(|upper| upper - threshold < threshold - lower);
        above + usize::from(is_nearer_to_upper)
    }

    /// Returns whether a threshold is one of the bounds, so that it is evaluated exactly.
    pub(crate) fn is_exact(&self, threshold: Duration) -> bool {
        self.upper.binary_search(&nanos(threshold)).is_ok()
    }

    /// Returns the representative value of a cell: the one with the least relative error to both
    /// bounds.
    pub(crate) fn middle(&self, cell: usize) -> u64 {
        let lower = if cell == 0 { 0 } else { self.upper[cell - 1] };
        if cell + 1 == self.upper.len() {
            return lower;
        }
        let (low, high) = (lower as f64, self.upper[cell] as f64);
        (2.0 * low * high / (low + high)) as u64
    }
}

/// Converts a duration to nanoseconds, and saturates after five centuries.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns the log-linear step of a duration, before the splits: the exponent and the first
/// mantissa bits of the float. One byte distinguishes 64 octaves. Zero, and values so large that
/// they become negative, are in the lowest step.
#[inline]
fn start_of(nanos: u64) -> u8 {
    // Subtract one, since upper bounds are inclusive.
    let value = nanos.wrapping_sub(1) as i64 as f64;
    (value.to_bits() >> (f64::MANTISSA_DIGITS - 1 - SUB_BITS)) as u8
}

/// Returns the inclusive upper bound of a log-linear step.
fn step_upper(step: usize) -> u64 {
    if step == 0 {
        return 1 << LOWEST;
    }
    if step == STEPS - 1 {
        return u64::MAX;
    }
    let octave = LOWEST + ((step - 1) >> SUB_BITS) as u32;
    let sub = ((step - 1) & ((1 << SUB_BITS) - 1)) as u64;
    ((1 << SUB_BITS) + sub + 1) << (octave - SUB_BITS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn default_bounds() -> Bounds {
        let le = [5, 10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000];
        let slow = Family {
            name: "slow".to_owned(),
            routes: Vec::new(),
            buckets: [7, 1_000, 61_000].map(Duration::from_millis).to_vec(),
        };
        let le = le.map(Duration::from_millis);
        Bounds::with_families(&le, vec![slow], &[Duration::from_millis(300)])
    }

    #[test]
    fn a_bound_is_inclusive_to_the_nanosecond() {
        let bounds = default_bounds();
        for buckets in [bounds.buckets(None), bounds.buckets(Some(0))] {
            for bucket in 0..buckets.count() - 1 {
                let (_, le) = buckets.range(bucket);
                assert_eq!(buckets.of(bounds.cell_of(le)), bucket);
                assert_eq!(buckets.of(bounds.cell_of(le + 1)), bucket + 1);
            }
            assert_eq!(buckets.of(bounds.cell_of(0)), 0);
            assert_eq!(buckets.of(bounds.cell_of(u64::MAX)), buckets.count() - 1);
        }
    }

    #[test]
    fn a_rules_threshold_splits_the_cells() {
        let bounds = default_bounds();
        let above = bounds.first_above(Duration::from_millis(300));
        assert!(bounds.cell_of(300_000_000) < above);
        assert_eq!(bounds.cell_of(300_000_001), above);
    }

    proptest! {
        #[test]
        fn any_other_threshold_is_rounded_within_the_documented_error(
            nanos in 1_u64 << 15..1 << 42,
        ) {
            let bounds = default_bounds();
            let rounded = bounds.upper[bounds.first_above(Duration::from_nanos(nanos)) - 1];
            let error = (rounded as f64 - nanos as f64).abs() / nanos as f64;
            prop_assert!(error <= Bounds::QUANTILE_ERROR + 1e-6, "{error}");
            prop_assert!(!bounds.is_exact(Duration::from_nanos(nanos)) || rounded == nanos);
        }

        #[test]
        fn every_duration_is_within_the_bounds_of_its_cell(nanos: u64) {
            let bounds = default_bounds();
            let cell = bounds.cell_of(nanos);
            prop_assert!(nanos <= bounds.upper[cell]);
            prop_assert!(cell == 0 || nanos > bounds.upper[cell - 1]);
        }

        #[test]
        fn every_size_is_within_the_bounds_of_its_cell(
            size in prop_oneof![0_u64..20, 0_u64..1 << 40, any::<u64>()],
            powers in 0_u32..63,
            near in 0_u64..3,
        ) {
            let bounds = Bounds::of(&[1, 2, 5, 1 << 20]);
            for size in [size, (1 << powers) - 1 + near] {
                let cell = bounds.cell_of(size);
                prop_assert!(size <= bounds.upper[cell], "{size}: {cell}");
                prop_assert!(cell == 0 || size > bounds.upper[cell - 1], "{size}: {cell}");
            }
        }

        #[test]
        fn the_middle_of_a_cell_is_within_the_documented_error(nanos in (1_u64 << 14) + 1..1 << 42) {
            let bounds = default_bounds();
            let middle = bounds.middle(bounds.cell_of(nanos)) as f64;
            let error = (middle - nanos as f64).abs() / nanos as f64;
            prop_assert!(error <= Bounds::QUANTILE_ERROR + 1e-6, "{error}");
        }
    }
}
