use std::marker::PhantomData;

use tower_layer::Layer;

use super::{Entrance, Http, Watched, Watches};

/// Watches every request that passes: made by [`Lookout::layer`](crate::Lookout::layer),
/// [`grpc_layer`](crate::Lookout::grpc_layer) and [`client_layer`](crate::Lookout::client_layer).
///
/// It is a few bytes to copy, and so is the service that it makes. Put it outside of what may answer
/// for the service (timeouts, limits, authentication), so that those answers count, too; in axum
/// [`Router::layer`] only wraps the routes added before it.
///
/// [`Router::layer`]: https://docs.rs/axum/0.8/axum/struct.Router.html#method.layer
#[derive(Clone, Copy, Debug)]
pub struct LookoutLayer<T = Http> {
    entrance: Entrance,
    watches: PhantomData<T>,
}

impl<T> LookoutLayer<T> {
    pub(crate) fn new(entrance: Entrance) -> Self {
        Self { entrance, watches: PhantomData }
    }
}

impl<S, T: Watches> Layer<S> for LookoutLayer<T> {
    type Service = Watched<S, T>;

    fn layer(&self, inner: S) -> Self::Service {
        Watched::new(inner, self.entrance)
    }
}
