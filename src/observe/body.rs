use std::{
    pin::Pin,
    task::{Context, Poll},
    thread,
};

use http::{Response, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::exchange::{Exchange, Inside};
use crate::{outcome::Outcome, series::RawTime};

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
            // The inner body is asked nothing while a panic unwinds: a second one would abort.
            if this.exchange.is_some() && !thread::panicking() && this.inner.is_end_stream() {
                complete(this.exchange);
            }
        }
    }
}

impl<B: Body> ResponseBody<B> {
    #[inline]
    pub(super) fn wrap(response: Response<B>, exchange: Option<Exchange>) -> Response<Self> {
        let remaining = announced(&response);
        let exchange = exchange.and_then(|exchange| exchange.head(&response, remaining));
        response.map(|inner| Self { inner, exchange, remaining })
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
                if let Some(exchange) = this.exchange.take() {
                    exchange.end(Outcome::Error, RawTime::now());
                }
                return polled;
            }
            Poll::Ready(Some(Ok(frame))) => {
                let is_last = match frame.data_ref() {
                    Some(data) => is_last(this.remaining, bytes::Buf::remaining(data)),
                    None => frame.is_trailers(),
                };
                is_last || this.inner.is_end_stream()
            }
        };
        if is_complete {
            complete(this.exchange);
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

#[inline]
fn complete(exchange: &mut Option<Exchange>) {
    if let Some(exchange) = exchange.take() {
        exchange.complete(RawTime::now());
    }
}

/// How many bytes the response announced.
#[inline]
fn announced<B: Body>(response: &Response<B>) -> Option<u64> {
    response
        .body()
        .size_hint()
        .exact()
        .or_else(|| response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok())
}

/// Takes the bytes of a frame off what remains; whether they were the last.
#[inline]
fn is_last(remaining: &mut Option<u64>, bytes: usize) -> bool {
    remaining.as_mut().is_some_and(|remaining| {
        *remaining = remaining.saturating_sub(bytes as u64);
        *remaining == 0
    })
}
