use std::{
    convert::Infallible,
    fmt,
    future::Future,
    io::{self, BufWriter},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use metrics_exporter_prometheus::PrometheusHandle;
use tower_service::Service;

use super::encoding::prefers_gzip;
use crate::collect::export_all;

/// Renders the metrics for Prometheus. All lookouts first export their counts, so a scrape is
/// current.
///
/// It is cheap to clone. In axum it is a handler, `.route("/metrics", get(scrape))`; elsewhere it
/// is a tower service. Both render on a blocking thread, since thousands of series take
/// milliseconds. They compress with gzip for clients that accept it, as Prometheus does.
#[derive(Clone)]
pub struct Scrape {
    handle: PrometheusHandle,
}

impl Scrape {
    /// The `Content-Type` of [`render`](Self::render): Prometheus's text format, version 0.0.4.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    pub(super) fn new(handle: PrometheusHandle) -> Self {
        Self { handle }
    }

    /// Renders the metrics on the calling thread. A thousand series take some milliseconds.
    pub fn render(&self) -> String {
        export_all();
        self.handle.render()
    }

    /// Compresses while it renders, so the whole text is never in memory.
    fn render_gzip(&self) -> io::Result<Vec<u8>> {
        export_all();
        // A line has some hundred bytes, and the encoder is faster with larger pieces.
        let encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let mut writer = BufWriter::with_capacity(32 << 10, encoder);
        self.handle.render_to_write(&mut writer)?;
        writer.into_inner()?.finish()
    }

    /// Renders on a blocking thread.
    async fn respond(self, is_gzip: bool) -> Response<Bytes> {
        let render = move || match is_gzip {
            true => self.render_gzip().map(Bytes::from),
            false => Ok(Bytes::from(self.render())),
        };
        let rendered = tokio::task::spawn_blocking(render).await;
        let (status, body) = match rendered.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(body) => (StatusCode::OK, body),
            Err(error) => {
                (StatusCode::INTERNAL_SERVER_ERROR, format!("the scrape failed: {error}\n").into())
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(Self::CONTENT_TYPE));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if is_gzip && status == StatusCode::OK {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrape").finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for Scrape {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let response = self.clone().respond(prefers_gzip(request.headers()));
        Box::pin(async move { Ok(response.await.map(Full::new)) })
    }
}

#[cfg(feature = "axum")]
impl<S: Send + Sync + 'static> axum::handler::Handler<Scrape, S> for Scrape {
    type Future = Pin<Box<dyn Future<Output = axum::response::Response> + Send>>;

    fn call(self, request: axum::extract::Request, _state: S) -> Self::Future {
        let response = self.respond(prefers_gzip(request.headers()));
        Box::pin(async move { response.await.map(axum::body::Body::from) })
    }
}
