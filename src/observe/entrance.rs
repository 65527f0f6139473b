use std::mem;

use http::{HeaderMap, Method, Request};

use super::{
    LookoutId, UpgradeWatch,
    facts::Facts,
    grpc, local,
    route::{Route, TakenHead},
    upgrade,
};
use crate::operation::{MethodLabel, OTHER, OperationId, Protocol, Side, TrafficId};

/// Where requests come in, and what they are asked there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entrance {
    pub(crate) lookout: LookoutId,
    pub(crate) side: Side,
    /// gRPC is told apart, by the content type.
    pub(crate) speaks_grpc: bool,
    /// A closure of the user names routes.
    pub(crate) names_routes: bool,
    /// Requests that ask for an upgrade get a watch for it.
    pub(crate) watches_upgrades: bool,
    /// A client's operations are told apart by the address, too.
    pub(crate) tells_address: bool,
}

/// What a request counts for.
pub(super) struct Entry<'a> {
    pub(super) traffic: TrafficId,
    pub(super) method: MethodLabel,
    pub(super) route: Route<'a>,
    /// The gRPC method, if it was never seen: it counts as `_OTHER`, unless the answer says that
    /// there is one.
    pub(super) unknown: Option<Box<Unknown>>,
}

/// A gRPC method that was never seen.
#[derive(Debug)]
pub(super) struct Unknown {
    pub(super) traffic: TrafficId,
    pub(super) method: Box<str>,
}

impl Entrance {
    /// Whether all that counts is the method and what a router says.
    #[inline]
    fn is_plain(self) -> bool {
        !(self.speaks_grpc || self.names_routes || self.watches_upgrades)
    }

    #[inline(always)]
    pub(super) fn enter<B>(self, request: &mut Request<B>) -> Entry<'_> {
        let method = MethodLabel::of(request.method());
        if self.is_plain() {
            let traffic = TrafficId::HTTP_SERVER;
            return Entry { traffic, method, route: Route::of(request), unknown: None };
        }
        let http = TrafficId::new(self.side, Protocol::Http);
        if self.speaks_grpc && with_headers(request, grpc::is_grpc) {
            return self.enter_grpc(request);
        }
        if self.side.is_client() {
            let host = if self.tells_address { request.uri().host() } else { None };
            let route = Route::Template(host.unwrap_or_default());
            return Entry { traffic: http, method, route, unknown: None };
        }
        if self.names_routes && matches!(Route::of(request), Route::Unmatched) {
            let head = TakenHead::of(request);
            let (head, named) = head.named(self.lookout, method);
            head.give_back(request);
            let route = named.map_or(Route::Unmatched, Route::Looked);
            return Entry { traffic: http, method, route, unknown: None };
        }
        Entry { traffic: http, method, route: Route::of(request), unknown: None }
    }

    /// Gives a request that asks for an upgrade what its connection is watched by.
    #[inline(always)]
    pub(super) fn watch_upgrade<B>(self, request: &mut Request<B>, facts: Option<Facts>) {
        let Some(facts) = facts.filter(|_| self.watches_upgrades) else { return };
        let is_tunnel = *request.method() == Method::CONNECT;
        if is_tunnel || with_headers(request, upgrade::is_upgrade) {
            let mut extensions = mem::take(request.extensions_mut());
            extensions.insert(UpgradeWatch::new(facts));
            *request.extensions_mut() = extensions;
        }
    }

    fn enter_grpc<B>(self, request: &Request<B>) -> Entry<'_> {
        let traffic = TrafficId::new(self.side, Protocol::Grpc);
        let name = grpc::method(request.uri().path());
        let method = MethodLabel::Other;
        let is_known = self.side.is_client() || known(self.lookout, traffic, name).is_some();
        if is_known {
            Entry { traffic, method, route: Route::Template(name), unknown: None }
        } else {
            let unknown = Some(Box::new(Unknown { traffic, method: name.into() }));
            Entry { traffic, method, route: Route::Template(OTHER), unknown }
        }
    }
}

fn known(lookout: LookoutId, traffic: TrafficId, name: &str) -> Option<OperationId> {
    local::with(lookout, move |core, _| {
        core.store.operations.known(traffic, MethodLabel::Other, name)
    })
    .flatten()
}

/// Looks into the headers while they are out of the request; see [`TakenHead`].
#[inline(always)]
fn with_headers<B, R>(request: &mut Request<B>, look: fn(&HeaderMap) -> R) -> R {
    let headers = mem::take(request.headers_mut());
    let seen = look(&headers);
    *request.headers_mut() = headers;
    seen
}
