#[cfg(feature = "axum")]
use std::convert::Infallible;
use std::sync::Arc;

#[cfg(feature = "axum")]
use bytes::Bytes;
#[cfg(feature = "axum")]
use http::{Request, Response};
#[cfg(feature = "axum")]
use http_body::Body;
use tower_layer::Layer;
#[cfg(feature = "axum")]
use tower_service::Service;

use super::{
    mode::{Http, Mode},
    service::LookoutService,
};
use crate::observe::{LayerConfig, Observer, detail::options::DetailOptions};

/// A layer that counts each request. Created by [`Lookout::layer`](crate::Lookout::layer),
/// [`grpc_layer`](crate::Lookout::grpc_layer), [`client_layer`](crate::Lookout::client_layer) and
/// [`outer_layer`](crate::Lookout::outer_layer).
///
/// Add it outside of timeouts, limits and authentication, so that it also counts their responses.
/// In axum, [`Router::layer`] wraps only the routes added before it. The layer and its service are
/// cheap to clone.
///
/// [`Router::layer`]: https://docs.rs/axum/0.8/axum/struct.Router.html#method.layer
#[derive(Clone, Copy, Debug)]
pub struct LookoutLayer<T = Http> {
    config: LayerConfig,
    mode: T,
}

impl<T: Mode> LookoutLayer<T> {
    pub(crate) fn new(config: LayerConfig, mode: T) -> Self {
        Self { config, mode }
    }

    /// Records the sizes of request and response bodies in histograms: in bytes, and for gRPC also
    /// in messages.
    ///
    /// The sizes are those of the data that passes the layer, not those in headers: zero for HEAD,
    /// only the part sent before an abort, and the compressed bytes if the layer is outside of the
    /// compression. Each body is one sample, which is recorded when both bodies have been dropped.
    ///
    /// The inner service receives a [`RequestBody`](crate::observe::RequestBody). axum's and
    /// tonic's routers accept any body; for a service that accepts only one type, use tower's
    /// `map_request`. Not available around `reqwest::Client`, which has its own body type. Defaults
    /// to off, since it costs an allocation per request.
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::{Router, routing::post};
    /// use tower_lookout::Lookout;
    ///
    /// let lookout = Lookout::builder().start()?;
    /// let app: Router = Router::new()
    ///     .route("/echo", post(|body: String| async { body }))
    ///     .layer(lookout.layer().bodies());
    /// # Ok::<_, tower_lookout::StartError>(())
    /// ```
    pub fn bodies(self) -> LookoutLayer<T::Detailed> {
        self.detailed(|options| options.counts_sizes = true)
    }

    /// Adds an observer, which is called for each request. Each call adds another one. An observer
    /// costs as much as [`bodies`](Self::bodies), and is not available around `reqwest::Client`
    /// either. Defaults to none.
    pub fn observer(self, observer: impl Observer) -> LookoutLayer<T::Detailed> {
        self.detailed(|options| options.observers.push(Arc::new(observer)))
    }

    /// Wraps a whole service, such as a router with its layers, in a router for `axum::serve`.
    /// Routes added to the returned router are not watched. Requires the feature `axum`.
    ///
    /// Use it with [`Lookout::outer_layer`](crate::Lookout::outer_layer). It costs as much as a
    /// router's fallback: a few allocations per request.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use axum::{Router, routing::get};
    /// use tower_lookout::Lookout;
    ///
    /// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    /// let lookout = Lookout::builder().start()?;
    /// let router: Router = Router::new()
    ///     .route("/orders/{id}", get(|| async { "an order" }))
    ///     .layer(lookout.route_layer());
    /// # let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    /// axum::serve(listener, lookout.outer_layer().around(router)).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "axum")]
    #[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
    pub fn around<S, B>(&self, service: S) -> axum::Router
    where
        S: Service<
                Request<T::RequestBody<axum::body::Body>>,
                Response = Response<B>,
                Error = Infallible,
            > + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes, Error: Into<axum::BoxError>> + Send + 'static,
    {
        axum::Router::new().fallback_service(self.layer(service))
    }

    fn detailed(self, set: impl FnOnce(&mut DetailOptions)) -> LookoutLayer<T::Detailed> {
        LookoutLayer { config: self.config, mode: self.mode.detailed(set) }
    }
}

impl<S, T: Mode> Layer<S> for LookoutLayer<T> {
    type Service = LookoutService<S, T>;

    fn layer(&self, inner: S) -> Self::Service {
        LookoutService::new(inner, self.config, self.mode.clone())
    }
}
