use std::{mem, thread, time::Duration};

use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::Body;

use super::{LookoutId, local};
use crate::{
    operation::OperationId,
    outcome::Outcome,
    series::{RawTime, SeriesKey, StatusKey},
};

/// One request with its response, alive: it holds when it began and what it counts for, and ends
/// exactly once, by [`end`](Self::end) or by its drop.
///
/// Its steps consume it and give a new one, which measured some 15 ns less a request than to change
/// it in place before it moves on.
#[derive(Debug)]
pub(super) struct Exchange(Facts);

/// What is known of an exchange.
#[derive(Clone, Copy, Debug)]
struct Facts {
    began: RawTime,
    /// When the head was out, if it was and has been told; see [`Exchange::goes_on`].
    head: Option<RawTime>,
    lookout: LookoutId,
    operation: OperationId,
    /// The second in which it began, by the store's clock; its age is told by it.
    second: u32,
    status: Option<StatusCode>,
    method: BodyRule,
    stream: Stream,
}

/// What a method says about the bodies of its responses (RFC 9110 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodyRule {
    Any,
    /// HEAD: never a body.
    Never,
    /// CONNECT: a success turns the connection into a tunnel.
    NotOnSuccess,
}

/// Whether the response may go on for ever, so that its end says nothing about speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    /// Its length is known.
    No,
    /// Its length is unknown: a stream if it goes on for [`STREAM_AFTER`].
    Maybe,
    /// It says so itself.
    Yes,
}

/// How long a response of unknown length may outlive its head before it counts as a stream, whose
/// latency is the head's.
const STREAM_AFTER: Duration = Duration::from_secs(10);

impl Exchange {
    /// `None` once the lookout was closed.
    #[inline]
    pub(super) fn begin<B>(lookout: LookoutId, request: &Request<B>) -> Option<Self> {
        let began = RawTime::now();
        let (operation, second) = local::with(lookout, |core, shard| {
            let operation = core.operation(request);
            let second = core.store.second(began);
            let cells = shard.operation(operation);
            cells.start();
            cells.ages.opened(second);
            (operation, second)
        })?;
        Some(Self(Facts {
            began,
            head: None,
            lookout,
            operation,
            second,
            status: None,
            method: BodyRule::of(request.method()),
            stream: Stream::No,
        }))
    }

    /// The response head came, with the number of bytes that it announced; `None` if that was all of
    /// the response.
    #[inline]
    pub(super) fn head<B: Body>(self, response: &Response<B>, bytes: Option<u64>) -> Option<Self> {
        let status = response.status();
        let is_all = response.body().is_end_stream()
            || bytes == Some(0)
            || self.0.method.is_bodiless(status);
        let stream = if bytes.is_some() { Stream::No } else { Stream::of(response) };
        let answered = Self(Facts { status: Some(status), stream, ..self.into_facts() });
        if is_all {
            answered.complete(RawTime::now());
            return None;
        }
        Some(answered)
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
        let now = RawTime::now();
        self.0.head = Some(now);
        self.0.tell_head(now);
    }

    /// The response was complete.
    #[inline]
    pub(super) fn complete(self, now: RawTime) {
        let outcome = self.0.status.map_or(Outcome::Error, Outcome::of_complete);
        self.end(outcome, now);
    }

    #[inline]
    pub(super) fn end(self, outcome: Outcome, now: RawTime) {
        self.into_facts().record(now, outcome);
    }

    /// Takes the facts out, so that the drop records nothing.
    #[inline]
    fn into_facts(self) -> Facts {
        let facts = self.0;
        mem::forget(self);
        facts
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
        if let Some(exchange) = self.0.take() {
            exchange.end(Outcome::Panicked, RawTime::now());
        }
    }
}

impl Facts {
    /// The one door through which every exchange ends.
    #[inline]
    fn record(self, now: RawTime, outcome: Outcome) {
        local::with(self.lookout, |core, shard| {
            let store = &core.store;
            let cells = shard.operation(self.operation);
            let took = self.end_of_latency(now).nanos_since(self.began);
            let cell = store.bounds.cell_of(took);
            if self.head.is_none() {
                cells.ages.closed(self.second);
                if self.status.is_some() {
                    // The head and the end were out with the same poll.
                    cells.head.record(cell, took);
                }
            }
            let status = self.status.map_or(StatusKey::NONE, |status| store.status(status));
            cells.end(SeriesKey { status, outcome }, cell, took);
        });
    }

    /// A head before its end.
    fn tell_head(self, now: RawTime) {
        local::with(self.lookout, |core, shard| {
            let cells = shard.operation(self.operation);
            cells.ages.closed(self.second);
            let took = now.nanos_since(self.began);
            cells.head.record(core.store.bounds.cell_of(took), took);
        });
    }

    /// The moment until which the latency counts: the end, but the head of a stream.
    #[inline]
    fn end_of_latency(self, now: RawTime) -> RawTime {
        match (self.stream, self.head) {
            (Stream::Yes, Some(head)) => head,
            (Stream::Maybe, Some(head)) if now.since(head) >= STREAM_AFTER => head,
            _ => now,
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let outcome = if thread::panicking() {
            Outcome::Panicked
        } else if self.0.status.is_none() {
            Outcome::Cancelled
        } else {
            Outcome::Aborted
        };
        self.0.record(RawTime::now(), outcome);
    }
}

impl BodyRule {
    fn of(method: &Method) -> Self {
        match *method {
            Method::HEAD => Self::Never,
            Method::CONNECT => Self::NotOnSuccess,
            _ => Self::Any,
        }
    }

    /// Whether a response is over with its head. hyper drops such bodies without a poll.
    #[inline]
    fn is_bodiless(self, status: StatusCode) -> bool {
        status.is_informational()
            || matches!(
                status,
                StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
            )
            || self == Self::Never
            || (self == Self::NotOnSuccess && status.is_success())
    }
}

impl Stream {
    /// Of a response whose length is not known.
    fn of<B>(response: &Response<B>) -> Self {
        if is_event_stream(response.headers()) { Self::Yes } else { Self::Maybe }
    }
}

#[inline]
fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}
