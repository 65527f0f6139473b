//! Reports a route from inside a router to the layer around the router, through a slot in the
//! request.

use std::task::{Context, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use super::upgrade::UpgradeWatch;
use crate::{
    observe::{LayerConfig, detail::route_slot::RouteSlot, head::route::Route},
    operation::MethodLabel,
};

/// A layer inside a router that reports the route of each request to the
/// [`outer_layer`](crate::Lookout::outer_layer) around the router. Created by
/// [`Lookout::route_layer`](crate::Lookout::route_layer).
#[derive(Clone, Copy, Debug)]
pub struct RouteLayer(pub(crate) LayerConfig);

/// A service wrapped by a [`RouteLayer`].
#[derive(Clone, Debug)]
pub struct Routed<S> {
    inner: S,
    config: LayerConfig,
}

impl<S> Layer<S> for RouteLayer {
    type Service = Routed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Routed { inner, config: self.0 }
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
        if let (Some(slot), Route::Template(_)) = (request.extensions().get::<RouteSlot>(), route) {
            let method = MethodLabel::of(request.method());
            let state = slot.set_route(self.config, method, route);
            if let (true, Some(state)) = (self.config.watches_upgrades, state) {
                UpgradeWatch::move_to(request.extensions_mut(), self.config.lookout, state);
            }
        }
        self.inner.call(request)
    }
}
