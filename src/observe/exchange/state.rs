mod aged;
mod recorded;

use std::{thread, time::Duration};

use http::HeaderMap;

use self::recorded::{record_complete, record_special, tell_head};
use super::{local, start::Start};
use crate::observe::{
    Core, LookoutId,
    detail::observer::{Finished, Tell},
    head::{
        grpc,
        layer_config::Entry,
        response_flags::{OperationRef, ResponseFlags, Stream},
        route::Route,
    },
};
use crate::{
    operation::{MethodLabel, Protocol, Side, TrafficId},
    outcome::Ending,
    series::{
        LabelSet, OptionalHistogram, RawSpan, RawTime, SeriesKey, StatusKey, Store, StreamKind,
    },
};

/// What is known of an exchange, in a few words.
#[derive(Clone, Copy, Debug)]
pub struct ExchangeState {
    began: RawTime,
    place: OperationRef,
    answer: ResponseFlags,
    /// From the beginning until the head was out, once [`go_on`](Self::go_on) has recorded it. Until
    /// then, the number of an upload.
    head: RawSpan,
}

/// How long a response of unknown length may outlive its head before it counts as a stream, whose
/// latency is the head's.
const STREAM_AFTER: u64 = 10_000_000_000;

impl ExchangeState {
    /// `None` once the lookout was closed.
    #[inline(always)]
    pub(crate) fn begin(lookout: LookoutId, entry: &Entry<'_>) -> Option<Self> {
        let Entry { traffic, method, route } = *entry;
        let start = match route {
            Route::Unmatched => Start::unmatched(lookout, traffic, method),
            Route::Template(route) => Start::routed(lookout, traffic, method, route),
            Route::Looked(operation) => Start::looked(lookout, operation),
        };
        Some(Self::started(lookout, start?, Protocol::Http))
    }

    /// Like [`begin`](Self::begin), of a gRPC call of a method.
    #[inline(always)]
    pub(crate) fn call(lookout: LookoutId, side: Side, method: &str) -> Option<Self> {
        let start = Start::called(lookout, side, method)?;
        let facts = Self::started(lookout, start, Protocol::Grpc);
        Some(if start.is_unknown() { facts.of_unknown(method) } else { facts })
    }

    #[inline(always)]
    fn started(lookout: LookoutId, start: Start, protocol: Protocol) -> Self {
        let place = OperationRef::new(lookout, start.operation());
        let answer = ResponseFlags::awaited(protocol == Protocol::Grpc, start.slot());
        Self { began: start.began, place, answer, head: RawSpan::default() }
    }

    /// The response head came, of gRPC, whose status may still come in the trailers.
    #[inline]
    pub(crate) fn replied(mut self, status: StatusKey, headers: &HeaderMap) -> Self {
        if self.is_unknown() {
            // Whoever refuses a call before its method is looked up says so in the head (a router, an
            // interceptor, a layer), or by a content type of HTTP's.
            let is_answer = matches!(status, StatusKey::GRPC_MISSING | StatusKey::GRPC_OK);
            let is_there = is_answer && grpc::is_grpc(headers);
            (self.place, self.answer) =
                known(self.began, self.place, self.answer, self.head, is_there);
        }
        self.answered(status, Stream::Maybe)
    }

    /// The response head came.
    #[inline]
    pub(crate) fn answered(self, status: StatusKey, stream: Stream) -> Self {
        Self { answer: self.answer.with(status, stream), ..self }
    }

    #[inline]
    pub(crate) fn is_grpc(self) -> bool {
        self.answer.is_grpc()
    }

    #[inline]
    pub(crate) fn lookout(self) -> LookoutId {
        self.place.lookout()
    }

    /// The same exchange, of a gRPC method that was never seen: it counts as `_OTHER` until the answer
    /// says that there is one.
    #[cold]
    #[inline(never)]
    fn of_unknown(self, method: &str) -> Self {
        let place = local::with_core(self.lookout(), move |core| core.remember(method)).flatten();
        match place {
            Some(place) => Self { answer: self.answer.of_unknown(place), ..self },
            None => self,
        }
    }

    #[inline]
    pub(crate) fn is_unknown(self) -> bool {
        self.answer.is_unknown()
    }

    /// The same exchange, of the route that it took.
    pub(crate) fn of_route(self, method: MethodLabel, route: Route<'_>) -> Self {
        match route {
            Route::Template(route) => self.moved(TrafficId::HTTP_SERVER, method, route).by_route(),
            Route::Unmatched | Route::Looked(_) => self,
        }
    }

