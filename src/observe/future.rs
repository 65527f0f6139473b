use std::{
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::{
    Http, ResponseBody, Watches,
    body::BodyRule,
    error_kind::kind_of,
    exchange::{Exchange, Inside},
};
use crate::outcome::Ending;

pin_project! {
    /// The future of a [`Watched`](super::Watched) service. Dropped before its response, it counts
    /// as `cancelled`.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, T: Watches = Http> {
        #[pin]
        pub(super) inner: F,
        pub(super) exchange: Option<Exchange<T::Companion>>,
        pub(super) rule: BodyRule,
        pub(super) watches: PhantomData<T>,
    }
}

impl<F, B, E, T> Future for ResponseFuture<F, T>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    E: 'static,
    T: Watches,
{
    type Output = Result<Response<ResponseBody<B, T::Companion>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let inside = Inside::enter(this.exchange);
        let polled = this.inner.poll(cx);
        inside.leave();
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(response)) => {
                Poll::Ready(Ok(ResponseBody::wrap::<T>(response, this.exchange, *this.rule)))
            }
            Poll::Ready(Err(error)) => {
                Exchange::end(this.exchange, Ending::Error(kind_of(&error)));
                Poll::Ready(Err(error))
            }
        }
    }
}
