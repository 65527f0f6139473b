use std::{
    marker::PhantomData,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::BodyRule;
use crate::observe::{
    Http, LayerConfig, Mode, ResponseBody, ResponseFuture,
    exchange::{Exchange, state::ExchangeState, wait::Wait},
};
use crate::operation::MethodLabel;

/// A service whose requests are watched; made by a [`LookoutLayer`](crate::observe::LookoutLayer).
///
/// Request and error stay as they are, the response's body becomes a [`ResponseBody`].
#[derive(Debug)]
pub struct LookoutService<S, T = Http> {
    inner: S,
    pub(crate) entrance: LayerConfig,
    wait: Wait,
    watches: T,
}

/// Readiness is an instance's own, and so is its wait.
impl<S: Clone, T: Clone> Clone for LookoutService<S, T> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.entrance, self.watches.clone())
    }
}

impl<S, T> LookoutService<S, T> {
    pub(crate) fn new(inner: S, entrance: LayerConfig, watches: T) -> Self {
        Self { inner, entrance, wait: Wait::default(), watches }
    }

    /// Keeps the time until the inner service is ready, which is no time of the call.
    pub(crate) fn poll_client_ready<R>(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), S::Error>>
    where
        S: Service<R>,
    {
        let Self { inner, wait, .. } = self;
        wait.poll(cx, |cx| inner.poll_ready(cx))
    }

    /// Records how long this request waited, if it did.
    #[inline]
    pub(crate) fn record_wait(&mut self, facts: Option<ExchangeState>) {
        if let (Some(nanos), Some(facts)) = (self.wait.take(), facts) {
            facts.waited(nanos);
        }
    }

    #[cfg(feature = "reqwest")]
    pub(crate) fn inner(&mut self) -> &mut S {
        &mut self.inner
    }
}

impl<S, T, ReqBody, ResBody> Service<Request<ReqBody>> for LookoutService<S, T>
where
    S: Service<Request<T::RequestBody<ReqBody>>, Response = Response<ResBody>, Error: 'static>,
    ReqBody: 'static,
    ResBody: Body,
    T: Mode,
{
    type Response = Response<ResponseBody<ResBody, T::ExchangeHooks>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, T>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.entrance.side.is_client() {
            self.poll_client_ready(cx)
        } else {
            self.inner.poll_ready(cx)
        }
    }

    #[inline]
    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let method = MethodLabel::of(request.method());
        let rule = BodyRule::of(method, self.entrance);
        let facts = self.entrance.enter::<T, _>(method, &mut request);
        self.record_wait(facts);
        let (facts, upload) = match facts {
            Some(facts) if method.has_content() && T::has_watchable_body(&request) => {
                let (facts, upload) = facts.uploading();
                (Some(facts), upload)
            }
            facts => (facts, None),
        };
        let (request, companion) = self.watches.accompany(request, facts, upload);
        // Ends the exchange if `call` panics.
        let mut guard = facts.map(|facts| Exchange { facts, companion });
        // Made in place: a future may be large to move.
        ResponseFuture {
            inner: self.inner.call(request),
            exchange: guard.take(),
            rule,
            watches: PhantomData,
        }
    }
}
