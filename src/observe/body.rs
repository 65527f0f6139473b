use std::{
    pin::Pin,
    task::{Context, Poll},
    thread,
};

use http::{Response, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::exchange::Exchange;
use crate::outcome::Outcome;

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
            if let Some(exchange) = this.exchange
                && !thread::panicking()
                && this.inner.is_end_stream()
            {
                exchange.complete(None);
            }
        }
    }
}

impl<B: Body> ResponseBody<B> {
    #[inline]
    pub(super) fn wrap(response: Response<B>, mut exchange: Option<Exchange>) -> Response<Self> {
        let remaining = announced(&response);
        // Ended exchanges are let go at once, so that the rest of the body costs nothing.
        if exchange.as_mut().is_some_and(|exchange| exchange.head(&response, remaining)) {
            exchange = None;
        }
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
        let Some(exchange) = this.exchange else { return this.inner.poll_frame(cx) };
        exchange.enter();
        let polled = this.inner.as_mut().poll_frame(cx);
        exchange.leave();
        let now = exchange.polled();
        let Poll::Ready(frame) = polled else {
            if now.is_some() {
                exchange.goes_on();
            }
            return Poll::Pending;
        };
        let complete = match &frame {
            None => true,
            Some(Err(_)) => {
                exchange.end(Outcome::Error, now);
                false
            }
            Some(Ok(frame)) => match frame.data_ref() {
                None => frame.is_trailers() || this.inner.is_end_stream(),
                Some(data) => {
                    is_last(this.remaining, bytes::Buf::remaining(data))
                        || this.inner.is_end_stream()
                }
            },
        };
        if complete {
            exchange.complete(now);
            *this.exchange = None;
        } else if now.is_some() {
            exchange.goes_on();
        }
        Poll::Ready(frame)
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
