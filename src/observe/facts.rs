use std::thread;

use http::{HeaderMap, header};

use super::{LookoutId, entrance::Entry, local, route::Route};
use crate::{
    operation::{MethodLabel, OperationId, Protocol, Side, TrafficId},
    outcome::Ending,
    series::{End, Extra, RawClock, RawTime, StatusKey, StreamKind},
};

/// What is known of an exchange, in a few words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    began: RawTime,
    /// When the head was out, if it was and has been told; see [`gone_on`](Self::gone_on).
    head: Option<RawTime>,
    place: Place,
    answer: Answer,
}

/// Lookout and operation in one word, since each field more is stored and loaded several times on its
/// way from the service into the body.
#[derive(Clone, Copy, Debug)]
struct Place(u64);

impl Place {
    #[inline]
    fn new(lookout: LookoutId, operation: OperationId) -> Self {
        Self(u64::from(lookout.0) << 32 | operation.index() as u64)
    }

    #[inline]
    fn lookout(self) -> LookoutId {
        LookoutId((self.0 >> 32) as u32)
    }

    #[inline]
    fn operation(self) -> OperationId {
        OperationId::new(self.0 as u32)
    }
}

/// Status, [`Stream`] and protocol in one word, for the same reason.
#[derive(Clone, Copy, Debug)]
struct Answer(u32);

impl Answer {
    const NONE: Self = Self(0);
    const GRPC: u32 = 1 << 24;
    const NONE_OF_GRPC: Self = Self(Self::GRPC);
    const HAS_MESSAGE: u32 = 1 << 25;
    const UNKNOWN: u32 = 1 << 26;

    #[inline]
    fn with(self, status: StatusKey, stream: Stream) -> Self {
        Self(self.0 & !0xff_ffff | u32::from(status.to_bits()) | (stream as u32) << 16)
    }

    fn with_status(self, status: StatusKey) -> Self {
        Self(self.0 & !0xffff | u32::from(status.to_bits()))
    }

    /// None without an answer.
    #[inline]
    fn status(self) -> StatusKey {
        StatusKey::from_bits(self.0 as u16)
    }

    #[inline]
    fn is_grpc(self) -> bool {
        self.0 & Self::GRPC != 0
    }

    /// Of a gRPC method that was never seen, and is remembered in this place.
    fn unknown(self, place: u16) -> Self {
        Self(self.0 & !0xffff | Self::UNKNOWN | u32::from(place))
    }

    #[inline]
    fn is_unknown(self) -> bool {
        self.0 & Self::UNKNOWN != 0
    }

    fn has_message(self) -> bool {
        self.0 & Self::HAS_MESSAGE != 0
    }

    fn with_message(self) -> Self {
        Self(self.0 | Self::HAS_MESSAGE)
    }

    #[inline]
    fn is(self, stream: Stream) -> bool {
        (self.0 >> 16) as u8 == stream as u8
    }

    /// What kind of stream the response says that it is.
    #[inline]
    fn stream_kind(self) -> Option<StreamKind> {
        if (self.0 >> 16) as u8 <= Stream::Maybe as u8 {
            return None;
        }
        Some(if self.is(Stream::Grpc) { StreamKind::Grpc } else { StreamKind::EventStream })
    }
}

/// Whether the response may go on for ever, so that its end says nothing about speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// Its length is known.
    No,
    /// Its length is unknown: a stream if it goes on for [`STREAM_AFTER`].
    Maybe,
    /// It says so itself, by its content type.
    Events,
    /// It has more than one gRPC message.
    Grpc,
}

/// How long a response of unknown length may outlive its head before it counts as a stream, whose
/// latency is the head's.
const STREAM_AFTER: u64 = 10_000_000_000;

