//! Starts an HTTP or gRPC request in a layer.

use std::{borrow::Cow, mem};

use http::{Method, Request};

use super::{
    mode::Mode,
    twice,
    upgrade::{UpgradeWatch, is_upgrade},
};
use crate::{
    observe::{
        exchange::{layer_config::LayerConfig, local, start::OperationKey, state::ExchangeState},
        head::{grpc, request::TakenHead, route::Route},
    },
    operation::{MethodLabel, Protocol, TrafficId},
};

impl LayerConfig {
    /// Starts the exchange of a request. Returns `None` if the request is ignored.
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
        if self.reads_requests {
            let (head, state) = self.enter_by_head(TakenHead::of(request), T::GRPC);
            head.give_back(request);
            return state;
        }
        if T::GRPC && method == MethodLabel::Post && grpc::is_grpc(request.headers()) {
            let method = grpc::method(request.uri().path());
            return ExchangeState::call(self.lookout, self.side, method);
        }
        if T::GRPC && self.side.is_client() {
            let traffic = TrafficId::new(self.side, Protocol::Http);
            let key = OperationKey { traffic, method, route: Route::Unmatched };
            return ExchangeState::begin(self.lookout, &key);
        }
        // The layer needs only the method and the router's route.
        let traffic = TrafficId::HTTP_SERVER;
        let key = OperationKey { traffic, method, route: Route::of(request) };
        ExchangeState::begin(self.lookout, &key)
    }

    /// Takes the head by value; see [`TakenHead`].
    #[inline(never)]
    fn enter_by_head(self, mut head: TakenHead, grpc: bool) -> (TakenHead, Option<ExchangeState>) {
        let mut state = self.begin(&head, grpc);
        if self.has_long_polls {
            state = state.map(ExchangeState::detect_long_poll);
        }
        if self.labels {
            state = state.map(|state| state.with_request_labels(&head.as_head()));
        }
        if self.watches_upgrades && (head.method == Method::CONNECT || is_upgrade(&head.headers)) {
            UpgradeWatch::add_to(&mut head.extensions, state);
        }
        (head, state)
    }

    fn begin(self, head: &TakenHead, grpc: bool) -> Option<ExchangeState> {
        if self.ignores_request(&head.as_head()) {
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
        let by_address = self.splits_by_address && self.side.is_client();
        let host = if by_address { head.uri.host().map(lower_case) } else { None };
        let route = if self.side.is_client() {
            host.as_deref().map_or(Route::Unmatched, Route::Template)
        } else {
            match Route::by_router(&head.extensions) {
                Route::Unmatched if self.names_routes => self.find_route(head, method)?,
                Route::Template(route) if self.ignores_route(route) => return None,
                route => route,
            }
        };
        let key =
            OperationKey { traffic: TrafficId::new(self.side, Protocol::Http), method, route };
        ExchangeState::begin(self.lookout, &key)
    }

    /// Finds the route with the user's closure or templates. Returns `None` if the route is
    /// ignored.
    fn find_route(self, head: &TakenHead, method: MethodLabel) -> Option<Route<'static>> {
        let head = &head.as_head();
        local::with_core(self.lookout, move |core| core.find_route(method, head)).flatten()
    }
}

/// Converts a host to lower case, since hosts are case-insensitive (RFC 3986 §3.2.2).
fn lower_case(host: &str) -> Cow<'_, str> {
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        host.to_ascii_lowercase().into()
    } else {
        host.into()
    }
}
