use std::{
    pin::Pin,
    task::{Context, Poll},
    thread,
};

use bytes::Buf;
use http::{Response, StatusCode, header, response::Parts};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::mode::{Http, Mode};
use crate::observe::{
    LayerConfig, ResponseHead,
    exchange::{
        Exchange, PanicGuard, error_kind::kind_of, hooks::ExchangeHooks, response_flags::Stream,
        state::ExchangeState,
    },
    head::grpc::{self, Framing},
};
use crate::{
    operation::MethodLabel,
    outcome::Ending,
    series::{StatusKey, StreamKind},
};

pin_project! {
    /// A response body that detects its own end. If it is dropped before, the request counts as
    /// `aborted`, or as `cancelled` for a gRPC call.
    ///
    /// hyper does not always poll a body to its end. So the body is complete as soon as one of
    /// these occurs: its end, trailers, `is_end_stream` (before the first frame, after a frame, or
    /// on drop), the number of bytes in `Content-Length` or the size hint, or a head that allows no
    /// body. The inner body's hints are passed on unchanged.
    #[derive(Debug)]
    pub struct ResponseBody<B: Body, T: Mode = Http> {
        #[pin]
        inner: B,
        exchange: Option<Exchange<T::ExchangeHooks>>,
        expected: Expected,
    }

    impl<B: Body, T: Mode> PinnedDrop for ResponseBody<B, T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(exchange) = this.exchange.take() {
                end_on_drop(this.inner, exchange, *this.expected);
            }
        }
    }
}

/// The rest of a body that is still expected, in one word: a number of bytes, or for gRPC the state
/// of its framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Expected(u64);

impl Expected {
    const NOTHING: Self = Self(0);
    const UNKNOWN: Self = Self(u64::MAX);
    /// The bit that marks gRPC.
    const MESSAGES: Self = Self(1 << 63);

    #[inline]
    fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Advances a gRPC body. Returns the number of messages that begin in the data.
    #[inline]
    fn take_messages(&mut self, data: &impl Buf) -> u32 {
        let (framing, begun) = Framing::from_bits(self.0 & !Self::MESSAGES.0).begun(data);
        self.0 = Self::MESSAGES.0 | framing.to_bits();
        begun
    }

    /// Advances by a frame. Returns whether it was the last one.
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

impl<B: Body, T: Mode> ResponseBody<B, T> {
    /// Wraps a response. The common response, of known length and with a plain head, has a separate
    /// path: where a call may unwind, or takes the response by reference, the compiler keeps the
    /// response in memory and copies it.
    #[inline]
    pub(crate) fn wrap(
        response: Response<B>,
        exchange: &mut Option<Exchange<T::ExchangeHooks>>,
        rule: BodyRule,
    ) -> Response<Self> {
        let taken = Exchange::take(exchange);
        let is_grpc = T::GRPC && taken.as_ref().is_some_and(|(state, _)| state.is_grpc());
        match response.body().size_hint().exact() {
            Some(bytes) if !is_grpc && rule.is_plain() => {
                let status = response.status();
                let exchange = taken.map(|(state, hooks)| {
                    let state = state.with_response(StatusKey::http(status), Stream::No);
                    hooks.on_response(&state, &ResponseHead::of(&response));
                    Exchange { state, hooks }
                });
                let bytes = if is_bodiless(status) { 0 } else { bytes };
                response.map(|inner| Self { inner, exchange, expected: Expected::bytes(bytes) })
            }
            _ if is_grpc && rule.is_plain() => Self::wrap_grpc(response, taken),
            exact => Self::wrap_examined(response, taken, exact, is_grpc, rule),
        }
    }

    /// Wraps a plain gRPC response. Its status may be in the head.
    #[cold]
    #[inline(always)]
    fn wrap_grpc(
        response: Response<B>,
        taken: Option<(ExchangeState, T::ExchangeHooks)>,
    ) -> Response<Self> {
        let (parts, inner) = response.into_parts();
        let status = grpc::status_of_head(parts.status, &parts.headers);
        let exchange = taken.map(|(state, hooks)| {
            let state = state.with_grpc_response(status, &parts.headers);
            hooks.on_response(&state, &ResponseHead::of_parts(&parts));
            Exchange { state, hooks }
        });
        let expected =
            if is_bodiless(parts.status) { Expected::NOTHING } else { Expected::MESSAGES };
        Response::from_parts(parts, Self { inner, exchange, expected })
    }

    /// Wraps any other response. It is cold, but inlined, so that the response is not passed
    /// through memory.
    #[cold]
    #[inline(always)]
    fn wrap_examined(
        response: Response<B>,
        taken: Option<(ExchangeState, T::ExchangeHooks)>,
        exact: Option<u64>,
        is_grpc: bool,
        rule: BodyRule,
    ) -> Response<Self> {
        let (state, hooks) = taken.unzip();
        let (parts, inner) = response.into_parts();
        let status = parts.status;
        let (mut expected, state) = examine(&parts, exact, is_grpc, rule.reads_head(), state);
        if rule.is_bodiless(status) {
            expected = Expected::NOTHING;
        }
        let exchange = hooks.and_then(|mut hooks| {
            let Some(state) = state else {
                hooks.discard();
                return None;
            };
            hooks.on_response(&state, &ResponseHead::of_parts(&parts));
            Some(Exchange { state, hooks })
        });
        Response::from_parts(parts, Self { inner, exchange, expected })
    }
}

/// The effect of a request's method on its response's body (RFC 9110 §6.4.1), and whether the layer
/// reads response heads, in one byte.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyRule(u8);

impl BodyRule {
    /// HEAD: the response never has a body.
    const NEVER: u8 = 1;
    /// CONNECT: on success there is no body, since the connection becomes a tunnel.
    const NOT_ON_SUCCESS: u8 = 2;
    const READS_HEAD: u8 = 4;

