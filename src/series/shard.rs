use std::{
    iter,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{Ages, Histogram, LabelSet, OptionalHistogram, SeriesKey, StatusKey, StreamKind, add};
use crate::{operation::OperationId, outcome::Ending};

/// The sizes of a lookout's shards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShardLayout {
    pub(crate) operations: usize,
    pub(crate) cells: usize,
    /// The number of lists for an operation's series with user labels.
    pub(crate) labelled: usize,
}

/// The counts of one thread, for all operations. The cells of an operation are allocated when the
/// thread first uses it.
#[derive(Debug)]
pub(crate) struct Shard {
    operations: Box<[OnceLock<Box<OperationCells>>]>,
    layout: ShardLayout,
}

/// The cells of one operation in one shard.
///
/// Aligned to two cache lines against false sharing: the prefetcher loads pairs of lines.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct OperationCells {
    pub(crate) ages: Ages,
    started: AtomicU64,
    ended: AtomicU64,
    first: SeriesList,
    /// The series with user labels. The labels determine the list.
    labelled: OnceLock<Box<[SeriesList]>>,
    optional: [OnceLock<Box<Histogram>>; OptionalHistogram::COUNT],
    /// The number of changes other than starts and ends.
    changes: AtomicU64,
    /// Opened and closed streams, by [`StreamKind`].
    streams: [[AtomicU64; 2]; StreamKind::ALL.len()],
    layout: ShardLayout,
}

/// The durations of one operation's exchanges with one kind of end. The series form a list in the
/// order of their first use, since the most common end usually occurs first.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Series {
    id: SeriesId,
    pub(crate) key: SeriesKey,
    pub(crate) duration: Histogram,
    next: SeriesList,
}

type SeriesList = OnceLock<Box<Series>>;

/// The end of an exchange, with its status before the limit on statuses applies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) status: StatusKey,
    pub(crate) ending: Ending,
    pub(crate) labels: LabelSet,
    /// Whether the time to the head is already recorded. If not, the head was sent with the end.
    pub(crate) is_head_recorded: bool,
}

impl End {
    pub(super) fn key(self) -> SeriesKey {
        SeriesKey { status: self.status, ending: self.ending, labels: self.labels }
    }
}

/// The key of a series in one word, for one comparison: status, ending, whether the head was
/// recorded, and the user's labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SeriesId(u64);

impl SeriesId {
    const HEAD_RECORDED: u64 = 1 << 24;

    #[inline]
    pub(super) fn new(status: StatusKey, end: End) -> Self {
        let head_recorded = if end.is_head_recorded { Self::HEAD_RECORDED } else { 0 };
        let ending = u64::from(end.ending.code());
        Self(u64::from(status.0) | ending << 16 | head_recorded | u64::from(end.labels.0) << 32)
    }
}

impl Series {
    /// Returns the size of a series, in bytes.
    fn bytes(cells: usize) -> usize {
        size_of::<Self>() + Histogram::bytes(cells)
    }

    /// Returns whether the durations are also times to the head.
    fn has_heads(&self) -> bool {
        self.id.0 & SeriesId::HEAD_RECORDED == 0 && self.key.status != StatusKey::NONE
    }
}

impl Shard {
    pub(crate) fn new(layout: ShardLayout) -> Arc<Self> {
        Arc::new(Self {
            operations: (0..layout.operations).map(|_| OnceLock::new()).collect(),
            layout,
        })
    }

    /// Returns the cells of an operation. Allocates them when the thread first uses it.
    #[inline]
    pub(crate) fn operation(&self, id: OperationId) -> &OperationCells {
        self.get(id).unwrap_or_else(|| self.create(id))
    }

    /// Returns the cells of an operation, if this thread has used it before.
    #[inline]
    pub(crate) fn get(&self, id: OperationId) -> Option<&OperationCells> {
        self.operations[id.index()].get().map(|cells| &**cells)
    }

    /// Returns the size of an empty shard, in bytes.
    pub(super) fn bytes(layout: ShardLayout) -> usize {
        size_of::<Self>() + layout.operations * size_of::<OnceLock<Box<OperationCells>>>()
    }

