use std::{
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::{
    body::{BodyRule, ResponseBody},
    mode::{Http, Mode},
};
use crate::observe::exchange::{Exchange, PanicGuard, error_kind::kind_of};
use crate::outcome::Ending;

pin_project! {
    /// The response future of a [`LookoutService`](crate::observe::LookoutService). If it is
    /// dropped before it completes, the request counts as `cancelled`.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, T: Mode = Http> {
        #[pin]
        pub(crate) inner: F,
        pub(crate) exchange: Option<Exchange<T::ExchangeHooks>>,
        pub(crate) rule: BodyRule,
        pub(crate) mode: PhantomData<T>,
    }
}

impl<F, B, E, T> Future for ResponseFuture<F, T>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    E: 'static,
    T: Mode,
{
    type Output = Result<Response<ResponseBody<B, T>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let guard = PanicGuard::new(this.exchange);
        let polled = this.inner.poll(cx);
        guard.disarm();
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(response)) => {
                Poll::Ready(Ok(ResponseBody::wrap(response, this.exchange, *this.rule)))
            }
            Poll::Ready(Err(error)) => {
                Exchange::end(this.exchange, Ending::Error(kind_of(&error)));
                Poll::Ready(Err(error))
            }
        }
    }
}
