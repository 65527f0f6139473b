use std::{
    pin::Pin,
    task::{Context, Poll},
    thread,
};

use bytes::Buf;
use http::{Response, StatusCode, header, response::Parts};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::observe::{
    LayerConfig, Mode, ResponseHead,
    detail::hooks::ExchangeHooks,
    exchange::{Exchange, Inside, error_kind::kind_of, state::ExchangeState},
    head::{
        grpc::{self, Framing},
        label,
        response_flags::Stream,
    },
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
    pub struct ResponseBody<B: Body, C: ExchangeHooks = ()> {
        #[pin]
        inner: B,
        exchange: Option<Exchange<C>>,
        expected: Expected,
    }

    impl<B: Body, C: ExchangeHooks> PinnedDrop for ResponseBody<B, C> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(alive) = this.exchange.take() {
                end_at_drop(this.inner, alive, *this.expected);
            }
        }
    }
}

/// What is still to come, in one word: so many bytes, or of gRPC where its messages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Expected(u64);

impl Expected {
    const NOTHING: Self = Self(0);
    const UNKNOWN: Self = Self(u64::MAX);
    /// The bit is set where it is of gRPC.
    const MESSAGES: Self = Self(1 << 63);

    #[inline]
    fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Takes the bytes of a gRPC body off; how many messages begin in them.
    #[inline]
    fn take_messages(&mut self, data: &impl Buf) -> u32 {
        let (framing, begun) = Framing::from_bits(self.0 & !Self::MESSAGES.0).begun(data);
        self.0 = Self::MESSAGES.0 | framing.to_bits();
        begun
    }

    /// Takes a frame off; whether it was the last.
    #[inline]
    fn take<D: Buf>(&mut self, frame: &Frame<D>) -> bool {
        let Some(data) = frame.data_ref() else { return frame.is_trailers() };
        if *self == Self::UNKNOWN {
            return false;
        }
        self.0 = self.0.saturating_sub(data.remaining() as u64);
        *self == Self::NOTHING
    }
}

impl<B: Body, C: ExchangeHooks> ResponseBody<B, C> {
    /// The common response, of known length and with nothing else to find out, takes the first way
    /// alone: while any way may unwind or look into it by reference, the compiler keeps the response in
    /// memory and copies it.
    #[inline]
    pub(crate) fn wrap<T: Mode>(
        response: Response<B>,
        exchange: &mut Option<Exchange<C>>,
        rule: BodyRule,
    ) -> Response<Self> {
        let taken = Exchange::take(exchange);
        let is_grpc = T::GRPC && taken.as_ref().is_some_and(|(facts, _)| facts.is_grpc());
        match response.body().size_hint().exact() {
            Some(bytes) if !is_grpc && rule.is_plain() => {
                let status = response.status();
                let exchange = taken.map(|(facts, companion)| {
                    let facts = facts.answered(StatusKey::http(status), Stream::No);
                    companion.answered(&facts, &ResponseHead::of(&response));
                    Exchange { facts, companion }
                });
                let bytes = if is_bodiless(status) { 0 } else { bytes };
                response.map(|inner| Self { inner, exchange, expected: Expected::bytes(bytes) })
            }
            _ if is_grpc && rule.is_plain() => Self::replied(response, taken),
            exact => Self::examined(response, taken, exact, is_grpc, rule),
        }
    }

    /// The plain answer of gRPC, whose status may be in the head.
    #[cold]
    #[inline(always)]
    fn replied(response: Response<B>, taken: Option<(ExchangeState, C)>) -> Response<Self> {
        let (parts, inner) = response.into_parts();
        let status = grpc::status_of_head(parts.status, &parts.headers);
        let exchange = taken.map(|(facts, companion)| {
            let facts = facts.replied(status, &parts.headers);
            companion.answered(&facts, &ResponseHead::of_parts(&parts));
            Exchange { facts, companion }
        });
        let is_over = is_bodiless(parts.status);
        let expected = if is_over { Expected::NOTHING } else { Expected::MESSAGES };
        Response::from_parts(parts, Self { inner, exchange, expected })
    }

    /// Inlined, so that the response is not passed through memory, and yet away from the first way.
    #[cold]
    #[inline(always)]
    fn examined(
        response: Response<B>,
        taken: Option<(ExchangeState, C)>,
        exact: Option<u64>,
        is_grpc: bool,
        rule: BodyRule,
    ) -> Response<Self> {
        let (facts, companion) = taken.unzip();
        let (parts, inner) = response.into_parts();
        let status = parts.status;
        let (mut expected, facts) = examine(&parts, exact, is_grpc, rule.reads_head(), facts);
        if rule.is_bodiless(status) {
            expected = Expected::NOTHING;
        }
        let exchange = companion.and_then(|mut companion| {
            let Some(facts) = facts else {
                companion.unwatched();
                return None;
            };
            companion.answered(&facts, &ResponseHead::of_parts(&parts));
            Some(Exchange { facts, companion })
        });
        Response::from_parts(parts, Self { inner, exchange, expected })
    }
}

