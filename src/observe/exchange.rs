use std::{mem, thread};

use http::{HeaderMap, Response, StatusCode, header};

use super::{LookoutId, local, route::Route};
use crate::{
    operation::{MethodLabel, OperationId},
    outcome::Outcome,
    series::{End, RawClock, RawTime},
};

/// One request with its response, alive: it holds when it began and what it counts for, and ends
/// exactly once, by [`end`](Self::end) or by its drop.
///
/// What is known travels as [`Facts`], a plain copy, and an `Exchange` is only where it comes to lie.
/// An `Exchange` has a drop, and so an address: to move one makes the compiler store it field by
/// field and load it back in larger pieces, which wait for the stores.
#[derive(Debug)]
pub(super) struct Exchange(pub(super) Facts);

/// What is known of an exchange.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    began: RawTime,
    /// When the head was out, if it was and has been told; see [`Exchange::goes_on`].
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

/// Status and [`Stream`] in one word, for the same reason.
#[derive(Clone, Copy, Debug)]
struct Answer(u32);

impl Answer {
    const NONE: Self = Self(0);

    #[inline]
    fn new(status: StatusCode, stream: Stream) -> Self {
        Self(u32::from(status.as_u16()) | (stream as u32) << 16)
    }

    /// 0 without an answer.
    #[inline]
    fn status(self) -> u16 {
        self.0 as u16
    }

    #[inline]
    fn is(self, stream: Stream) -> bool {
        self.0 >> 16 == stream as u32
    }
}

/// Whether the response may go on for ever, so that its end says nothing about speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// Its length is known.
    No,
    /// Its length is unknown: a stream if it goes on for [`STREAM_AFTER`].
    Maybe,
    /// It says so itself.
    Yes,
}

/// How long a response of unknown length may outlive its head before it counts as a stream, whose
/// latency is the head's.
const STREAM_AFTER: u64 = 10_000_000_000;

impl Exchange {
    /// `None` once the lookout was closed.
    #[inline]
    pub(super) fn begin(
        lookout: LookoutId,
        method: MethodLabel,
        route: Route<'_>,
    ) -> Option<Facts> {
        let (began, operation) = local::with(lookout, move |core, shard| {
            let began = core.store.clock.now();
            let operation = match route {
                Route::Unmatched => core.store.operations.unmatched(method),
                Route::Template(route) => core.store.operations.id_of(method, route),
                Route::Looked(operation) => operation,
            };
            let cells = shard.operation(operation);
            cells.start();
            cells.ages.opened(core.store.second(began));
            (began, operation)
        })?;
        let place = Place::new(lookout, operation);
        Some(Facts { began, head: None, place, answer: Answer::NONE })
    }

    /// Takes the facts out, to go on with elsewhere.
    #[inline]
    pub(super) fn take(alive: &mut Option<Self>) -> Option<Facts> {
        let facts = alive.as_ref().map(|exchange| exchange.0);
        mem::forget(alive.take());
        facts
    }

    /// Whether the head's time is still to be told, after the first poll of the body: then the head
    /// is out, since whoever serves a response turns to its body with the next breath. A body that is
    /// complete with this poll ends at the same moment, which saves a read of the clock.
    #[inline]
    pub(super) fn is_first_poll(&self) -> bool {
        self.0.head.is_none()
    }

    /// The body was not complete with its first poll: what is known of the head is told, because the
    /// rest may take as long as the client likes.
    #[inline(never)]
    pub(super) fn goes_on(&mut self) {
        self.0.head = self.0.tell_head();
    }

    /// The response was complete.
    #[inline]
    pub(super) fn complete(alive: &mut Option<Self>) {
        if let Some(exchange) = alive {
            exchange.0.record(Outcome::of_complete(exchange.0.answer.status()));
            mem::forget(alive.take());
        }
    }

    #[inline]
    pub(super) fn end(alive: &mut Option<Self>, outcome: Outcome) {
        if let Some(exchange) = alive {
            exchange.0.record(outcome);
            mem::forget(alive.take());
        }
    }
}

impl Facts {
    /// The response head came.
    #[inline]
    pub(super) fn answered(self, status: StatusCode, stream: Stream) -> Self {
        Self { answer: Answer::new(status, stream), ..self }
    }

    /// The one door through which every exchange ends.
    #[inline]
    fn record(self, outcome: Outcome) {
        local::with(self.place.lookout(), move |core, shard| {
            let store = &core.store;
            let took = store.clock.nanos(self.began, self.end_of_latency(store.clock));
            let cell = store.bounds.cell_of(took);
            let cells = shard.operation(self.place.operation());
            let is_head_told = self.head.is_some();
            if !is_head_told {
                cells.ages.closed(store.second(self.began), took);
            }
            let end = End { status: self.answer.status(), outcome, is_head_told };
            cells.end(end, &store.statuses, cell, took);
        });
    }

    /// The exchange ended by its drop.
    #[cold]
    #[inline(never)]
    fn dropped(self) {
        self.record(if thread::panicking() {
            Outcome::Panicked
        } else if self.answer.status() == 0 {
            Outcome::Cancelled
        } else {
            Outcome::Aborted
        });
    }

    /// A head before its end.
    fn tell_head(self) -> Option<RawTime> {
        local::with(self.place.lookout(), move |core, shard| {
            let store = &core.store;
            let now = store.clock.now();
            let cells = shard.operation(self.place.operation());
            let took = store.clock.nanos(self.began, now);
            cells.ages.closed(store.second(self.began), took);
            cells.head.record(store.bounds.cell_of(took), took);
            now
        })
    }

    /// The moment until which the latency counts: now, but the head of a stream.
    #[inline]
    fn end_of_latency(self, clock: &RawClock) -> RawTime {
        let now = clock.now();
        let Some(head) = self.head else { return now };
        let is_stream = self.answer.is(Stream::Yes)
            || self.answer.is(Stream::Maybe) && clock.nanos(head, now) >= STREAM_AFTER;
        if is_stream { head } else { now }
    }
}

/// Ends an exchange as panicked if it is dropped, as the unwinding of the inner service's panic does,
/// also where something outside catches that.
pub(super) struct Inside<'a>(&'a mut Option<Exchange>);

impl<'a> Inside<'a> {
    #[inline]
    pub(super) fn enter(exchange: &'a mut Option<Exchange>) -> Self {
        Self(exchange)
    }

    #[inline]
    pub(super) fn leave(self) {
        mem::forget(self);
    }
}

impl Drop for Inside<'_> {
    #[cold]
    fn drop(&mut self) {
        Exchange::end(self.0, Outcome::Panicked);
    }
}

impl Drop for Exchange {
    #[inline]
    fn drop(&mut self) {
        self.0.dropped();
    }
}

impl Stream {
    /// Of a response whose length is not known.
    pub(super) fn of<B>(response: &Response<B>) -> Self {
        if is_event_stream(response.headers()) { Self::Yes } else { Self::Maybe }
    }
}

#[inline]
fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}
