mod age;
mod labels;
mod record;

use std::{thread, time::Duration};

use http::HeaderMap;

use self::record::{record_complete, record_head, record_special};
use super::{
    core::Core,
    local::{self, LookoutId},
    operation_ref::OperationRef,
    response_flags::{ResponseFlags, Stream},
    start::{OperationKey, Start},
};
use crate::{
    observe::head::{grpc, route::Route},
    operation::{MethodLabel, Operation, Protocol, Side, TrafficId},
    outcome::{Ending, Outcome, Status},
    series::{OptionalHistogram, RawSpan, RawTime, SeriesKey, StatusKey, Store, StreamKind},
};

/// The state of an exchange, in four words.
#[derive(Clone, Copy, Debug)]
pub struct ExchangeState {
    began: RawTime,
    operation: OperationRef,
    flags: ResponseFlags,
    /// The time from the start to the response's head, once [`record_head`](Self::record_head) has
    /// recorded it. Before, the number of an upload.
    head: RawSpan,
}

/// The end of an exchange, for observers.
pub(crate) struct Summary {
    pub(crate) operation: Operation,
    pub(crate) status: Option<Status>,
    pub(crate) outcome: Outcome,
    pub(crate) duration: Duration,
}

/// A response of unknown length counts as a stream if its body outlives its head by this time, in
/// nanoseconds. Its latency is then the time to its head.
const STREAM_AFTER: u64 = 10_000_000_000;

impl ExchangeState {
    /// Starts an HTTP request. Returns `None` once the lookout is closed.
    #[inline(always)]
    pub(crate) fn begin(lookout: LookoutId, key: &OperationKey<'_>) -> Option<Self> {
        Some(Self::started(lookout, Start::request(lookout, key)?, Protocol::Http))
    }

    /// Starts a gRPC call. Returns `None` once the lookout is closed.
    #[inline(always)]
    pub(crate) fn call(lookout: LookoutId, side: Side, method: &str) -> Option<Self> {
        let start = Start::call(lookout, side, method)?;
        let state = Self::started(lookout, start, Protocol::Grpc);
        Some(if start.is_unknown() { state.with_unknown(method) } else { state })
    }

    #[inline(always)]
    fn started(lookout: LookoutId, start: Start, protocol: Protocol) -> Self {
        let operation = OperationRef::new(lookout, start.operation());
        let flags = ResponseFlags::new(protocol == Protocol::Grpc, start.slot());
        Self { began: start.began, operation, flags, head: RawSpan::default() }
    }

    /// Adds the head of a gRPC response. Its status may still come in the trailers.
    #[inline]
    pub(crate) fn with_grpc_response(mut self, status: StatusKey, headers: &HeaderMap) -> Self {
        if self.is_unknown() {
            // A router, an interceptor or a layer that rejects a call before the method lookup puts
            // the status into the head, or sets an HTTP content type.
            let may_be_served = matches!(status, StatusKey::GRPC_MISSING | StatusKey::GRPC_OK);
            let is_served = may_be_served && grpc::is_grpc(headers);
            (self.operation, self.flags) =
                resolve_unknown(self.began, self.operation, self.flags, self.head, is_served);
        }
        self.with_response(status, Stream::Maybe)
    }

    /// Adds the response's head.
    #[inline]
    pub(crate) fn with_response(self, status: StatusKey, stream: Stream) -> Self {
        Self { flags: self.flags.with(status, stream), ..self }
    }

    #[inline]
    pub(crate) fn is_grpc(self) -> bool {
        self.flags.is_grpc()
    }

    #[inline]
    pub(crate) fn lookout(self) -> LookoutId {
        self.operation.lookout()
    }

    /// Marks the gRPC method as unknown. The call counts as `_OTHER` until the response shows that
    /// the server has the method.
    #[cold]
    #[inline(never)]
    fn with_unknown(self, method: &str) -> Self {
        let number = local::with_core(self.lookout(), move |core| core.remember(method)).flatten();
        match number {
            Some(number) => Self { flags: self.flags.with_unknown(number), ..self },
            None => self,
        }
    }

    #[inline]
    pub(crate) fn is_unknown(self) -> bool {
        self.flags.is_unknown()
    }

    /// Moves the exchange to the operation of its route.
    pub(crate) fn with_route(self, method: MethodLabel, route: Route<'_>) -> Self {
        match route {
            Route::Template(route) => {
                self.moved(TrafficId::HTTP_SERVER, method, route).detect_long_poll()
            }
            Route::Unmatched | Route::LookedUp(_) => self,
        }
    }

