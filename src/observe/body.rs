use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
    thread,
};

use bytes::Buf;
use http::{HeaderMap, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{
    Entrance, Watches,
    answer::Stream,
    companion::Companion,
    error_kind::kind_of,
    exchange::{Exchange, Inside},
    facts::Facts,
    grpc::{self, Framing},
    label,
};
use crate::{
    operation::MethodLabel,
    outcome::Ending,
    series::{StatusKey, StreamKind},
};

pin_project! {
    /// A response body that knows when it is complete; dropped before that, it counts as `aborted`, a
    /// gRPC call as `cancelled`.
    ///
    /// hyper stops polling as soon as it has what it needs, so there are several ways to be complete:
    /// the end of the body, trailers, `is_end_stream` (at first, after a frame, or at the drop), as
    /// many bytes as `Content-Length` or the size hint announced, or a head that allows no body. The
    /// inner body's hints are handed on as they are.
    #[derive(Debug)]
    pub struct ResponseBody<B: Body, C: Companion = ()> {
        #[pin]
        inner: B,
        exchange: Option<Exchange<C>>,
        expected: Expected,
    }

    impl<B: Body, C: Companion> PinnedDrop for ResponseBody<B, C> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.exchange.is_some() {
                end_at_drop(this.inner, this.exchange, *this.expected);
            }
        }
    }
}

/// What is still to come.
#[derive(Clone, Copy, Debug)]
enum Expected {
    Unknown,
    Bytes(u64),
    Messages(Framing),
}

/// What a head says, besides its status code.
struct Head {
    status: StatusKey,
    expected: Expected,
    stream: Stream,
    /// gRPC's answer for a method that it does not know.
    is_unimplemented: bool,
}

/// The head of a response, taken out of it for as long as somebody looks into it; as of a request, see
/// [`route::TakenHead`](super::route::TakenHead).
struct TakenHead {
    status: StatusCode,
    headers: HeaderMap,
}

impl Head {
    #[inline]
    fn of_bytes(status: StatusCode, bytes: u64) -> Self {
        Self {
            status: StatusKey::http(status),
            expected: Expected::Bytes(bytes),
            stream: Stream::No,
            is_unimplemented: false,
        }
    }
}

impl<B: Body, C: Companion> ResponseBody<B, C> {
    /// What is done with a response whose head is looked into; apart, so that the others are not kept in
    /// memory for it.
    #[cold]
    #[inline(never)]
    pub(super) fn read_and_wrap<T: Watches>(
        response: Response<B>,
        exchange: &mut Option<Exchange<C>>,
        rule: BodyRule,
    ) -> Response<Self> {
        if let Some((facts, companion)) = Exchange::take(exchange) {
            let labelled = label::of_response(&response, facts, companion);
            *exchange = labelled.map(|(facts, companion)| Exchange { facts, companion });
        }
        Self::wrap::<T>(response, exchange, rule)
    }

    #[inline]
    pub(super) fn wrap<T: Watches>(
        mut response: Response<B>,
        exchange: &mut Option<Exchange<C>>,
        rule: BodyRule,
    ) -> Response<Self> {
        let is_grpc = T::GRPC && exchange.as_ref().is_some_and(|exchange| exchange.facts.is_grpc());
        let status = response.status();
        let exact = response.body().size_hint().exact();
        let mut head = match exact {
            Some(bytes) if !is_grpc => Head::of_bytes(status, bytes),
            _ => {
                // Taken out, since a reference into the response would make the compiler keep it in
                // memory and copy it, for everyone.
                let taken = TakenHead { status, headers: mem::take(response.headers_mut()) };
                let (taken, head) = examine(taken, exact, is_grpc);
                *response.headers_mut() = taken.headers;
                head
            }
        };
        if rule.is_bodiless(status) {
            head.expected = Expected::Bytes(0);
        }
        let exchange = Exchange::take(exchange).map(|(facts, companion)| {
            let known = if T::GRPC && facts.is_unknown() {
                facts.known(!head.is_unimplemented)
            } else {
                facts
            };
            let facts = known.answered(head.status, head.stream);
            companion.answered(&facts, &response);
            if head.stream == Stream::Events {
                facts.stream_opened(StreamKind::EventStream);
            }
            Exchange { facts, companion }
        });
        let expected = head.expected;
        response.map(|inner| Self { inner, exchange, expected })
    }
}

/// What a request's method says about the body of its response (RFC 9110 §6.4.1), and whether
/// anybody looks into the response's head; in one byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyRule(u8);

impl BodyRule {
    /// HEAD: never a body.
    const NEVER: u8 = 1;
    /// CONNECT: a success turns the connection into a tunnel.
    const NOT_ON_SUCCESS: u8 = 2;
    const READS_HEAD: u8 = 4;