    #[cold]
    #[inline(never)]
    fn create(&self, id: OperationId) -> &OperationCells {
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
            changes: AtomicU64::new(0),
            optional: [const { OnceLock::new() }; OptionalHistogram::COUNT],
            streams: [const { [const { AtomicU64::new(0) }; 2] }; StreamKind::ALL.len()],
            layout,
        }
    }

    #[inline]
    pub(crate) fn start(&self) {
        add(&self.started, 1, Ordering::Relaxed);
    }

    /// Counts an end whose duration falls into this cell of its histogram.
    #[inline]
    pub(crate) fn end(&self, duration: &Histogram, cell: usize, nanos: u64) {
        duration.record(cell, nanos);
        // The release comes last, so that a reader that sees the end also sees its duration.
        add(&self.ended, 1, Ordering::Release);
    }

    /// Returns the durations of responses with this status that completed with their head, if there
    /// are any.
    #[inline(always)]
    pub(crate) fn get_complete(&self, status: StatusKey, labels: LabelSet) -> Option<&Histogram> {
        let end = End { status, ending: Ending::Complete, labels, is_head_recorded: false };
        self.get_duration(SeriesId::new(status, end))
    }

    #[inline(always)]
    pub(super) fn get_duration(&self, id: SeriesId) -> Option<&Histogram> {
        let mut next = self.first.get();
        while let Some(series) = next
            && series.id != id
        {
            next = series.next.get();
        }
        next.map(|series| &series.duration)
    }

    /// Undoes a start, since the exchange moves to another operation or is ignored.
    pub(crate) fn unstart(&self) {
        add(&self.started, u64::MAX, Ordering::Relaxed);
    }

    /// Counts a change other than a start or an end. Call it after the change: a reader that sees
    /// the count also sees the change.
    pub(super) fn changed(&self) {
        add(&self.changes, 1, Ordering::Release);
    }

    /// Returns an optional histogram. Allocates it if there is none and `reserve` grants its bytes.
    pub(super) fn optional_or_new(
        &self,
        kind: OptionalHistogram,
        cells: usize,
        reserve: impl FnOnce(usize) -> bool,
    ) -> Option<&Histogram> {
        let histogram = &self.optional[kind as usize];
        if histogram.get().is_none() && !reserve(size_of::<Histogram>() + Histogram::bytes(cells)) {
            return None;
        }
        Some(histogram.get_or_init(|| Box::new(Histogram::new(cells))))
    }

    /// Returns the number of changes other than starts and ends.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    pub(crate) fn optional(&self, kind: OptionalHistogram) -> Option<&Histogram> {
        self.optional[kind as usize].get().map(|histogram| &**histogram)
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

    /// Returns how many streams were opened and closed on this thread.
    pub(crate) fn streams(&self, kind: StreamKind) -> [u64; 2] {
        self.streams[kind as usize].each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    pub(crate) fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Acquire)
    }

    /// Returns all series of this operation on this thread.
    #[inline]
    pub(crate) fn all_series(&self) -> impl Iterator<Item = &Series> {
        let lists = iter::once(&self.first).chain(self.labelled.get().into_iter().flatten());
        let series = lists.flat_map(|list| iter::successors(list.get(), |last| last.next.get()));
        series.map(|series| &**series)
    }

    /// Returns all histograms that hold times to the response's head.
    pub(crate) fn heads(&self) -> impl Iterator<Item = &Histogram> {
        let with_the_end = self.all_series().filter(|series| series.has_heads());
        self.optional(OptionalHistogram::Head)
            .into_iter()
            .chain(with_the_end.map(|series| &series.duration))
    }

    /// Returns the durations of this kind of end. Allocates the series if there is none and
    /// `reserve` grants its bytes.
    pub(super) fn series(&self, end: End, reserve: impl Fn(usize) -> bool) -> Option<&Histogram> {
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

    /// Returns the list of the series with these labels. Allocates it if `reserve` grants its
    /// bytes.
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
