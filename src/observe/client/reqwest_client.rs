//! Adapts `reqwest::Client`: converts its request and response types to those of `http` and back.

use std::{
    marker::PhantomData,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Extensions;
use pin_project_lite::pin_project;
use reqwest::ResponseBuilderExt;
use tower_service::Service;

use crate::{
    observe::{
        HttpAndGrpc, LayerConfig, LookoutService, RequestHead, ResponseFuture,
        exchange::{Exchange, start::OperationKey, state::ExchangeState},
        head::route::Route,
        http::{body::BodyRule, upload_body::UploadBody},
    },
    operation::{MethodLabel, Protocol, TrafficId},
};

pin_project! {
    /// The response future of a watched [`reqwest::Client`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ReqwestFuture<F> {
        #[pin]
        inner: ResponseFuture<IntoHttp<F>, HttpAndGrpc>,
    }
}

pin_project! {
    #[derive(Debug)]
    struct IntoHttp<F> {
        #[pin]
        inner: F,
    }
}

impl<S> Service<reqwest::Request> for LookoutService<S, HttpAndGrpc>
where
    S: Service<reqwest::Request, Response = reqwest::Response, Error: 'static>,
{
    type Response = reqwest::Response;
    type Error = S::Error;
    type Future = ReqwestFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.poll_client_ready(cx)
    }

    fn call(&mut self, mut request: reqwest::Request) -> Self::Future {
        let method = MethodLabel::of(request.method());
        let rule = BodyRule::of(method, self.config);
        let state = self.config.enter_reqwest(method, &request);
        self.record_wait(state);
        let state = state.map(|state| watch_body(state, &mut request));
        let mut guard = state.map(|state| Exchange { state, hooks: () });
        let inner = IntoHttp { inner: self.inner().call(request) };
        let exchange = guard.take();
        ReqwestFuture { inner: ResponseFuture { inner, exchange, rule, mode: PhantomData } }
    }
}

/// Wraps a streaming body, so that sent bytes reset the request's age. Leaves a body in memory as
/// it is, since reqwest may send it again after a redirect.
fn watch_body(state: ExchangeState, request: &mut reqwest::Request) -> ExchangeState {
    let Some(body) = request.body_mut() else { return state };
    if body.as_bytes().is_some() {
        return state;
    }
    let (state, upload) = state.start_upload();
    let inner = mem::take(body);
    *body = reqwest::Body::wrap(UploadBody::new(inner, upload));
    state
}

impl LayerConfig {
    /// Like [`enter`](Self::enter). The user's closures see the request's URL as a URI.
    fn enter_reqwest(
        self,
        method: MethodLabel,
        request: &reqwest::Request,
    ) -> Option<ExchangeState> {
        let needs_uri = self.ignores || self.labels;
        let uri = if needs_uri { request.url().as_str().parse().ok() } else { None };
        let extensions = Extensions::new();
        let head = uri.as_ref().map(|uri| RequestHead {
            method: request.method(),
            uri,
            version: request.version(),
            headers: request.headers(),
            extensions: &extensions,
        });
        if head.is_some_and(|head| self.ignores_request(&head)) {
            return None;
        }
        let host = request.url().host_str().filter(|_| self.splits_by_address);
        let key = OperationKey {
            traffic: TrafficId::new(self.side, Protocol::Http),
            method,
            route: host.map_or(Route::Unmatched, Route::Template),
        };
        let state = ExchangeState::begin(self.lookout, &key)?;
        Some(match head {
            Some(head) if self.labels => state.with_request_labels(&head),
            _ => state,
        })
    }
}

impl<F, E> Future for ReqwestFuture<F>
where
    F: Future<Output = Result<reqwest::Response, E>>,
    E: 'static,
{
    type Output = Result<reqwest::Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.project().inner.poll(cx))?;
        Poll::Ready(Ok(response.map(reqwest::Body::wrap).into()))
    }
}

impl<F, E> Future for IntoHttp<F>
where
    F: Future<Output = Result<reqwest::Response, E>>,
{
    type Output = Result<http::Response<reqwest::Body>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.project().inner.poll(cx))?;
        // Keep the URL, which a redirect may have changed.
        let mut with_url = http::Response::builder().url(response.url().clone());
        let mut response = http::Response::from(response);
        if let Some(extensions) = with_url.extensions_mut() {
            response.extensions_mut().extend(mem::take(extensions));
        }
        Poll::Ready(Ok(response))
    }
}
