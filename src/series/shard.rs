use std::{
    iter,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    Ages, Histogram, LabelSet, OptionalHistogram, SeriesKey, StatusKey, Store, StreamKind, add,
};
use crate::{memory::Room, operation::OperationId, outcome::Ending};

/// The sizes that all shards of a lookout share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShardLayout {
    pub(crate) operations: usize,
    pub(crate) cells: usize,
    /// Into how many lists the series with labels of the user's are split.
    pub(crate) labelled: usize,
}

/// What one thread has counted, for all operations; allocated as they are first met.
#[derive(Debug)]
pub(crate) struct Shard {
    operations: Box<[OnceLock<Box<OperationCells>>]>,
    layout: ShardLayout,
}

/// The cells of one operation, in one shard.
///
/// Aligned to two cache lines, so that no two threads' cells meet in one (the prefetcher takes two).
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct OperationCells {
    pub(crate) ages: Ages,
    started: AtomicU64,
    ended: AtomicU64,
    first: SeriesList,
    /// What has labels of the user's, in lists by these.
    labelled: OnceLock<Box<[SeriesList]>>,
    extras: [OnceLock<Box<Histogram>>; OptionalHistogram::COUNT],
    /// How often something changed that few operations have.
    rare: AtomicU64,
    /// Streams that were opened, and that were closed, by [`StreamKind`].
    streams: [[AtomicU64; 2]; StreamKind::ALL.len()],
    layout: ShardLayout,
}

/// The durations of one operation that ended in one way; a list in the order of first use, so that
/// the commonest end is found first.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Series {
    id: SeriesId,
    pub(crate) key: SeriesKey,
    pub(crate) duration: Histogram,
    next: SeriesList,
}

type SeriesList = OnceLock<Box<Series>>;

/// How an exchange ended, before its status is held against the bound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) status: StatusKey,
    pub(crate) ending: Ending,
    pub(crate) labels: LabelSet,
    /// Whether the time to the head was told before; else the head was out with the end.
    pub(crate) is_head_told: bool,
}

impl End {
    fn key(self) -> SeriesKey {
        SeriesKey { status: self.status, ending: self.ending, labels: self.labels }
    }
}

/// What a series is found by, in one comparison: status, ending, whether the head was told, and the
/// user's labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SeriesId(u64);

impl SeriesId {
    const HEAD_TOLD: u64 = 1 << 24;

    #[inline]
    fn new(status: StatusKey, end: End) -> Self {
        let head_told = if end.is_head_told { Self::HEAD_TOLD } else { 0 };
        let ending = u64::from(end.ending.code());
        Self(u64::from(status.0) | ending << 16 | head_told | u64::from(end.labels.0) << 32)
    }
}

impl Series {
    /// What one takes, in bytes.
    fn bytes(cells: usize) -> usize {
        size_of::<Self>() + Histogram::bytes(cells)
    }

    /// Whether the durations are the times to the head as well.
    fn has_heads(&self) -> bool {
        self.id.0 & SeriesId::HEAD_TOLD == 0 && self.key.status != StatusKey::NONE
    }
}

impl Shard {
    pub(crate) fn new(layout: ShardLayout) -> Arc<Self> {
        Arc::new(Self {
            operations: (0..layout.operations).map(|_| OnceLock::new()).collect(),
            layout,
        })
    }

    /// The cells to write to.
    #[inline]
    pub(crate) fn operation(&self, id: OperationId) -> &OperationCells {
        self.met(id).unwrap_or_else(|| self.first_of(id))
    }

    /// The same, if this thread met the operation before.
    #[inline]
    pub(crate) fn met(&self, id: OperationId) -> Option<&OperationCells> {
        self.operations[id.index()].get().map(|cells| &**cells)
    }

    /// What it takes before anything is counted, in bytes.
    pub(super) fn bytes(layout: ShardLayout) -> usize {
        size_of::<Self>() + layout.operations * size_of::<OnceLock<Box<OperationCells>>>()
    }

