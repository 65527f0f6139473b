use std::sync::Arc;

use http::Request;

use super::{Detail, DetailHandle};
use crate::{
    observe::{
        exchange::{layer_config::LayerConfig, state::ExchangeState},
        head::route::Route,
    },
    operation::MethodLabel,
};

/// A request extension through which a layer inside a router reports the route to the layer around
/// the router.
#[derive(Clone, Debug)]
pub(crate) struct RouteSlot {
    detail: Arc<Detail>,
    /// The slot of the next layer outside, which may belong to another lookout.
    outer: Option<Box<RouteSlot>>,
}

impl DetailHandle {
    /// Adds a [`RouteSlot`] to the request.
    pub(crate) fn add_route_slot<B>(&self, request: &mut Request<B>) {
        if let Some(detail) = self.detail() {
            let extensions = request.extensions_mut();
            let outer = extensions.remove::<RouteSlot>().map(Box::new);
            extensions.insert(RouteSlot { detail, outer });
        }
    }
}

impl RouteSlot {
    /// Sets the route of the exchange and returns its state, or `Some(None)` if the route is
    /// ignored. Returns `None` if no layer of this lookout waits for the route.
    pub(crate) fn set_route(
        &self,
        config: LayerConfig,
        method: MethodLabel,
        route: Route<'_>,
    ) -> Option<Option<ExchangeState>> {
        let of_outer = self.outer.as_ref().and_then(|outer| outer.set_route(config, method, route));
        let mut current = self.detail.current();
        if current.has_ended || current.state.lookout() != config.lookout {
            return of_outer;
        }
        match route {
            Route::Template(route) if config.ignores_route(route) => {
                current.state.discard();
                current.discard();
                Some(None)
            }
            _ => {
                current.state = current.state.with_route(method, route);
                Some(Some(current.state))
            }
        }
    }
}