impl Facts {
    /// `None` once the lookout was closed.
    #[inline]
    pub(super) fn begin(lookout: LookoutId, entry: &Entry<'_>) -> Option<Self> {
        let Entry { traffic, method, route, .. } = *entry;
        let (began, operation) = local::with(lookout, move |core, shard| {
            let began = core.store.clock.now();
            let operations = &core.store.operations;
            let operation = match route {
                Route::Unmatched => operations.unmatched(method),
                Route::Template(route) => operations.id_of(traffic, method, route),
                Route::Looked(operation) => operation,
            };
            let cells = shard.operation(operation);
            cells.start();
            cells.ages.opened(core.store.second(began));
            (began, operation)
        })?;
        let place = Place::new(lookout, operation);
        let is_grpc = traffic.protocol() == Protocol::Grpc;
        let answer = if is_grpc { Answer::NONE_OF_GRPC } else { Answer::NONE };
        Some(Self { began, head: None, place, answer })
    }

    /// The response head came.
    #[inline]
    pub(super) fn answered(self, status: StatusKey, stream: Stream) -> Self {
        Self { answer: self.answer.with(status, stream), ..self }
    }

    #[inline]
    pub(super) fn is_grpc(self) -> bool {
        self.answer.is_grpc()
    }

    #[inline]
    pub(super) fn lookout(self) -> LookoutId {
        self.place.lookout()
    }

    /// The same exchange, of a gRPC method that was never seen: it counts as `_OTHER` until the answer
    /// says that there is one.
    #[cold]
    pub(super) fn of_unknown(self, method: &str) -> Self {
        let place = local::with(self.lookout(), move |core, _| core.remember(method)).flatten();
        match place {
            Some(place) => Self { answer: self.answer.unknown(place), ..self },
            None => self,
        }
    }

    #[inline]
    pub(super) fn is_unknown(self) -> bool {
        self.answer.is_unknown()
    }

    /// The method is known now to be there, or to be none that the server has.
    #[cold]
    #[inline(never)]
    pub(super) fn known(self, is_there: bool) -> Self {
        let place = self.answer.0 as u16;
        let method = local::with(self.lookout(), move |core, _| core.recall(place)).flatten();
        let known = Self { answer: Answer::NONE_OF_GRPC, ..self };
        match method {
            Some(method) if is_there => {
                let traffic = TrafficId::new(Side::SERVER, Protocol::Grpc);
                known.moved(traffic, MethodLabel::Other, &method)
            }
            _ => known,
        }
    }

    /// The same exchange, of the route that it took.
    pub(super) fn of_route(self, method: MethodLabel, route: Route<'_>) -> Self {
        match route {
            Route::Template(route) => self.moved(TrafficId::HTTP_SERVER, method, route),
            Route::Unmatched | Route::Looked(_) => self,
        }
    }

    /// Counts from its beginning for another operation.
    fn moved(self, traffic: TrafficId, method: MethodLabel, route: &str) -> Self {
        let moved = local::with(self.lookout(), move |core, shard| {
            let store = &core.store;
            let operation = store.operations.id_of(traffic, method, route);
            let second = store.second(self.began);
            let age = store.clock.nanos(self.began, store.clock.now());
            let (from, to) = (shard.operation(self.place.operation()), shard.operation(operation));
            from.unstart();
            from.ages.closed(second, age);
            to.start();
            to.ages.opened(second);
            operation
        });
        match moved {
            Some(operation) => Self { place: Place::new(self.lookout(), operation), ..self },
            None => self,
        }
    }

    /// A stream that says so was opened.
    #[cold]
    #[inline(never)]
    pub(super) fn stream_opened(self, kind: StreamKind) {
        local::with(self.lookout(), move |_, shard| {
            shard.operation(self.place.operation()).stream_opened(kind);
        });
    }

    /// It was closed, so long after the request.
    pub(super) fn stream_closed(self, kind: StreamKind) {
        local::with(self.lookout(), move |core, shard| {
            let store = &core.store;
            let open = store.clock.nanos(self.began, store.clock.now());
            let cells = shard.operation(self.place.operation());
            cells.stream_closed(kind);
            cells.record_extra(Extra::Stream, store.bounds.cell_of(open), open);
        });
    }