    /// Counts an end of the operation whose cells these are, after so many nanoseconds.
    #[inline]
    pub(crate) fn end(
        &self,
        cells: &OperationCells,
        id: OperationId,
        end: End,
        store: &Store,
        nanos: u64,
    ) {
        match cells.met_duration(SeriesId::new(end.status, end)) {
            Some(duration) => cells.end(duration, store.bounds.cell_of(nanos), nanos),
            None => self.first_end(cells, id, end, store, nanos),
        }
    }

    /// Of a status that was not met here, or keeps only its class, or of what has labels of the user's.
    ///
    /// Without memory for a series of its own it shares one with its class, and without memory for that
    /// one it shares the class of the operation that stands for all others.
    #[cold]
    #[inline(never)]
    fn first_end(
        &self,
        cells: &OperationCells,
        id: OperationId,
        end: End,
        store: &Store,
        nanos: u64,
    ) {
        let status = store.statuses.key(end.status);
        let own = End { status, ..end };
        let shared = End { status: status.of_class(), labels: LabelSet::NONE, ..end };
        let cell = store.bounds.cell_of(nanos);
        let found =
            cells.series(own, |bytes| store.reserve(id, own.key(), bytes, Room::Most)).or_else(
                || cells.series(shared, |bytes| store.reserve(id, shared.key(), bytes, Room::All)),
            );
        if let Some(duration) = found {
            cells.end(duration, cell, nanos);
            return;
        }
        let overflow = store.operations.overflow_of(id);
        let others = self.operation(overflow);
        let reserve = |bytes| store.reserve(overflow, shared.key(), bytes, Room::Beyond);
        if let Some(duration) = others.series(shared, reserve) {
            cells.end(duration, cell, nanos);
            // It has not ended there, but its reader must look.
            others.changed();
        }
    }

    /// Records a value of the operation, or of the one that stands for all others if there is no memory
    /// for a histogram.
    #[cold]
    pub(crate) fn record_extra(
        &self,
        id: OperationId,
        extra: OptionalHistogram,
        store: &Store,
        value: u64,
    ) {
        let cells = self.operation(id);
        let bounds = store.bounds_of(extra);
        let found = cells
            .extra_or_new(extra, bounds.cells(), |bytes| store.reserve_extra(bytes, Room::Most));
        let (cells, histogram) = match found {
            Some(histogram) => (cells, histogram),
            None => {
                let others = self.operation(store.operations.overflow_of(id));
                let reserve = |bytes| store.reserve_extra(bytes, Room::Beyond);
                match others.extra_or_new(extra, bounds.cells(), reserve) {
                    Some(histogram) => (others, histogram),
                    None => return,
                }
            }
        };
        histogram.record(bounds.cell_of(value), value);
        cells.changed();
    }

    #[cold]
    #[inline(never)]
    fn first_of(&self, id: OperationId) -> &OperationCells {
        self.operations[id.index()].get_or_init(|| Box::new(OperationCells::new(self.layout)))
    }
}

impl OperationCells {
    fn new(layout: ShardLayout) -> Self {
        Self {
            ages: Ages::new(),
            started: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            first: OnceLock::new(),
            labelled: OnceLock::new(),
            rare: AtomicU64::new(0),
            extras: [const { OnceLock::new() }; OptionalHistogram::COUNT],
            streams: [const { [const { AtomicU64::new(0) }; 2] }; StreamKind::ALL.len()],
            layout,
        }
    }

    #[inline]
    pub(crate) fn start(&self) {
        add(&self.started, 1, Ordering::Relaxed);
    }

    /// Counts an end that fell into this cell of its [`duration`](Self::duration).
    #[inline]
    pub(crate) fn end(&self, duration: &Histogram, cell: usize, nanos: u64) {
        duration.record(cell, nanos);
        // Released last: who sees the end also sees what was recorded of it.
        add(&self.ended, 1, Ordering::Release);
    }

    /// The durations of what was complete with its head, with this status, if that was met before.
    #[inline(always)]
    pub(crate) fn met_complete(&self, status: StatusKey, labels: LabelSet) -> Option<&Histogram> {
        let end = End { status, ending: Ending::Complete, labels, is_head_told: false };
        self.met_duration(SeriesId::new(status, end))
    }