    #[inline]
    pub(super) fn of(method: MethodLabel, entrance: Entrance) -> Self {
        let body = match method {
            MethodLabel::Head => Self::NEVER,
            MethodLabel::Connect => Self::NOT_ON_SUCCESS,
            _ => 0,
        };
        Self(if entrance.reads_responses { body | Self::READS_HEAD } else { body })
    }

    #[inline]
    pub(super) fn reads_head(self) -> bool {
        self.0 & Self::READS_HEAD != 0
    }

    /// Whether a response with this status is over with its head, whatever body the service made of
    /// it. hyper drops such bodies without a poll.
    #[inline]
    fn is_bodiless(self, status: StatusCode) -> bool {
        // The commonest status first.
        (status != StatusCode::OK
            && (status.is_informational()
                || matches!(
                    status,
                    StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
                )))
            || self.0 & Self::NEVER != 0
            || (self.0 & Self::NOT_ON_SUCCESS != 0 && status.is_success())
    }
}

/// A body that was not watched, as layers outside make one for an answer of their own.
impl<B: Body + Default, C: Companion> Default for ResponseBody<B, C> {
    fn default() -> Self {
        Self { inner: B::default(), exchange: None, expected: Expected::Unknown }
    }
}

impl<B, C> Body for ResponseBody<B, C>
where
    B: Body,
    B::Error: 'static,
    C: Companion,
{
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let inside = Inside::enter(this.exchange);
        let polled = this.inner.as_mut().poll_frame(cx);
        inside.leave();
        let Some(Exchange { facts, companion }) = this.exchange else { return polled };
        let is_complete = match &polled {
            Poll::Pending => false,
            Poll::Ready(None) => true,
            Poll::Ready(Some(Err(error))) => {
                Exchange::end(this.exchange, Ending::Error(kind_of(error)));
                return polled;
            }
            Poll::Ready(Some(Ok(frame))) => {
                let is_last = this.inner.is_end_stream() || is_last(this.expected, frame);
                let mut messages = 0;
                if facts.is_grpc() {
                    (*facts, *this.expected, messages) = read_grpc(*facts, *this.expected, frame);
                }
                companion.sent(frame.data_ref().map_or(0, Buf::remaining), messages);
                is_last
            }
        };
        if is_complete {
            Exchange::complete(this.exchange);
        } else if facts.is_first_poll() {
            *facts = facts.gone_on();
        }
        polled
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A body may be dropped unpolled, or with its last frame, and still be complete.
#[cold]
#[inline(never)]
fn end_at_drop<B: Body, C: Companion>(
    inner: Pin<&mut B>,
    exchange: &mut Option<Exchange<C>>,
    expected: Expected,
) {
    // The inner body is asked nothing while a panic unwinds: a second one would abort.
    if !thread::panicking() && (matches!(expected, Expected::Bytes(0)) || inner.is_end_stream()) {
        Exchange::complete(exchange);
    }
}

/// What the headers say of a response whose length its body does not tell, or of gRPC.
#[inline(never)]
fn examine(taken: TakenHead, exact: Option<u64>, is_grpc: bool) -> (TakenHead, Head) {
    let TakenHead { status, ref headers, .. } = taken;
    let head = match exact {
        _ if is_grpc => {
            let status = grpc::status_of_head(status, headers);
            Head {
                status,
                expected: Expected::Messages(Framing::default()),
                stream: Stream::Maybe,
                is_unimplemented: status == StatusKey::GRPC_UNIMPLEMENTED,
            }
        }
        Some(bytes) => Head::of_bytes(status, bytes),
        None => {
            let length = headers.get(header::CONTENT_LENGTH);
            let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
            Head {
                status: StatusKey::http(status),
                expected: length.map_or(Expected::Unknown, Expected::Bytes),
                stream: if length.is_some() { Stream::No } else { Stream::of(headers) },
                is_unimplemented: false,
            }
        }
    };
    (taken, head)
}

/// Takes a frame off what is expected; whether it was the last.
#[inline]
fn is_last<D: Buf>(expected: &mut Expected, frame: &Frame<D>) -> bool {
    let Some(data) = frame.data_ref() else { return frame.is_trailers() };
    let Expected::Bytes(left) = expected else { return false };
    *left = left.saturating_sub(data.remaining() as u64);
    *left == 0
}

/// Counts gRPC's messages, and reads the status that came last.
#[inline(never)]
fn read_grpc<D: Buf>(
    mut facts: Facts,
    mut expected: Expected,
    frame: &Frame<D>,
) -> (Facts, Expected, u32) {
    let mut messages = 0;
    if let Some(status) = frame.trailers_ref().and_then(grpc::status) {
        facts.trailed(StatusKey::grpc(status));
    }
    if let (Some(data), Expected::Messages(framing)) = (frame.data_ref(), &mut expected) {
        messages = framing.begun(data.chunk());
        facts.sent(messages);
    }
    (facts, expected, messages)
}
