use std::{
    hint, iter,
    sync::atomic::{AtomicU64, Ordering, fence},
    thread,
};

/// The cells of one histogram in one shard. Each cell is a count and a sum.
///
/// It is a seqlock with one writer: the version is odd during a write, so that a reader never sees
/// a count without its sum. The writer never waits for a reader.
#[derive(Debug)]
pub(crate) struct Histogram {
    version: AtomicU64,
    /// Two cache lines at each end are unused, which prevents false sharing.
    cells: Box<[Cell]>,
}

/// The number of unused cells before the first cell and after the last.
const PADDING: usize = 8;

/// Aligned, so that no cell spans two cache lines.
#[derive(Debug, Default)]
#[repr(align(16))]
struct Cell {
    count: AtomicU64,
    nanos: AtomicU64,
}

/// A number of durations and their sum in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    pub(crate) nanos: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.nanos = self.nanos.wrapping_add(other.nanos);
    }

    /// Returns the tally of the first `count` of these durations, as if all were equal.
    pub(crate) fn first(self, count: u64) -> Self {
        if self.count <= count {
            return self;
        }
        let nanos = u128::from(self.nanos) * u128::from(count) / u128::from(self.count);
        Self { count, nanos: nanos as u64 }
    }

    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { count: self.count - earlier.count, nanos: self.nanos.wrapping_sub(earlier.nanos) }
    }
}

impl Histogram {
    pub(crate) fn new(cells: usize) -> Self {
        let cells = iter::repeat_with(Cell::default).take(cells + 2 * PADDING).collect();
        Self { version: AtomicU64::new(0), cells }
    }

    /// Returns the size of a histogram's cells, in bytes.
    pub(super) fn bytes(cells: usize) -> usize {
        (cells + 2 * PADDING) * size_of::<Cell>()
    }

    #[inline]
    pub(crate) fn record(&self, cell: usize, nanos: u64) {
        let cell = &self.cells[PADDING + cell];
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        super::add(&cell.count, 1, Ordering::Relaxed);
        super::add(&cell.nanos, nanos, Ordering::Relaxed);
        self.version.store(version + 2, Ordering::Release);
    }

    /// Returns a number that increases with each record.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Adds a consistent snapshot of the cells to `sums`.
    ///
    /// Returns `false` and leaves `sums` unchanged if the writer is suspended in the middle of a
    /// record. The next read includes that record.
    #[must_use]
    pub(crate) fn add_to(&self, sums: &mut [Tally], copy: &mut Vec<Tally>) -> bool {
        for attempt in 0..READ_ATTEMPTS {
            let version = self.version.load(Ordering::Acquire);
            if version.is_multiple_of(2) {
                copy.clear();
                copy.extend(self.cells[PADDING..].iter().map(|cell| Tally {
                    count: cell.count.load(Ordering::Relaxed),
                    nanos: cell.nanos.load(Ordering::Relaxed),
                }));
                fence(Ordering::Acquire);
                if self.version.load(Ordering::Relaxed) == version {
                    for (sum, read) in sums.iter_mut().zip(copy) {
                        sum.add(*read);
                    }
                    return true;
                }
            }
            if attempt < READ_ATTEMPTS / 2 { hint::spin_loop() } else { thread::yield_now() }
        }
        false
    }
}

const READ_ATTEMPTS: usize = 200;

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn a_concurrent_reader_never_sees_a_count_without_its_sum() {
        let histogram = Histogram::new(2);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..200_000 {
                    histogram.record(n % 2, 7);
                }
                done.store(true, Ordering::Release);
            });
            let mut copy = Vec::new();
            while !done.load(Ordering::Acquire) {
                let mut sums = [Tally::default(); 2];
                if histogram.add_to(&mut sums, &mut copy) {
                    for sum in sums {
                        assert_eq!(sum.nanos, sum.count * 7);
                    }
                }
            }
            let mut sums = [Tally::default(); 2];
            assert!(histogram.add_to(&mut sums, &mut copy));
            assert_eq!(sums.map(|sum| sum.count), [100_000; 2]);
        });
    }
}
