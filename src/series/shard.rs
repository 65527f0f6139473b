use std::{
    iter,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{Ages, Histogram, LabelSet, SeriesKey, StatusKey, Statuses, Store, add};
use crate::{operation::OperationId, outcome::Ending};

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
    /// Time to the response head, where that was told before the end.
    pub(crate) head: Histogram,
    started: AtomicU64,
    ended: AtomicU64,
    first: SeriesList,
    /// What has labels of the user's, in lists by these.
    labelled: OnceLock<Box<[SeriesList]>>,
    extras: [OnceLock<Box<Histogram>>; Extra::COUNT],
    /// How often something changed that few operations have.
    rare: AtomicU64,
    /// Streams that were opened, and that were closed, by [`StreamKind`].
    streams: [[AtomicU64; 2]; StreamKind::ALL.len()],
    layout: ShardLayout,
}

/// What few operations have: durations, and what bodies are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extra {
    /// From the first time that a client was not ready until it was.
    Wait,
    /// From the request to the end of its stream.
    Stream,
    /// Bytes of a request's body.
    RequestSize,
    /// Bytes of a response's body.
    ResponseSize,
    /// gRPC messages of a request.
    RequestMessages,
    /// gRPC messages of a response.
    ResponseMessages,
}

impl Extra {
    pub(crate) const COUNT: usize = 6;

    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::Wait,
        Self::Stream,
        Self::RequestSize,
        Self::ResponseSize,
        Self::RequestMessages,
        Self::ResponseMessages,
    ];

    /// Whether it counts the bytes of bodies.
    pub(crate) fn is_size(self) -> bool {
        matches!(self, Self::RequestSize | Self::ResponseSize)
    }
}

/// What may stay open for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamKind {
    /// Server-sent events.
    EventStream,
    /// gRPC with more than one message.
    Grpc,
    /// A connection that became something else: WebSocket, CONNECT.
    Upgrade,
    /// A body that nothing is known of but that it goes on.
    UnknownLength,
    /// A request that is answered when there is something to tell.
    LongPoll,
}

impl StreamKind {
    pub(crate) const ALL: [Self; 5] =
        [Self::EventStream, Self::Grpc, Self::Upgrade, Self::UnknownLength, Self::LongPoll];

    /// The `kind` label.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::EventStream => "event_stream",
            Self::Grpc => "grpc",
            Self::Upgrade => "upgrade",
            Self::UnknownLength => "unknown_length",
            Self::LongPoll => "long_poll",
        }
    }
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
            head: Histogram::new(layout.cells),
            started: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            first: OnceLock::new(),
            labelled: OnceLock::new(),
            rare: AtomicU64::new(0),
            extras: [const { OnceLock::new() }; Extra::COUNT],
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

    /// The durations of what ended like this; found where it was met before, else made.
    #[inline]
    pub(crate) fn duration(&self, end: End, statuses: &Statuses) -> &Histogram {
        let duration = self.met_duration(SeriesId::new(end.status, end));
        duration.unwrap_or_else(|| self.first_duration(end, statuses))
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

    #[cold]
    pub(crate) fn record_extra(&self, extra: Extra, store: &Store, value: u64) {
        let bounds = store.bounds_of(extra);
        let histogram =
            self.extras[extra as usize].get_or_init(|| Box::new(Histogram::new(bounds.cells())));
        histogram.record(bounds.cell_of(value), value);
        add(&self.rare, 1, Ordering::Release);
    }

    /// How often something changed besides starts and ends.
    pub(crate) fn rare(&self) -> u64 {
        self.rare.load(Ordering::Acquire)
    }

    pub(crate) fn extra(&self, extra: Extra) -> Option<&Histogram> {
        self.extras[extra as usize].get().map(|histogram| &**histogram)
    }

    #[cold]
    pub(crate) fn stream_opened(&self, kind: StreamKind) {
        add(&self.streams[kind as usize][0], 1, Ordering::Relaxed);
        add(&self.rare, 1, Ordering::Release);
    }

    #[cold]
    pub(crate) fn stream_closed(&self, kind: StreamKind) {
        add(&self.streams[kind as usize][1], 1, Ordering::Relaxed);
        add(&self.rare, 1, Ordering::Release);
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
        iter::once(&self.head).chain(with_the_end.map(|series| &series.duration))
    }

    /// The durations of a status that was not met here, or keeps only its class, or of what has labels
    /// of the user's.
    #[cold]
    #[inline(never)]
    fn first_duration(&self, end: End, statuses: &Statuses) -> &Histogram {
        let status = statuses.key(end.status);
        let id = SeriesId::new(status, end);
        let mut link = self.list_of(end.labels);
        loop {
            let series = link.get_or_init(|| {
                Box::new(Series {
                    id,
                    key: SeriesKey { status, ending: end.ending, labels: end.labels },
                    duration: Histogram::new(self.layout.cells),
                    next: OnceLock::new(),
                })
            });
            if series.id == id {
                return &series.duration;
            }
            link = &series.next;
        }
    }

    /// Where a series is, among those with labels such as these.
    fn list_of(&self, labels: LabelSet) -> &SeriesList {
        if labels == LabelSet::NONE {
            return &self.first;
        }
        let lists = self
            .labelled
            .get_or_init(|| (0..self.layout.labelled).map(|_| OnceLock::new()).collect());
        &lists[usize::from(labels.0) % lists.len()]
    }
}
