use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::{
    ResponseBody,
    exchange::{Exchange, Inside},
};
use crate::{outcome::Outcome, series::RawTime};

pin_project! {
    /// The future of a [`Watched`](super::Watched) service. Dropped before its response, it counts
    /// as `cancelled`.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        pub(super) inner: F,
        pub(super) exchange: Option<Exchange>,
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let inside = Inside::enter(this.exchange);
        let polled = this.inner.poll(cx);
        inside.leave();
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(response)) => {
                Poll::Ready(Ok(ResponseBody::wrap(response, this.exchange.take())))
            }
            Poll::Ready(Err(error)) => {
                if let Some(exchange) = this.exchange.take() {
                    exchange.end(Outcome::Error, RawTime::now());
                }
                Poll::Ready(Err(error))
            }
        }
    }
}