    /// Counts from its beginning for another operation.
    fn moved(self, traffic: TrafficId, method: MethodLabel, route: &str) -> Self {
        let moved = local::with_all(self.lookout(), move |core, store, shard| {
            let operation = store.operations.id_of(traffic, method, route);
            let second = store.second(self.began);
            let age = store.clock.nanos(self.began, store.clock.now());
            let (from, to) = (shard.operation(self.place.operation()), shard.operation(operation));
            from.unstart();
            to.start();
            if self.answer.is_long_poll() {
                from.stream_closed(self.answer.long_poll_kind());
                to.stream_opened(self.answer.long_poll_kind());
            } else if let Some(upload) = self.upload() {
                core.uploads.move_age(upload, operation, store, shard);
            } else {
                from.ages.closed(self.answer.slot(), age, || second);
                to.ages.opened(second);
            }
            operation
        });
        match moved {
            Some(operation) => Self { place: self.place.with_operation(operation), ..self },
            None => self,
        }
    }

    /// The same exchange; of a route that answers when there is something to tell, a stream from now on, and
    /// no request that may be stuck.
    #[cold]
    #[inline(never)]
    pub(crate) fn by_route(self) -> Self {
        let operation = self.place.operation();
        let asks = move |core: &Core| core.is_long_poll(operation);
        let is_one = local::with_core(self.lookout(), asks).unwrap_or_default();
        if !is_one || self.answer.is_long_poll() {
            return self;
        }
        local::with_all(self.lookout(), move |core, store, shard| {
            let age = store.clock.nanos(self.began, store.clock.now());
            let cells = shard.operation(operation);
            self.close_age(age, core, store, shard);
            cells.stream_opened(self.answer.long_poll_kind());
        });
        Self { answer: self.answer.of_long_poll(), ..self }
    }

    /// The values of the user's labels so far.
    pub(crate) fn labels(self) -> LabelSet {
        self.place.labels()
    }

    pub(crate) fn with_labels(self, labels: LabelSet) -> Self {
        Self { place: self.place.with_labels(labels), ..self }
    }

    /// A stream that says so was opened.
    #[cold]
    #[inline(never)]
    pub(crate) fn stream_opened(self, kind: StreamKind) {
        local::with(self.lookout(), move |_, shard| {
            shard.operation(self.place.operation()).stream_opened(kind);
        });
    }

    /// It was closed, so long after the request.
    pub(crate) fn stream_closed(self, kind: StreamKind) {
        local::with(self.lookout(), move |store, shard| {
            let open = store.clock.nanos(self.began, store.clock.now());
            let cells = shard.operation(self.place.operation());
            cells.stream_closed(kind);
            shard.record_extra(self.place.operation(), OptionalHistogram::Stream, store, open);
        });
    }

    /// So long did a client wait until it was ready for this request.
    #[cold]
    #[inline(never)]
    pub(crate) fn waited(self, nanos: u64) {
        local::with(self.lookout(), move |store, shard| {
            shard.record_extra(self.place.operation(), OptionalHistogram::Wait, store, nanos);
        });
    }

    /// The one door through which every exchange ends. Behind it all is passed in registers: a copy of
    /// the facts would have to lie in memory.
    #[inline]
    pub(crate) fn record(self, ending: Ending) {
        let Self { began, place, answer, head } = self;
        if answer.is_special() || ending != Ending::Complete {
            record_special(began, place, answer, head, ending);
        } else {
            record_complete(began, place, answer);
        }
    }

    /// How an exchange ends that is dropped.
    pub(crate) fn ending_by_drop(self) -> Ending {
        if thread::panicking() {
            Ending::Panicked
        } else if self.status() == StatusKey::NONE {
            Ending::Cancelled
        } else {
            Ending::Aborted
        }
    }

    /// Whether a client drops the answer to a request of HTTP without having read of it: it had what it
    /// wanted.
    pub(crate) fn is_unread_by_client(self) -> bool {
        let is_unread = !self.is_grpc() && !self.answer.is_head_told();
        let asks = |core: &Core| {
            let operation = core.store.operations.get(self.place.operation());
            operation.is_some_and(|operation| operation.dependency().is_some())
        };
        is_unread && local::with_core(self.lookout(), asks).unwrap_or_default()
    }

