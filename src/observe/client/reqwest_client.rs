//! reqwest's requests and responses are types of its own: this is the way through `http`'s.

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

use crate::observe::{
    HttpAndGrpc, LayerConfig, LookoutService, RequestHead, ResponseFuture,
    exchange::{Exchange, state::ExchangeState},
    head::{label, layer_config::Entry, route::Route},
    http::{body::BodyRule, upload::UploadBody},
};
use crate::operation::{MethodLabel, Protocol, TrafficId};

pin_project! {
    /// The future of a watched [`reqwest::Client`].
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
        let rule = BodyRule::of(method, self.entrance);
        let facts = self.entrance.enter_reqwest(method, &request);
        self.record_wait(facts);
        let facts = facts.map(|facts| watch_body(facts, &mut request));
        let mut guard = facts.map(|facts| Exchange { facts, companion: () });
        let inner = IntoHttp { inner: self.inner().call(request) };
        let exchange = guard.take();
        ReqwestFuture { inner: ResponseFuture { inner, exchange, rule, watches: PhantomData } }
    }
}

/// The bytes that are read of a body keep its request young. A body that is in memory as a whole goes
/// at once, and stays as it is: reqwest may need it again for a redirect.
fn watch_body(facts: ExchangeState, request: &mut reqwest::Request) -> ExchangeState {
    let Some(body) = request.body_mut() else { return facts };
    if body.as_bytes().is_some() {
        return facts;
    }
    let (facts, upload) = facts.uploading();
    let inner = mem::take(body);
    *body = reqwest::Body::wrap(UploadBody::new(inner, upload));
    facts
}

impl LayerConfig {
    /// As [`enter`](Self::enter); closures of the user see the request's URL as a URI.
    fn enter_reqwest(
        self,
        method: MethodLabel,
        request: &reqwest::Request,
    ) -> Option<ExchangeState> {
        let is_looked_into = self.ignores || self.labels;
        let uri = if is_looked_into { request.url().as_str().parse().ok() } else { None };
        let extensions = Extensions::new();
        let head = uri.as_ref().map(|uri| RequestHead {
            method: request.method(),
            uri,
            version: request.version(),
            headers: request.headers(),
            extensions: &extensions,
        });
        if self.ignores && head.is_some_and(|head| head.is_ignored(self.lookout)) {
            return None;
        }
        let host = request.url().host_str().filter(|_| self.tells_address);
        let entry = Entry {
            traffic: TrafficId::new(self.side, Protocol::Http),
            method,
            route: host.map_or(Route::Unmatched, Route::Template),
        };
        let facts = ExchangeState::begin(self.lookout, &entry)?;
        Some(match head {
            Some(head) if self.labels => label::of_request(facts, &head),
            _ => facts,
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
        // The URL, which redirects may have changed, would be lost on the way.
        let mut with_url = http::Response::builder().url(response.url().clone());
        let mut response = http::Response::from(response);
        if let Some(extensions) = with_url.extensions_mut() {
            response.extensions_mut().extend(mem::take(extensions));
        }
        Poll::Ready(Ok(response))
    }
}