    /// Moves the exchange and its start to another operation.
    fn moved(self, traffic: TrafficId, method: MethodLabel, route: &str) -> Self {
        let moved = local::with_all(self.lookout(), move |core, store, shard| {
            let id = store.operations.id_of(traffic, method, route);
            let second = store.second(self.began);
            let age = store.clock.nanos(self.began, store.clock.now());
            let (from, to) = (shard.operation(self.operation.id()), shard.operation(id));
            from.unstart();
            to.start();
            if self.flags.is_long_poll() {
                from.stream_closed(self.flags.long_poll_kind());
                to.stream_opened(self.flags.long_poll_kind());
            } else if let Some(upload) = self.upload() {
                core.uploads.move_age(upload, id, store, shard);
            } else {
                from.ages.closed(self.flags.slot(), age, || second);
                to.ages.opened(second);
            }
            id
        });
        match moved {
            Some(id) => Self { operation: self.operation.with_id(id), ..self },
            None => self,
        }
    }

    /// If the route is a long poll, turns the exchange into an open stream, which never counts as
    /// stuck.
    #[cold]
    #[inline(never)]
    pub(crate) fn detect_long_poll(self) -> Self {
        let id = self.operation.id();
        let read = move |core: &Core| core.is_long_poll(id);
        let is_long_poll = local::with_core(self.lookout(), read).unwrap_or_default();
        if !is_long_poll || self.flags.is_long_poll() {
            return self;
        }
        local::with_all(self.lookout(), move |core, store, shard| {
            let age = store.clock.nanos(self.began, store.clock.now());
            let cells = shard.operation(id);
            self.close_age(age, core, store, shard);
            cells.stream_opened(self.flags.long_poll_kind());
        });
        Self { flags: self.flags.with_long_poll(), ..self }
    }

    /// Counts a stream as open.
    #[cold]
    #[inline(never)]
    pub(crate) fn stream_opened(self, kind: StreamKind) {
        local::with(self.lookout(), move |_, shard| {
            shard.operation(self.operation.id()).stream_opened(kind);
        });
    }

    /// Counts a stream as closed, and records the time since the request.
    pub(crate) fn stream_closed(self, kind: StreamKind) {
        local::with(self.lookout(), move |store, shard| {
            let open = store.clock.nanos(self.began, store.clock.now());
            let cells = shard.operation(self.operation.id());
            cells.stream_closed(kind);
            shard.record_optional(self.operation.id(), OptionalHistogram::Stream, store, open);
        });
    }

    /// Records how long the request waited until its client was ready.
    #[cold]
    #[inline(never)]
    pub(crate) fn record_wait(self, nanos: u64) {
        local::with(self.lookout(), move |store, shard| {
            shard.record_optional(self.operation.id(), OptionalHistogram::Wait, store, nanos);
        });
    }

    /// Records the end. Every exchange ends here. The calls below pass the fields in registers,
    /// since the whole state would be passed in memory.
    #[inline]
    pub(crate) fn record(self, ending: Ending) {
        let Self { began, operation, flags, head } = self;
        if flags.is_special() || ending != Ending::Complete {
            record_special(began, operation, flags, head, ending);
        } else {
            record_complete(began, operation, flags);
        }
    }

    /// Returns the ending of an exchange that is dropped in this state.
    pub(crate) fn ending_on_drop(self) -> Ending {
        if thread::panicking() {
            Ending::Panicked
        } else if self.status() == StatusKey::NONE {
            Ending::Cancelled
        } else {
            Ending::Aborted
        }
    }

    /// Returns whether a client has not read any of an HTTP response's body. A client that drops
    /// such a response needed only the head.
    pub(crate) fn is_unread_by_client(self) -> bool {
        let is_unread = !self.is_grpc() && !self.flags.is_head_recorded();
        let is_client = |core: &Core| {
            let operation = core.store.operations.get(self.operation.id());
            operation.is_some_and(|operation| operation.dependency().is_some())
        };
        is_unread && local::with_core(self.lookout(), is_client).unwrap_or_default()
    }

    /// Returns the status; `NONE` without a response.
    fn status(self) -> StatusKey {
        if self.is_unknown() { StatusKey::NONE } else { self.flags.status() }
    }

    /// Takes over the operation of `other`.
    pub(crate) fn move_with(&mut self, other: &Self) {
        self.operation = self.operation.with_id(other.operation.id());
        if other.flags.is_long_poll() {
            self.flags = self.flags.with_long_poll();
        }
    }