/// What a request's method says about the body of its response (RFC 9110 §6.4.1), and whether
/// anybody looks into the response's head; in one byte.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyRule(u8);

impl BodyRule {
    /// HEAD: never a body.
    const NEVER: u8 = 1;
    /// CONNECT: a success turns the connection into a tunnel.
    const NOT_ON_SUCCESS: u8 = 2;
    const READS_HEAD: u8 = 4;

    #[inline]
    pub(crate) fn of(method: MethodLabel, entrance: LayerConfig) -> Self {
        let body = match method {
            MethodLabel::Head => Self::NEVER,
            MethodLabel::Connect => Self::NOT_ON_SUCCESS,
            _ => 0,
        };
        Self(if entrance.reads_responses { body | Self::READS_HEAD } else { body })
    }

    /// Whether the status alone says what the head has to say.
    #[inline]
    fn is_plain(self) -> bool {
        self.0 == 0
    }

    fn reads_head(self) -> bool {
        self.0 & Self::READS_HEAD != 0
    }

    /// Whether a response with this status is over with its head, whatever body the service made of
    /// it. hyper drops such bodies without a poll.
    fn is_bodiless(self, status: StatusCode) -> bool {
        is_bodiless(status)
            || self.0 & Self::NEVER != 0
            || (self.0 & Self::NOT_ON_SUCCESS != 0 && status.is_success())
    }
}

/// Whether no response with this status has a body.
#[inline]
fn is_bodiless(status: StatusCode) -> bool {
    // The commonest status first.
    status != StatusCode::OK
        && (status.is_informational()
            || matches!(
                status,
                StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
            ))
}

/// A body that was not watched, as layers outside make one for an answer of their own.
impl<B: Body + Default, C: ExchangeHooks> Default for ResponseBody<B, C> {
    fn default() -> Self {
        Self { inner: B::default(), exchange: None, expected: Expected::UNKNOWN }
    }
}

impl<B, C> Body for ResponseBody<B, C>
where
    B: Body,
    B::Error: 'static,
    C: ExchangeHooks,
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
        // A frame or an error that is looked into by reference is moved out first: else the compiler
        // would keep all that was polled in memory and copy it.
        match polled {
            Poll::Ready(Some(Ok(frame))) if facts.is_grpc() => {
                let mut messages = 0;
                if let Some(data) = frame.data_ref() {
                    messages = this.expected.take_messages(data);
                    facts.sent(messages);
                } else if let Some(status) = frame.trailers_ref().and_then(grpc::status) {
                    facts.trailed(StatusKey::grpc(status));
                }
                companion.sent(frame.data_ref().map_or(0, Buf::remaining), messages);
                if frame.is_trailers() || this.inner.is_end_stream() {
                    Exchange::complete(this.exchange);
                } else {
                    facts.go_on();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Ok(frame))) => {
                companion.sent(frame.data_ref().map_or(0, Buf::remaining), 0);
                if this.expected.take(&frame) || this.inner.is_end_stream() {
                    Exchange::complete(this.exchange);
                } else {
                    facts.go_on();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                let kind = kind_of(&error);
                Exchange::end(this.exchange, Ending::Error(kind));
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(None) => {
                Exchange::complete(this.exchange);
                Poll::Ready(None)
            }
            Poll::Pending => {
                facts.go_on();
                Poll::Pending
            }
        }
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
fn end_at_drop<B: Body, C: ExchangeHooks>(
    inner: Pin<&mut B>,
    alive: Exchange<C>,
    expected: Expected,
) {
    // The inner body is asked nothing while a panic unwinds: a second one would abort.
    let is_over = || {
        expected == Expected::NOTHING || inner.is_end_stream() || alive.facts.is_unread_by_client()
    };
    if !thread::panicking() && is_over() {
        Exchange::complete(&mut Some(alive));
    }
}

/// What the head says where the body's length does not, and what is known of the exchange then: nothing
/// more where the response says that it is not watched.
#[inline(never)]
fn examine(
    head: &Parts,
    exact: Option<u64>,
    is_grpc: bool,
    reads_head: bool,
    mut facts: Option<ExchangeState>,
) -> (Expected, Option<ExchangeState>) {
    let (status, headers) = (head.status, &head.headers);
    if reads_head {
        let head = ResponseHead::of_parts(head);
        facts = facts.and_then(|facts| label::of_response(&head, facts));
    }
    if is_grpc {
        let status = grpc::status_of_head(status, headers);
        return (Expected::MESSAGES, facts.map(|facts| facts.replied(status, headers)));
    }
    let (expected, stream) = if let Some(bytes) = exact {
        (Expected::bytes(bytes), Stream::No)
    } else {
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        let stream = if length.is_some() { Stream::No } else { Stream::of(headers) };
        (length.map_or(Expected::UNKNOWN, Expected::bytes), stream)
    };
    let facts = facts.map(|facts| facts.answered(StatusKey::http(status), stream));
    if stream == Stream::Events
        && let Some(facts) = facts
    {
        facts.stream_opened(StreamKind::EventStream);
    }
    (expected, facts)
}
