use std::{thread, time::Duration};

use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::Body;

use super::{LookoutId, local};
use crate::{
    operation::OperationId,
    outcome::Outcome,
    series::{OperationCells, RawTime, SeriesKey, StatusKey, Store},
};

/// One request with its response, alive: it holds when it began and what it counts for, and ends
/// exactly once, by [`end`](Self::end) or by its drop.
#[derive(Debug)]
pub(super) struct Exchange {
    facts: Facts,
    /// Inside the inner service's code: a drop in this state is the unwinding of its panic.
    inside: bool,
    ended: bool,
}

/// What is known of an exchange. It goes by value into what records it: nothing that the compiler
/// keeps in registers need go to memory for that, the response least of all (70 ns a request).
#[derive(Clone, Copy, Debug)]
struct Facts {
    began: RawTime,
    /// When the head was out, if it was; see [`Exchange::polled`].
    head: Option<RawTime>,
    lookout: LookoutId,
    operation: OperationId,
    /// The second in which it began, by the store's clock; its age is told by it.
    second: u32,
    status: Option<StatusCode>,
    method: BodyRule,
    stream: Stream,
    /// The head is recorded, and the age is at its end.
    is_head_told: bool,
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
        let facts = Facts {
            began,
            head: None,
            lookout,
            operation,
            second,
            status: None,
            method: BodyRule::of(request.method()),
            stream: Stream::No,
            is_head_told: false,
        };
        Some(Self { facts, inside: false, ended: false })
    }

    /// Marks that the inner service's code runs, until [`leave`](Self::leave).
    #[inline]
    pub(super) fn enter(&mut self) {
        self.inside = true;
    }

    #[inline]
    pub(super) fn leave(&mut self) {
        self.inside = false;
    }

    /// The response head came, with the number of bytes that it announced; gives back whether that
    /// was all of the response.
    #[inline]
    pub(super) fn head<B: Body>(&mut self, response: &Response<B>, bytes: Option<u64>) -> bool {
        let status = response.status();
        self.facts.status = Some(status);
        let is_all = response.body().is_end_stream()
            || bytes == Some(0)
            || self.facts.method.is_bodiless(status);
        if is_all {
            self.end(Outcome::of_complete(status), None);
        } else if bytes.is_none() {
            self.facts.stream = Stream::of(response);
        }
        is_all
    }

    /// The body was polled. The first time, the head is out, and the time is read: whoever serves a
    /// response turns to its body with the next breath. A body that is complete with this poll ends
    /// at the same moment, which saves a read.
    #[inline]
    pub(super) fn polled(&mut self) -> Option<RawTime> {
        if self.facts.head.is_some() {
            return None;
        }
        self.facts.head = Some(RawTime::now());
        self.facts.head
    }

    /// The body was not complete with the poll at which the head's time was read: what is known is
    /// told, because the rest may take as long as the client likes.
    #[inline]
    pub(super) fn goes_on(&mut self) {
        self.facts.is_head_told = true;
        self.facts.tell_head();
    }

    /// The response was complete; at `now`, if that was read.
    #[inline]
    pub(super) fn complete(&mut self, now: Option<RawTime>) {
        self.end(self.facts.status.map_or(Outcome::Error, Outcome::of_complete), now);
    }

    /// Ends the exchange; only the first call counts.
    #[inline]
    pub(super) fn end(&mut self, outcome: Outcome, now: Option<RawTime>) {
        if !self.ended {
            self.ended = true;
            self.facts.record(now.unwrap_or_else(RawTime::now), outcome);
        }
    }
}

impl Facts {
    /// The one door through which every exchange ends.
    #[inline(never)]
    fn record(self, now: RawTime, outcome: Outcome) {
        local::with(self.lookout, |core, shard| {
            let store = &core.store;
            let cells = shard.operation(self.operation);
            if !self.is_head_told {
                cells.ages.closed(self.second);
                if self.status.is_some() {
                    self.record_head(store, cells, self.head.unwrap_or(now));
                }
            }
            let took = self.end_of_latency(now).nanos_since(self.began);
            let status = self.status.map_or(StatusKey::NONE, |status| store.status(status));
            cells.end(SeriesKey { status, outcome }, store.bounds.cell_of(took), took);
        });
    }

    #[inline(never)]
    fn tell_head(self) {
        local::with(self.lookout, |core, shard| {
            let cells = shard.operation(self.operation);
            cells.ages.closed(self.second);
            if let Some(head) = self.head {
                self.record_head(&core.store, cells, head);
            }
        });
    }

    #[inline]
    fn record_head(self, store: &Store, cells: &OperationCells, head: RawTime) {
        let took = head.nanos_since(self.began);
        cells.head.record(store.bounds.cell_of(took), took);
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
    #[inline]
    fn drop(&mut self) {
        if !self.ended {
            let outcome = if self.inside || thread::panicking() {
                Outcome::Panicked
            } else if self.facts.status.is_none() {
                Outcome::Cancelled
            } else {
                Outcome::Aborted
            };
            self.end(outcome, None);
        }
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