    /// So long did a client wait until it was ready for this request.
    #[cold]
    #[inline(never)]
    pub(super) fn waited(self, nanos: u64) {
        local::with(self.lookout(), move |core, shard| {
            let cell = core.store.bounds.cell_of(nanos);
            shard.operation(self.place.operation()).record_extra(Extra::Wait, cell, nanos);
        });
    }

    /// The one door through which every exchange ends.
    #[inline]
    pub(super) fn record(self, ending: Ending) {
        let is_unknown = self.is_grpc() && self.is_unknown();
        let this = if is_unknown { self.known(false) } else { self };
        this.record_known(ending);
    }

    #[inline]
    fn record_known(self, ending: Ending) {
        local::with(self.lookout(), move |core, shard| {
            let store = &core.store;
            let now = store.clock.now();
            let head_of_stream = self.head_of_stream(store.clock, now);
            let took = store.clock.nanos(self.began, head_of_stream.unwrap_or(now));
            let cell = store.bounds.cell_of(took);
            let cells = shard.operation(self.place.operation());
            let is_head_told = self.head.is_some();
            if !is_head_told {
                cells.ages.closed(store.second(self.began), took);
            }
            if head_of_stream.is_some() {
                let open = store.clock.nanos(self.began, now);
                cells.record_extra(Extra::Stream, store.bounds.cell_of(open), open);
            }
            if let Some(kind) = self.answer.stream_kind() {
                cells.stream_closed(kind);
            }
            cells.end(
                End { status: self.answer.status(), ending, is_head_told },
                &store.statuses,
                cell,
                took,
            );
        });
    }

    /// The exchange ended by its drop.
    #[cold]
    #[inline(never)]
    pub(super) fn dropped(self) {
        self.record(if thread::panicking() {
            Ending::Panicked
        } else if self.is_unknown() || self.answer.status() == StatusKey::NONE {
            Ending::Cancelled
        } else {
            Ending::Aborted
        });
    }

    /// A head before its end.
    fn tell_head(self) -> Option<RawTime> {
        local::with(self.lookout(), move |core, shard| {
            let store = &core.store;
            let now = store.clock.now();
            let cells = shard.operation(self.place.operation());
            let took = store.clock.nanos(self.began, now);
            cells.ages.closed(store.second(self.began), took);
            cells.head.record(store.bounds.cell_of(took), took);
            now
        })
    }

    /// Whether the head's time is still to be told, after the first poll of the body: then the head
    /// is out, since whoever serves a response turns to its body with the next breath. A body that is
    /// complete with this poll ends at the same moment, which saves a read of the clock.
    #[inline]
    pub(super) fn is_first_poll(self) -> bool {
        self.head.is_none()
    }

    /// The body was not complete with its first poll: what is known of the head is told, because the
    /// rest may take as long as the client likes.
    #[inline(never)]
    pub(super) fn gone_on(self) -> Self {
        Self { head: self.tell_head(), ..self }
    }

    /// So many gRPC messages began; more than one in all make a stream.
    pub(super) fn sent(&mut self, messages: u32) {
        let is_more = messages > 1 || (messages > 0 && self.answer.has_message());
        if messages > 0 {
            self.answer = self.answer.with_message();
        }
        if is_more && !self.answer.is(Stream::Grpc) {
            self.answer = self.answer.with(self.answer.status(), Stream::Grpc);
            self.stream_opened(StreamKind::Grpc);
        }
    }

    /// The trailers came, which have the last word on gRPC's status.
    pub(super) fn trailed(&mut self, status: StatusKey) {
        self.answer = self.answer.with_status(status);
    }

    /// When the head of a stream was out: until then its latency counts.
    #[inline]
    fn head_of_stream(self, clock: &RawClock, now: RawTime) -> Option<RawTime> {
        let head = self.head?;
        let is_stream = self.answer.stream_kind().is_some()
            || self.answer.is(Stream::Maybe) && clock.nanos(head, now) >= STREAM_AFTER;
        is_stream.then_some(head)
    }
}

impl Stream {
    /// Of a response whose length is not known.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let is_event_stream = headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        if is_event_stream { Self::Events } else { Self::Maybe }
    }
}
