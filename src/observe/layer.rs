use tower_layer::Layer;

use super::{LookoutId, Watched};

/// Watches every request that passes: made by [`Lookout::layer`](crate::Lookout::layer).
///
/// It is a few bytes to copy, and so is the service that it makes. Put it outside of what may answer
/// for the service (timeouts, limits, authentication), so that those answers count, too; in axum
/// [`Router::layer`] only wraps the routes added before it.
///
/// [`Router::layer`]: https://docs.rs/axum/0.8/axum/struct.Router.html#method.layer
#[derive(Clone, Copy, Debug)]
pub struct LookoutLayer {
    lookout: LookoutId,
    names_routes: bool,
}

impl LookoutLayer {
    pub(crate) fn new(lookout: LookoutId, names_routes: bool) -> Self {
        Self { lookout, names_routes }
    }
}

impl<S> Layer<S> for LookoutLayer {
    type Service = Watched<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Watched::new(inner, self.lookout, self.names_routes)
    }
}
