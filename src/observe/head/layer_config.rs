use std::{borrow::Cow, mem};

use http::{Method, Request};

use super::{
    grpc,
    route::{self, Route, TakenHead},
    upgrade,
};
use crate::observe::{
    LabelSource, LookoutId, Mode, ObserveConfig, UpgradeWatch, exchange::state::ExchangeState,
    http::twice,
};
use crate::operation::{MethodLabel, Protocol, Side, TrafficId};

/// Where requests come in, and what they are asked there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerConfig {
    pub(crate) lookout: LookoutId,
    pub(crate) side: Side,
    /// The head of each request is looked into, for any of the next six.
    pub(crate) looks_into_head: bool,
    /// The user says what is not watched.
    pub(crate) ignores: bool,
    /// A closure of the user names routes.
    pub(crate) names_routes: bool,
    /// Requests that ask for an upgrade get a watch for it.
    pub(crate) watches_upgrades: bool,
    /// Closures of the user label requests.
    pub(crate) labels: bool,
    /// Some routes answer when there is something to tell.
    pub(crate) has_long_polls: bool,
    /// A client's operations are told apart by the address, too.
    pub(crate) tells_address: bool,
    /// The head of each response is looked into, for labels or whether it is watched.
    pub(crate) reads_responses: bool,
}

/// What a request of HTTP counts for.
pub(crate) struct Entry<'a> {
    pub(crate) traffic: TrafficId,
    pub(crate) method: MethodLabel,
    pub(crate) route: Route<'a>,
}

impl LayerConfig {
    /// Of a server.
    pub(crate) fn new(lookout: LookoutId, questions: &ObserveConfig) -> Self {
        let ignores = questions.ignore.is_some() || !questions.ignored_routes.is_empty();
        let names_routes = questions.route.is_some();
        let watches_upgrades = questions.watches_upgrades;
        let of_request = |source: &LabelSource| matches!(source, LabelSource::Request(_));
        let labels = questions.labels.iter().any(of_request);
        let labels_responses = !questions.labels.iter().all(of_request);
        let tells_address = questions.tells_address;
        let has_long_polls = !questions.long_polls.is_empty();
        Self {
            lookout,
            side: Side::SERVER,
            looks_into_head: ignores
                || names_routes
                || watches_upgrades
                || labels
                || has_long_polls
                || tells_address,
            ignores,
            names_routes,
            watches_upgrades,
            labels,
            has_long_polls,
            reads_responses: labels_responses || questions.unwatched_responses,
            tells_address,
        }
    }

    #[inline(always)]
    pub(crate) fn enter<T: Mode, B>(
        self,
        method: MethodLabel,
        request: &mut Request<B>,
    ) -> Option<ExchangeState> {
        if !self.side.is_client() && twice::is_armed(self.lookout) {
            let extensions = mem::take(request.extensions_mut());
            *request.extensions_mut() = twice::check(self.lookout, extensions);
        }
        if self.looks_into_head {
            let (head, begun) = self.enter_by_head(TakenHead::of(request), T::GRPC);
            head.give_back(request);
            return begun;
        }
        if T::GRPC && method == MethodLabel::Post && grpc::is_grpc(request.headers()) {
            return ExchangeState::call(
                self.lookout,
                self.side,
                grpc::method(request.uri().path()),
            );
        }
        if T::GRPC && self.side.is_client() {
            let traffic = TrafficId::new(self.side, Protocol::Http);
            let entry = Entry { traffic, method, route: Route::Unmatched };
            return ExchangeState::begin(self.lookout, &entry);
        }
        // All that counts is the method, and what a router says.
        let traffic = TrafficId::HTTP_SERVER;
        let entry = Entry { traffic, method, route: Route::of(request) };
        ExchangeState::begin(self.lookout, &entry)
    }

    /// What looks into the head takes it by value; see [`TakenHead`].
    #[inline(never)]
    fn enter_by_head(self, mut head: TakenHead, grpc: bool) -> (TakenHead, Option<ExchangeState>) {
        let mut begun = self.begin(&head, grpc);
        if self.has_long_polls {
            begun = begun.map(ExchangeState::by_route);
        }
        if self.labels {
            begun = begun.map(|facts| head.labelled(facts));
        }
        if self.watches_upgrades
            && (head.method == Method::CONNECT || upgrade::is_upgrade(&head.headers))
        {
            UpgradeWatch::put_into(&mut head.extensions, begun);
        }
        (head, begun)
    }

    fn begin(self, head: &TakenHead, grpc: bool) -> Option<ExchangeState> {
        if self.ignores && head.is_ignored(self.lookout) {
            return None;
        }
        if grpc && head.method == Method::POST && grpc::is_grpc(&head.headers) {
            let method = grpc::method(head.uri.path());
            let is_ignored = self.ignores_route(method);
            return if is_ignored {
                None
            } else {
                ExchangeState::call(self.lookout, self.side, method)
            };
        }
        let method = MethodLabel::of(&head.method);
        let host = if self.tells_address && self.side.is_client() { head.uri.host() } else { None };
        let host = host.map(lower_case);
        let route = if self.side.is_client() {
            host.as_deref().map_or(Route::Unmatched, Route::Template)
        } else {
            match Route::by_router(&head.extensions) {
                Route::Unmatched if self.names_routes => head.named(self.lookout, method)?,
                Route::Template(route) if self.ignores_route(route) => return None,
                route => route,
            }
        };
        let entry = Entry { traffic: TrafficId::new(self.side, Protocol::Http), method, route };
        ExchangeState::begin(self.lookout, &entry)
    }

    /// Only what is served has routes.
    pub(crate) fn ignores_route(self, route: &str) -> bool {
        self.ignores && !self.side.is_client() && route::is_ignored(self.lookout, route)
    }
}

/// A host as all its spellings count: case says nothing there (RFC 3986 §3.2.2).
fn lower_case(host: &str) -> Cow<'_, str> {
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        host.to_ascii_lowercase().into()
    } else {
        host.into()
    }
}
