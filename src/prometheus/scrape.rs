use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, StatusCode, header};
use metrics_exporter_prometheus::PrometheusHandle;
use tower_service::Service;

use crate::collect::carry_all;

/// The scrape: renders what the recorder has, after every lookout has carried over what it counted.
///
/// It is cheap to clone. In axum it is a handler, `.route("/metrics", get(scrape))`; under hyper and
/// elsewhere it is a tower service. Both render off the async workers, since thousands of series
/// take a while.
#[derive(Clone)]
pub struct Scrape {
    handle: PrometheusHandle,
}

impl Scrape {
    /// The `Content-Type` of what [`render`](Self::render) gives: Prometheus's text format, 0.0.4.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    pub(super) fn new(handle: PrometheusHandle) -> Self {
        Self { handle }
    }

    /// Carries over and renders, on the calling thread: some milliseconds for a thousand series.
    pub fn render(&self) -> String {
        carry_all();
        self.handle.render()
    }

    /// [`render`](Self::render) on a thread where it may block, as a response.
    async fn respond(self) -> Response<String> {
        let rendered = tokio::task::spawn_blocking(move || self.render()).await;
        let (status, body) = match rendered {
            Ok(body) => (StatusCode::OK, body),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("no scrape: {error}\n")),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let content_type = HeaderValue::from_static(Self::CONTENT_TYPE);
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response
    }
}

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrape").finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for Scrape {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<String>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<B>) -> Self::Future {
        let scrape = self.clone();
        Box::pin(async move { Ok(scrape.respond().await) })
    }
}

#[cfg(feature = "axum")]
impl<S: Send + Sync + 'static> axum::handler::Handler<Scrape, S> for Scrape {
    type Future = Pin<Box<dyn Future<Output = axum::response::Response> + Send>>;

    fn call(self, _request: axum::extract::Request, _state: S) -> Self::Future {
        Box::pin(async move { self.respond().await.map(axum::body::Body::from) })
    }
}
