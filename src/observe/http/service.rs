use std::{
    marker::PhantomData,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    body::{BodyRule, ResponseBody},
    future::ResponseFuture,
    mode::{Http, Mode},
    wait::Wait,
};
use crate::{
    observe::{
        LayerConfig,
        exchange::{Exchange, state::ExchangeState},
    },
    operation::MethodLabel,
};

/// A service that counts its requests. Created by a [`LookoutLayer`](crate::observe::LookoutLayer).
///
/// The request and error types stay the same; the response's body becomes a [`ResponseBody`].
#[derive(Debug)]
pub struct LookoutService<S, T = Http> {
    inner: S,
    pub(crate) config: LayerConfig,
    wait: Wait,
    mode: T,
}

/// A clone has its own readiness and its own wait.
impl<S: Clone, T: Clone> Clone for LookoutService<S, T> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.config, self.mode.clone())
    }
}

impl<S, T> LookoutService<S, T> {
    pub(crate) fn new(inner: S, config: LayerConfig, mode: T) -> Self {
        Self { inner, config, wait: Wait::default(), mode }
    }

    /// Polls the inner client, and measures the time until it is ready, which is not part of the
    /// call's duration.
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

    /// Records the request's wait for its client, if it waited.
    #[inline]
    pub(crate) fn record_wait(&mut self, state: Option<ExchangeState>) {
        if let (Some(nanos), Some(state)) = (self.wait.take(), state) {
            state.record_wait(nanos);
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
    type Response = Response<ResponseBody<ResBody, T>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, T>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.config.side.is_client() {
            self.poll_client_ready(cx)
        } else {
            self.inner.poll_ready(cx)
        }
    }

    #[inline]
    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let method = MethodLabel::of(request.method());
        let rule = BodyRule::of(method, self.config);
        let state = self.config.enter::<T, _>(method, &mut request);
        self.record_wait(state);
        let (state, upload) = match state {
            Some(state) if method.has_content() && T::has_watchable_body(&request) => {
                let (state, upload) = state.start_upload();
                (Some(state), upload)
            }
            state => (state, None),
        };
        let (request, hooks) = self.mode.prepare(request, state, upload);
        // If `call` panics, the drop ends the exchange.
        let mut guard = state.map(|state| Exchange { state, hooks });
        // Build the future in the return value, since moving a large future is expensive.
        ResponseFuture {
            inner: self.inner.call(request),
            exchange: guard.take(),
            rule,
            mode: PhantomData,
        }
    }
}
