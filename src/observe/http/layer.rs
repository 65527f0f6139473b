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

use super::mode::DetailOptions;
use crate::observe::{Http, LayerConfig, LookoutService, Mode, Observer};

/// Watches every request that passes. Made by [`Lookout::layer`](crate::Lookout::layer),
/// [`grpc_layer`](crate::Lookout::grpc_layer), [`client_layer`](crate::Lookout::client_layer) and
/// [`outer_layer`](crate::Lookout::outer_layer).
///
/// The layer and its service are a few bytes to copy. Put it outside layers that may answer for the
/// service (timeouts, limits, authentication), so that those responses count too. In axum
/// [`Router::layer`] wraps only the routes that were added before.
///
/// [`Router::layer`]: https://docs.rs/axum/0.8/axum/struct.Router.html#method.layer
#[derive(Clone, Copy, Debug)]
pub struct LookoutLayer<T = Http> {
    entrance: LayerConfig,
    watches: T,
}

impl<T: Mode> LookoutLayer<T> {
    pub(crate) fn new(entrance: LayerConfig, watches: T) -> Self {
        Self { entrance, watches }
    }

    /// Counts bodies, as histograms: the bytes of a request that were read, the bytes of a response
    /// that were sent, and gRPC messages in both directions. Defaults to off, since it costs an
    /// allocation for each request.
    ///
    /// It counts what passes the layer and not `Content-Length`: nothing for HEAD, the sent part of
    /// a response that breaks off, and compressed bytes if the compression layer is inside. Each
    /// body is one sample, recorded when both have ended. The inner service receives the request
    /// with a [`RequestBody`](crate::observe::RequestBody): axum's routers and tonic's accept any,
    /// and for a service that accepts only one type `map_request` converts it. Around a
    /// `reqwest::Client`, which has its own body type, it is not available.
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
        self.detailed(|asked| asked.counts_sizes = true)
    }

    /// Calls `observer` for each request. May be called more than once. It costs as much as
    /// [`bodies`](Self::bodies), and is not available around a `reqwest::Client` either. Defaults
    /// to none.
    pub fn observer(self, observer: impl Observer) -> LookoutLayer<T::Detailed> {
        self.detailed(|asked| asked.observers.push(Arc::new(observer)))
    }

    /// Wraps a whole service, such as a router with the layers around it, and returns a router for
    /// `axum::serve`. Routes that you add to the returned router are not watched. Feature `axum`.
    ///
    /// Use it with [`Lookout::outer_layer`](crate::Lookout::outer_layer). It costs as much as a
    /// router's fallback: a few allocations for each request.
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

    fn detailed(self, ask: impl FnOnce(&mut DetailOptions)) -> LookoutLayer<T::Detailed> {
        LookoutLayer { entrance: self.entrance, watches: self.watches.detailed(ask) }
    }
}

impl<S, T: Mode> Layer<S> for LookoutLayer<T> {
    type Service = LookoutService<S, T>;

    fn layer(&self, inner: S) -> Self::Service {
        LookoutService::new(inner, self.entrance, self.watches.clone())
    }
}
