use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use super::{Ages, Histogram, SeriesKey, add};
use crate::operation::OperationId;

/// The sizes that all shards of a lookout share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShardLayout {
    pub(crate) operations: usize,
    pub(crate) cells: usize,
}

/// What one thread has counted, for all operations; allocated as they are first met.
#[derive(Debug)]
pub(crate) struct Shard {
    operations: Box<[OnceLock<Box<OperationCells>>]>,
    cells: usize,
}

/// The cells of one operation, in one shard.
///
/// Aligned to two cache lines, so that no two threads' cells meet in one (the prefetcher takes two).
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct OperationCells {
    pub(crate) ages: Ages,
    /// Time to the response head.
    pub(crate) head: Histogram,
    started: AtomicU64,
    ended: AtomicU64,
    first: OnceLock<Box<Series>>,
    cells: usize,
}

/// The durations of one operation that ended in one way; a list in the order of first use, so that
/// the commonest end is found first.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Series {
    key: SeriesKey,
    duration: Histogram,
    next: OnceLock<Box<Series>>,
}

impl Shard {
    pub(crate) fn new(layout: ShardLayout) -> Arc<Self> {
        Arc::new(Self {
            operations: (0..layout.operations).map(|_| OnceLock::new()).collect(),
            cells: layout.cells,
        })
    }

    /// The cells to write to.
    #[inline]
    pub(crate) fn operation(&self, id: OperationId) -> &OperationCells {
        self.operations[id.index()].get_or_init(|| Box::new(OperationCells::new(self.cells)))
    }

    /// The cells to read, if this thread met the operation.
    pub(crate) fn seen(&self, id: usize) -> Option<&OperationCells> {
        self.operations[id].get().map(|cells| &**cells)
    }
}

impl OperationCells {
    fn new(cells: usize) -> Self {
        Self {
            ages: Ages::new(),
            head: Histogram::new(cells),
            started: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            first: OnceLock::new(),
            cells,
        }
    }

    #[inline]
    pub(crate) fn start(&self) {
        add(&self.started, 1, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn end(&self, key: SeriesKey, cell: usize, nanos: u64) {
        self.series(key).duration.record(cell, nanos);
        // Released last: who sees the end also sees what was recorded of it.
        add(&self.ended, 1, Ordering::Release);
    }

    pub(crate) fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Acquire)
    }

    /// Every way in which this operation has ended on this thread.
    pub(crate) fn all_series(&self) -> impl Iterator<Item = (SeriesKey, &Histogram)> {
        let mut next = self.first.get();
        std::iter::from_fn(move || {
            let series = next?;
            next = series.next.get();
            Some((series.key, &series.duration))
        })
    }

    #[inline]
    fn series(&self, key: SeriesKey) -> &Series {
        let mut link = &self.first;
        loop {
            let series = link.get_or_init(|| {
                Box::new(Series {
                    key,
                    duration: Histogram::new(self.cells),
                    next: OnceLock::new(),
                })
            });
            if series.key == key {
                return series;
            }
            link = &series.next;
        }
    }
}