    /// None without an answer.
    fn status(self) -> StatusKey {
        if self.is_unknown() { StatusKey::NONE } else { self.answer.status() }
    }

    /// From now on it counts for the operation that `other` counts for.
    pub(crate) fn move_with(&mut self, other: &Self) {
        self.place = self.place.with_operation(other.place.operation());
        if other.answer.is_long_poll() {
            self.answer = self.answer.of_long_poll();
        }
    }

    /// Tells observers how it ended.
    pub(crate) fn tell(&self, ending: Ending, bytes: [u64; 2], observers: Vec<Box<dyn Tell>>) {
        let key = SeriesKey { status: self.status(), ending, labels: self.labels() };
        let judged = local::with_core(self.lookout(), move |core| {
            let duration = core.store.clock.nanos(self.began, core.store.clock.now());
            let operation = core.store.operations.get(self.place.operation())?;
            let outcome = core.judge.outcome(&operation, key);
            Some((operation, outcome, Duration::from_nanos(duration)))
        });
        if let Some((operation, outcome, duration)) = judged.flatten() {
            let [request_bytes, response_bytes] = bytes;
            let status = key.status.status();
            let operation = &operation;
            let finished =
                Finished { operation, status, outcome, duration, request_bytes, response_bytes };
            for tell in observers {
                tell.finished(&finished);
            }
        }
    }

    /// So many bytes, and messages of gRPC, had the bodies of request and response.
    pub(crate) fn sizes(&self, bytes: [u64; 2], messages: Option<[u64; 2]>) {
        local::with(self.lookout(), move |store, shard| {
            let record =
                |extra, value| shard.record_extra(self.place.operation(), extra, store, value);
            record(OptionalHistogram::RequestSize, bytes[0]);
            record(OptionalHistogram::ResponseSize, bytes[1]);
            if let Some([received, sent]) = messages {
                record(OptionalHistogram::RequestMessages, received);
                record(OptionalHistogram::ResponseMessages, sent);
            }
        });
    }

    /// The body was not complete with a poll. After the first one the head is out, since whoever serves
    /// a response turns to its body with the next breath; a body that is complete with that poll ends at
    /// the same moment, which saves a read of the clock.
    #[inline]
    pub(crate) fn go_on(&mut self) {
        if !self.answer.is_head_told()
            && let Some(head) = tell_head(self.began, self.place, self.answer, self.head)
        {
            self.head = head;
            self.answer = self.answer.with_head_told();
        }
    }

    /// So many gRPC messages began; more than one in all make a stream.
    #[inline]
    pub(crate) fn sent(&mut self, messages: u32) {
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
    #[inline]
    pub(crate) fn trailed(&mut self, status: StatusKey) {
        self.answer = self.answer.with_status(status);
    }

    /// The latency that counts of a stream, in nanoseconds: how long its head took, and of a long poll what
    /// comes after its head, since it waits on purpose before that.
    fn latency_of_stream(&self, store: &Store, now: RawTime) -> Option<u64> {
        let is_head_told = self.answer.is_head_told();
        if self.answer.is_long_poll() {
            let head = is_head_told.then(|| store.clock.nanos_of(self.head));
            let life = store.clock.nanos(self.began, now);
            return Some(head.map_or(0, |head| life.saturating_sub(head)));
        }
        if !is_head_told {
            return None;
        }
        let head = store.clock.nanos_of(self.head);
        let is_long = || store.clock.nanos(self.began, now).saturating_sub(head) >= STREAM_AFTER;
        let is_stream =
            self.answer.stream_kind().is_some() || self.answer.is(Stream::Maybe) && is_long();
        is_stream.then_some(head)
    }
}

/// The gRPC method is known now to be there, or to be none that the server has.
#[cold]
#[inline(never)]
fn known(
    began: RawTime,
    place: OperationRef,
    answer: ResponseFlags,
    head: RawSpan,
    is_there: bool,
) -> (OperationRef, ResponseFlags) {
    let (answer, number) = answer.take_unknown();
    let method = local::with_core(place.lookout(), move |core| core.recall(number)).flatten();
    let place = match method {
        Some(method) if is_there => {
            let traffic = TrafficId::new(Side::SERVER, Protocol::Grpc);
            let known = ExchangeState { began, place, answer, head };
            known.moved(traffic, MethodLabel::Other, &method).place
        }
        _ => place,
    };
    (place, answer)
}
