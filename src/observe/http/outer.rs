//! Around a whole router no route is known: the router's inside hands it out, through a slot that the
//! layer outside puts into the request.

use std::task::{Context, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use crate::observe::{LayerConfig, UpgradeWatch, detail::Slot, head::route::Route};
use crate::operation::MethodLabel;

/// Passes the route of a request to the layer around the router. Made by
/// [`Lookout::route_layer`](crate::Lookout::route_layer).
#[derive(Clone, Copy, Debug)]
pub struct RouteLayer(pub(crate) LayerConfig);

/// The service of a [`RouteLayer`].
#[derive(Clone, Debug)]
pub struct Routed<S> {
    inner: S,
    entrance: LayerConfig,
}

impl<S> Layer<S> for RouteLayer {
    type Service = Routed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Routed { inner, entrance: self.0 }
    }
}

impl<S, B> Service<Request<B>> for Routed<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let route = Route::of(&request);
        if let (Some(slot), Route::Template(_)) = (request.extensions().get::<Slot>(), route) {
            let method = MethodLabel::of(request.method());
            let taken = slot.take_route(self.entrance, method, route);
            if let (true, Some(facts)) = (self.entrance.watches_upgrades, taken) {
                let extensions = request.extensions_mut();
                UpgradeWatch::turn_to(extensions, self.entrance.lookout, facts);
            }
        }
        self.inner.call(request)
    }
}
