use http::{Method, Request};

use super::{
    LookoutId, UpgradeWatch, Watches,
    facts::Facts,
    grpc, local,
    route::{Route, TakenHead},
    upgrade,
};
use crate::operation::{MethodLabel, OTHER, Protocol, Side, TrafficId};

/// Where requests come in, and what they are asked there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entrance {
    pub(crate) lookout: LookoutId,
    pub(crate) side: Side,
    /// Some setting asks for more than the method and the route.
    pub(crate) looks_into_head: bool,
    /// A closure of the user says what is not watched.
    pub(crate) ignores: bool,
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
}

impl Entrance {
    #[inline(always)]
    pub(super) fn enter<T: Watches, B>(
        self,
        method: MethodLabel,
        request: &mut Request<B>,
    ) -> Option<Facts> {
        if self.looks_into_head {
            let (head, begun) = self.enter_by_head(TakenHead::of(request), T::GRPC);
            head.give_back(request);
            return begun;
        }
        if T::GRPC && !request.headers().is_empty() && grpc::is_grpc(request.headers()) {
            return self.begin_grpc(grpc::method(request.uri().path()));
        }
        if T::GRPC && self.side.is_client() {
            let traffic = TrafficId::new(self.side, Protocol::Http);
            let entry = Entry { traffic, method, route: Route::Unmatched };
            return Facts::begin(self.lookout, &entry);
        }
        // All that counts is the method, and what a router says.
        let traffic = TrafficId::HTTP_SERVER;
        let entry = Entry { traffic, method, route: Route::of(request) };
        Facts::begin(self.lookout, &entry)
    }

    /// What looks into the head takes it by value; see [`TakenHead`].
    #[inline(never)]
    fn enter_by_head(self, mut head: TakenHead, grpc: bool) -> (TakenHead, Option<Facts>) {
        let begun = self.begin(&head, grpc);
        if self.watches_upgrades
            && let Some(facts) = begun
            && (head.method == Method::CONNECT || upgrade::is_upgrade(&head.headers))
        {
            head.extensions.insert(UpgradeWatch::new(facts));
        }
        (head, begun)
    }

    fn begin(self, head: &TakenHead, grpc: bool) -> Option<Facts> {
        if self.ignores && head.is_ignored(self.lookout) {
            return None;
        }
        if grpc && grpc::is_grpc(&head.headers) {
            return self.begin_grpc(grpc::method(head.uri.path()));
        }
        let method = MethodLabel::of(&head.method);
        let route = if self.side.is_client() {
            let host = if self.tells_address { head.uri.host() } else { None };
            host.map_or(Route::Unmatched, Route::Template)
        } else {
            match Route::by_router(&head.extensions) {
                Route::Unmatched if self.names_routes => head.named(self.lookout, method),
                route => route,
            }
        };
        let entry = Entry { traffic: TrafficId::new(self.side, Protocol::Http), method, route };
        Facts::begin(self.lookout, &entry)
    }

    fn begin_grpc(self, name: &str) -> Option<Facts> {
        let traffic = TrafficId::new(self.side, Protocol::Grpc);
        let method = MethodLabel::Other;
        let known = local::with_core(self.lookout, move |core| {
            core.store.operations.known(traffic, method, name)
        });
        // What a client asks for is known to be there.
        let (route, is_known) = match known.flatten() {
            Some(operation) => (Route::Looked(operation), true),
            None if self.side.is_client() => (Route::Template(name), true),
            None => (Route::Template(OTHER), false),
        };
        let facts = Facts::begin(self.lookout, &Entry { traffic, method, route })?;
        Some(if is_known { facts } else { facts.of_unknown(name) })
    }
}