    #[inline]
    pub(crate) fn of(method: MethodLabel, config: LayerConfig) -> Self {
        let body = match method {
            MethodLabel::Head => Self::NEVER,
            MethodLabel::Connect => Self::NOT_ON_SUCCESS,
            _ => 0,
        };
        Self(if config.reads_responses { body | Self::READS_HEAD } else { body })
    }

    /// Returns whether only the response's status matters.
    #[inline]
    fn is_plain(self) -> bool {
        self.0 == 0
    }

    fn reads_head(self) -> bool {
        self.0 & Self::READS_HEAD != 0
    }

    /// Returns whether a response with this status ends with its head, even if the service returned
    /// a body. hyper drops such a body without polling it.
    fn is_bodiless(self, status: StatusCode) -> bool {
        is_bodiless(status)
            || self.0 & Self::NEVER != 0
            || (self.0 & Self::NOT_ON_SUCCESS != 0 && status.is_success())
    }
}

/// Returns whether this status allows no body for any method.
#[inline]
fn is_bodiless(status: StatusCode) -> bool {
    // The most common status comes first.
    status != StatusCode::OK
        && (status.is_informational()
            || matches!(
                status,
                StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
            ))
}

/// An unwatched body, for layers outside that return their own response.
impl<B: Body + Default, T: Mode> Default for ResponseBody<B, T> {
    fn default() -> Self {
        Self { inner: B::default(), exchange: None, expected: Expected::UNKNOWN }
    }
}

impl<B, T> Body for ResponseBody<B, T>
where
    B: Body,
    B::Error: 'static,
    T: Mode,
{
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let guard = PanicGuard::new(this.exchange);
        let polled = this.inner.as_mut().poll_frame(cx);
        guard.disarm();
        let Some(Exchange { state, hooks }) = this.exchange else { return polled };
        // Move a frame or an error out before passing it by reference. Otherwise the compiler keeps
        // the whole poll result in memory and copies it.
        match polled {
            Poll::Ready(Some(Ok(frame))) if state.is_grpc() => {
                let mut messages = 0;
                if let Some(data) = frame.data_ref() {
                    messages = this.expected.take_messages(data);
                    state.count_messages(messages);
                } else if let Some(status) = frame.trailers_ref().and_then(grpc::status) {
                    state.set_status(StatusKey::grpc(status));
                }
                hooks.on_data(frame.data_ref().map_or(0, Buf::remaining), messages);
                if frame.is_trailers() || this.inner.is_end_stream() {
                    Exchange::complete(this.exchange);
                } else {
                    state.record_head();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Ok(frame))) => {
                hooks.on_data(frame.data_ref().map_or(0, Buf::remaining), 0);
                if this.expected.take(&frame) || this.inner.is_end_stream() {
                    Exchange::complete(this.exchange);
                } else {
                    state.record_head();
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
                state.record_head();
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

/// Ends the exchange of a dropped body. The body may be complete although it was never polled, or
/// not polled after its last frame.
#[cold]
#[inline(never)]
fn end_on_drop<B: Body, H: ExchangeHooks>(
    inner: Pin<&mut B>,
    exchange: Exchange<H>,
    expected: Expected,
) {
    // While a panic unwinds, the inner body is not called: a second panic would abort the process.
    let is_complete = || {
        expected == Expected::NOTHING
            || inner.is_end_stream()
            || exchange.state.is_unread_by_client()
    };
    if !thread::panicking() && is_complete() {
        Exchange::complete(&mut Some(exchange));
    }
}

/// Reads the head of a response that is not plain. Returns the expected body and the new state,
/// which is `None` if the response is ignored.
#[inline(never)]
fn examine(
    head: &Parts,
    exact: Option<u64>,
    is_grpc: bool,
    reads_head: bool,
    mut state: Option<ExchangeState>,
) -> (Expected, Option<ExchangeState>) {
    let (status, headers) = (head.status, &head.headers);
    if reads_head {
        let head = ResponseHead::of_parts(head);
        state = state.and_then(|state| state.with_response_labels(&head));
    }
    if is_grpc {
        let status = grpc::status_of_head(status, headers);
        return (Expected::MESSAGES, state.map(|state| state.with_grpc_response(status, headers)));
    }
    let (expected, stream) = if let Some(bytes) = exact {
        (Expected::bytes(bytes), Stream::No)
    } else {
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        let stream = if length.is_some() { Stream::No } else { Stream::of(headers) };
        (length.map_or(Expected::UNKNOWN, Expected::bytes), stream)
    };
    let state = state.map(|state| state.with_response(StatusKey::http(status), stream));
    if stream == Stream::Events
        && let Some(state) = state
    {
        state.stream_opened(StreamKind::EventStream);
    }
    (expected, state)
}