    /// Returns the end of this exchange, for observers. Returns `None` once the lookout is closed.
    pub(crate) fn summary(&self, ending: Ending) -> Option<Summary> {
        let key = SeriesKey { status: self.status(), ending, labels: self.operation.labels() };
        let summary = local::with_core(self.lookout(), move |core| {
            let nanos = core.store.clock.nanos(self.began, core.store.clock.now());
            let operation = core.store.operations.get(self.operation.id())?;
            let outcome = core.classifier.outcome(&operation, key);
            let duration = Duration::from_nanos(nanos);
            Some(Summary { operation, status: key.status.status(), outcome, duration })
        });
        summary.flatten()
    }

    /// Records the sizes of the request's and the response's body, in bytes and for gRPC also in
    /// messages.
    pub(crate) fn record_sizes(&self, bytes: [u64; 2], messages: Option<[u64; 2]>) {
        local::with(self.lookout(), move |store, shard| {
            let record = |histogram, value| {
                shard.record_optional(self.operation.id(), histogram, store, value)
            };
            record(OptionalHistogram::RequestSize, bytes[0]);
            record(OptionalHistogram::ResponseSize, bytes[1]);
            if let Some([received, sent]) = messages {
                record(OptionalHistogram::RequestMessages, received);
                record(OptionalHistogram::ResponseMessages, sent);
            }
        });
    }

    /// Records the response's head after the first poll of the body, unless that poll completes the
    /// body. The head has been sent by then, since a server polls the body immediately. For a body
    /// that completes with the first poll, head and end coincide, which saves a clock read.
    #[inline]
    pub(crate) fn record_head(&mut self) {
        if !self.flags.is_head_recorded()
            && let Some(head) = record_head(self.began, self.operation, self.flags, self.head)
        {
            self.head = head;
            self.flags = self.flags.with_head_recorded();
        }
    }

    /// Counts gRPC messages of the response, which becomes a stream with the second message.
    #[inline]
    pub(crate) fn count_messages(&mut self, messages: u32) {
        let is_stream = messages > 1 || (messages > 0 && self.flags.has_message());
        if messages > 0 {
            self.flags = self.flags.with_message();
        }
        if is_stream && !self.flags.is(Stream::Grpc) {
            self.flags = self.flags.with(self.flags.status(), Stream::Grpc);
            self.stream_opened(StreamKind::Grpc);
        }
    }

    /// Sets the gRPC status from the trailers, which override the head.
    #[inline]
    pub(crate) fn set_status(&mut self, status: StatusKey) {
        self.flags = self.flags.with_status(status);
    }

    /// Returns the latency of a stream in nanoseconds: the time to its head, or for a long poll,
    /// which waits intentionally, the time after its head. Returns `None` if the response is not a
    /// stream.
    fn stream_latency(&self, store: &Store, now: RawTime) -> Option<u64> {
        let is_head_recorded = self.flags.is_head_recorded();
        if self.flags.is_long_poll() {
            let head = is_head_recorded.then(|| store.clock.nanos_of(self.head));
            let life = store.clock.nanos(self.began, now);
            return Some(head.map_or(0, |head| life.saturating_sub(head)));
        }
        if !is_head_recorded {
            return None;
        }
        let head = store.clock.nanos_of(self.head);
        let is_long = || store.clock.nanos(self.began, now).saturating_sub(head) >= STREAM_AFTER;
        let is_stream =
            self.flags.stream_kind().is_some() || self.flags.is(Stream::Maybe) && is_long();
        is_stream.then_some(head)
    }
}

/// Decides from the response whether the server has an unknown gRPC method. If so, moves the
/// exchange to the method's operation.
#[cold]
#[inline(never)]
fn resolve_unknown(
    began: RawTime,
    operation: OperationRef,
    flags: ResponseFlags,
    head: RawSpan,
    is_served: bool,
) -> (OperationRef, ResponseFlags) {
    let (flags, number) = flags.take_unknown();
    let method = local::with_core(operation.lookout(), move |core| core.recall(number)).flatten();
    let operation = match method {
        Some(method) if is_served => {
            let traffic = TrafficId::new(Side::SERVER, Protocol::Grpc);
            let state = ExchangeState { began, operation, flags, head };
            state.moved(traffic, MethodLabel::Other, &method).operation
        }
        _ => operation,
    };
    (operation, flags)
}
