use std::{thread, time::Duration};

use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::Body;

use super::{LookoutId, local};
use crate::{
    operation::OperationId,
    outcome::Outcome,
    series::{SeriesKey, Shard, StatusKey, Store},
};

/// One request with its response, alive: it holds when it began and what it counts for, and ends
/// exactly once, by [`end`](Self::end) or by its drop.
#[derive(Debug)]
pub(super) struct Exchange {
    lookout: LookoutId,
    operation: OperationId,
    /// Since the lookout's start, in nanoseconds.
    began: u64,
    /// When the response head came.
    head: Option<u64>,
    status: StatusKey,
    /// What a complete response with this head is.
    complete: Outcome,
    /// HEAD and CONNECT: whether the body's absence follows from the method.
    method: BodyRule,
    /// The response may go on for ever, so that its end says nothing about speed.
    stream: Stream,
    /// Inside the inner service's code: a drop in this state is the unwinding of its panic.
    inside: bool,
    ended: bool,
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
    pub(super) fn begin<B>(lookout: LookoutId, request: &Request<B>) -> Option<Self> {
        local::with(lookout, |core, shard| {
            let operation = core.operation(request);
            let began = core.store.now();
            let cells = shard.operation(operation);
            cells.start();
            cells.ages.opened(second(began));
            Self {
                lookout,
                operation,
                began,
                head: None,
                status: StatusKey::NONE,
                complete: Outcome::Success,
                method: BodyRule::of(request.method()),
                stream: Stream::No,
                inside: false,
                ended: false,
            }
        })
    }

    /// Marks that the inner service's code runs, until [`leave`](Self::leave).
    pub(super) fn enter(&mut self) {
        self.inside = true;
    }

    pub(super) fn leave(&mut self) {
        self.inside = false;
    }

    /// The response head came, with the number of bytes that it announced; gives back whether that
    /// was all of the response.
    pub(super) fn head<B: Body>(&mut self, response: &Response<B>, bytes: Option<u64>) -> bool {
        let status = response.status();
        let all =
            self.method.is_bodiless(status) || response.body().is_end_stream() || bytes == Some(0);
        self.stream = Stream::of(response, bytes);
        local::with(self.lookout, |core, shard| {
            let now = core.store.now();
            self.head = Some(now);
            self.status = core.store.status(status);
            self.complete = Outcome::of_complete(status);
            let cells = shard.operation(self.operation);
            let took = now.saturating_sub(self.began);
            let cell = core.store.bounds.cell_of(took);
            cells.head.record(cell, took);
            if all {
                // The head is the end: one more read of the clock would tell nothing.
                self.record(&core.store, shard, now, self.complete);
            } else if self.stream != Stream::No {
                cells.ages.closed(second(self.began));
            }
        });
        all
    }

    /// The response was complete.
    pub(super) fn complete(&mut self) {
        self.end(self.complete);
    }

    /// Ends the exchange; only the first call counts.
    pub(super) fn end(&mut self, outcome: Outcome) {
        if !self.ended {
            local::with(self.lookout, |core, shard| {
                let now = core.store.now();
                self.record(&core.store, shard, now, outcome);
            });
            self.ended = true;
        }
    }

    /// The one door through which every exchange ends.
    fn record(&mut self, store: &Store, shard: &Shard, now: u64, outcome: Outcome) {
        self.ended = true;
        let cells = shard.operation(self.operation);
        if self.head.is_none() || self.stream == Stream::No {
            cells.ages.closed(second(self.began));
        }
        let end = match (self.stream, self.head) {
            (Stream::Yes, Some(head)) => head,
            (Stream::Maybe, Some(head))
                if now.saturating_sub(head) >= STREAM_AFTER.as_nanos() as u64 =>
            {
                head
            }
            _ => now,
        };
        let took = end.saturating_sub(self.began);
        let key = SeriesKey { status: self.status, outcome };
        cells.end(key, store.bounds.cell_of(took), took);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.ended {
            let outcome = if self.inside || thread::panicking() {
                Outcome::Panicked
            } else if self.head.is_none() {
                Outcome::Cancelled
            } else {
                Outcome::Aborted
            };
            self.end(outcome);
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
    fn of<B>(response: &Response<B>, bytes: Option<u64>) -> Self {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS
            || is_event_stream(response.headers())
        {
            Self::Yes
        } else if bytes.is_some() {
            Self::No
        } else {
            Self::Maybe
        }
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// The second in which an exchange began, by which its age is known.
fn second(nanos: u64) -> u64 {
    nanos / 1_000_000_000
}