    #[inline(always)]
    fn met_duration(&self, id: SeriesId) -> Option<&Histogram> {
        let mut next = self.first.get();
        while let Some(series) = next
            && series.id != id
        {
            next = series.next.get();
        }
        next.map(|series| &series.duration)
    }

    /// Takes a start back, which counts for another operation.
    pub(crate) fn unstart(&self) {
        add(&self.started, u64::MAX, Ordering::Relaxed);
    }

    /// Something changed besides starts and ends; released after it, so that a reader who sees this sees
    /// that as well.
    fn changed(&self) {
        add(&self.rare, 1, Ordering::Release);
    }

    /// The histogram, a new one if there is none and `reserve` has its bytes.
    fn extra_or_new(
        &self,
        extra: OptionalHistogram,
        cells: usize,
        reserve: impl FnOnce(usize) -> bool,
    ) -> Option<&Histogram> {
        let histogram = &self.extras[extra as usize];
        if histogram.get().is_none() && !reserve(size_of::<Histogram>() + Histogram::bytes(cells)) {
            return None;
        }
        Some(histogram.get_or_init(|| Box::new(Histogram::new(cells))))
    }

    /// How often something changed besides starts and ends.
    pub(crate) fn rare(&self) -> u64 {
        self.rare.load(Ordering::Acquire)
    }

    pub(crate) fn extra(&self, extra: OptionalHistogram) -> Option<&Histogram> {
        self.extras[extra as usize].get().map(|histogram| &**histogram)
    }

    #[cold]
    pub(crate) fn stream_opened(&self, kind: StreamKind) {
        add(&self.streams[kind as usize][0], 1, Ordering::Relaxed);
        self.changed();
    }

    #[cold]
    pub(crate) fn stream_closed(&self, kind: StreamKind) {
        add(&self.streams[kind as usize][1], 1, Ordering::Relaxed);
        self.changed();
    }

    /// How many streams were opened and how many closed, on this thread.
    pub(crate) fn streams(&self, kind: StreamKind) -> [u64; 2] {
        self.streams[kind as usize].each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    pub(crate) fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Acquire)
    }

    /// Every way in which this operation has ended on this thread.
    #[inline]
    pub(crate) fn all_series(&self) -> impl Iterator<Item = &Series> {
        let lists = iter::once(&self.first).chain(self.labelled.get().into_iter().flatten());
        let series = lists.flat_map(|list| iter::successors(list.get(), |last| last.next.get()));
        series.map(|series| &**series)
    }

    /// All times to the response head.
    pub(crate) fn heads(&self) -> impl Iterator<Item = &Histogram> {
        let with_the_end = self.all_series().filter(|series| series.has_heads());
        self.extra(OptionalHistogram::Head)
            .into_iter()
            .chain(with_the_end.map(|series| &series.duration))
    }

    /// The durations of what ended like this, of a new series if there is none and `reserve` has its bytes.
    fn series(&self, end: End, reserve: impl Fn(usize) -> bool) -> Option<&Histogram> {
        let id = SeriesId::new(end.status, end);
        let mut link = self.list_of(end.labels, &reserve)?;
        loop {
            match link.get() {
                Some(series) if series.id == id => return Some(&series.duration),
                Some(series) => link = &series.next,
                None if !reserve(Series::bytes(self.layout.cells)) => return None,
                None => {
                    let series = link.get_or_init(|| {
                        let duration = Histogram::new(self.layout.cells);
                        Box::new(Series { id, key: end.key(), duration, next: OnceLock::new() })
                    });
                    return Some(&series.duration);
                }
            }
        }
    }

    /// Where a series is, among those with labels such as these.
    fn list_of(&self, labels: LabelSet, reserve: impl Fn(usize) -> bool) -> Option<&SeriesList> {
        if labels == LabelSet::NONE {
            return Some(&self.first);
        }
        let count = self.layout.labelled;
        if self.labelled.get().is_none() && !reserve(count * size_of::<SeriesList>()) {
            return None;
        }
        let lists = self.labelled.get_or_init(|| (0..count).map(|_| OnceLock::new()).collect());
        Some(&lists[usize::from(labels.0) % lists.len()])
    }
}

#[cfg(test)]
#[path = "shard_tests.rs"]
mod tests;
