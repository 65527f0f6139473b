use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{LookoutId, ResponseBody, ResponseFuture, exchange::Exchange};

/// A service whose requests are watched; made by a [`LookoutLayer`](super::LookoutLayer).
///
/// Request and error stay as they are, the response's body becomes a [`ResponseBody`].
#[derive(Clone, Copy, Debug)]
pub struct Watched<S> {
    inner: S,
    lookout: LookoutId,
}

impl<S> Watched<S> {
    pub(super) fn new(inner: S, lookout: LookoutId) -> Self {
        Self { inner, lookout }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Watched<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Body,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let exchange = Exchange::begin(self.lookout, &request);
        // Made in place: a future may be large to move. If `call` panics, the exchange is dropped.
        ResponseFuture { exchange, inner: self.inner.call(request) }
    }
}
