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

/// Watches every request that passes: made by [`Lookout::layer`](crate::Lookout::layer),
/// [`grpc_layer`](crate::Lookout::grpc_layer), [`client_layer`](crate::Lookout::client_layer) and
/// [`outer_layer`](crate::Lookout::outer_layer).
///
/// It is a few bytes to copy, and so is the service that it makes. Put it outside of what may answer
/// for the service (timeouts, limits, authentication), so that those answers count, too; in axum
/// [`Router::layer`] only wraps the routes added before it.
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

    /// Counts the bodies, too: the bytes that were read of a request and handed on of its response, as
    /// histograms, and of gRPC the messages of both.
    ///
    /// It counts what passes here, and not what a header claims: nothing for HEAD, what went out
    /// before it broke off, and compressed bytes if the compression is inside of it. Each body is one
    /// sample, told when both are gone. The inner service gets its request with a
    /// [`RequestBody`](crate::observe::RequestBody): axum's routers and tonic's take any, and for a service that
    /// takes one type alone `map_request` makes it fit. Around `reqwest::Client`, which has bodies of its
    /// own, this can't be asked for. Defaults to off, since it costs an allocation a request.
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

    /// Tells `observer` of each request; may be called for several. It costs as
    /// [`bodies`](Self::bodies) does, and can't be asked for around `reqwest::Client` either. Defaults to
    /// none.
    pub fn observer(self, observer: impl Observer) -> LookoutLayer<T::Detailed> {
        self.detailed(|asked| asked.observers.push(Arc::new(observer)))
    }

    /// Wraps a whole service, such as a router with the layers around it, and returns what `axum::serve`
    /// takes. Add routes that are not to be watched to the router that it returns. Feature `axum`.
    ///
    /// It is for [`Lookout::outer_layer`](crate::Lookout::outer_layer). It costs what a router costs for its
    /// fallback: a few allocations a request.
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
