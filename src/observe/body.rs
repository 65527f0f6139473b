use std::{
    pin::Pin,
    task::{Context, Poll},
    thread,
};

use http::{Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::exchange::{Exchange, Inside, Stream};
use crate::{operation::MethodLabel, outcome::Outcome};

pin_project! {
    /// A response body that knows when it is complete; dropped before that, it counts as `aborted`.
    ///
    /// hyper stops polling as soon as it has what it needs, so there are several ways to be complete:
    /// the end of the body, trailers, `is_end_stream` (at first, after a frame, or at the drop), as
    /// many bytes as `Content-Length` or the size hint announced, or a head that allows no body. The
    /// inner body's hints are handed on as they are.
    #[derive(Debug)]
    pub struct ResponseBody<B: Body> {
        #[pin]
        inner: B,
        exchange: Option<Exchange>,
        // Bytes that are still to come, if that is known.
        remaining: Option<u64>,
    }

    impl<B: Body> PinnedDrop for ResponseBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.exchange.is_some() {
                end_at_drop(this.inner, this.exchange, *this.remaining);
            }
        }
    }
}

impl<B: Body> ResponseBody<B> {
    #[inline]
    pub(super) fn wrap(
        response: Response<B>,
        exchange: &mut Option<Exchange>,
        rule: BodyRule,
    ) -> Response<Self> {
        // The response goes by value into what is not inlined, lest it be copied for everyone.
        let (response, mut remaining, stream) = match response.body().size_hint().exact() {
            Some(bytes) => (response, Some(bytes), Stream::No),
            None => of_no_exact_size(response),
        };
        let status = response.status();
        let facts = Exchange::take(exchange).map(|facts| facts.answered(status, stream));
        if rule.is_bodiless(status) {
            remaining = Some(0);
        }
        response.map(|inner| Self { inner, exchange: facts.map(Exchange), remaining })
    }
}

/// What a request's method says about the body of its response (RFC 9110 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyRule {
    Any,
    /// HEAD: never a body.
    Never,
    /// CONNECT: a success turns the connection into a tunnel.
    NotOnSuccess,
}

impl BodyRule {
    #[inline]
    pub(super) fn of(method: MethodLabel) -> Self {
        match method {
            MethodLabel::Head => Self::Never,
            MethodLabel::Connect => Self::NotOnSuccess,
            _ => Self::Any,
        }
    }

    /// Whether a response with this status is over with its head, whatever body the service made of
    /// it. hyper drops such bodies without a poll.
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

/// A body that was not watched, as layers outside make one for an answer of their own.
impl<B: Body + Default> Default for ResponseBody<B> {
    fn default() -> Self {
        Self { inner: B::default(), exchange: None, remaining: None }
    }
}

impl<B: Body> Body for ResponseBody<B> {
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
        let Some(exchange) = this.exchange else { return polled };
        let is_complete = match &polled {
            Poll::Pending => false,
            Poll::Ready(None) => true,
            Poll::Ready(Some(Err(_))) => {
                Exchange::end(this.exchange, Outcome::Error);
                return polled;
            }
            Poll::Ready(Some(Ok(frame))) => {
                this.inner.is_end_stream()
                    || match frame.data_ref() {
                        Some(data) => is_last(this.remaining, bytes::Buf::remaining(data)),
                        None => frame.is_trailers(),
                    }
            }
        };
        if is_complete {
            Exchange::complete(this.exchange);
        } else if exchange.is_first_poll() {
            exchange.goes_on();
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
fn end_at_drop<B: Body>(
    inner: Pin<&mut B>,
    exchange: &mut Option<Exchange>,
    remaining: Option<u64>,
) {
    // The inner body is asked nothing while a panic unwinds: a second one would abort.
    if !thread::panicking() && (remaining == Some(0) || inner.is_end_stream()) {
        Exchange::complete(exchange);
    }
}

/// The number of bytes that the headers announce, and whether the response is a stream.
#[inline(never)]
fn of_no_exact_size<B>(response: Response<B>) -> (Response<B>, Option<u64>, Stream) {
    let length = response.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let stream = if length.is_some() { Stream::No } else { Stream::of(&response) };
    (response, length, stream)
}

/// Takes the bytes of a frame off what remains; whether they were the last.
#[inline]
fn is_last(remaining: &mut Option<u64>, bytes: usize) -> bool {
    remaining.as_mut().is_some_and(|remaining| {
        *remaining = remaining.saturating_sub(bytes as u64);
        *remaining == 0
    })
}
