use super::{
    core::ObserveConfig,
    local::{self, LookoutId},
};
use crate::{
    observe::head::{label::LabelSource, request::RequestHead},
    operation::Side,
};

/// A layer's copy of the settings that decide how it handles each request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerConfig {
    pub(crate) lookout: LookoutId,
    pub(crate) side: Side,
    /// Whether any of the next six settings needs the request's head.
    pub(crate) reads_requests: bool,
    /// Whether some requests or routes are ignored.
    pub(crate) ignores: bool,
    /// Whether the user's closure or templates name routes.
    pub(crate) names_routes: bool,
    /// Whether requests for an upgrade get an `UpgradeWatch`.
    pub(crate) watches_upgrades: bool,
    /// Whether the user's closures label requests.
    pub(crate) labels: bool,
    /// Whether some routes are long polls.
    pub(crate) has_long_polls: bool,
    /// Whether a client has an operation for each server address.
    pub(crate) splits_by_address: bool,
    /// Whether labels or `IgnoreResponse` need the response's head.
    pub(crate) reads_responses: bool,
}

impl LayerConfig {
    /// Creates the settings of a server's layer.
    pub(crate) fn new(lookout: LookoutId, config: &ObserveConfig) -> Self {
        let ignores = config.ignore.is_some() || !config.ignored_routes.is_empty();
        let names_routes = config.route.is_some();
        let watches_upgrades = config.watches_upgrades;
        let of_request = |source: &LabelSource| matches!(source, LabelSource::Request(_));
        let labels = config.labels.iter().any(of_request);
        let labels_responses = !config.labels.iter().all(of_request);
        let splits_by_address = config.splits_by_address;
        let has_long_polls = !config.long_polls.is_empty();
        Self {
            lookout,
            side: Side::SERVER,
            reads_requests: ignores
                || names_routes
                || watches_upgrades
                || labels
                || has_long_polls
                || splits_by_address,
            ignores,
            names_routes,
            watches_upgrades,
            labels,
            has_long_polls,
            splits_by_address,
            reads_responses: labels_responses || config.unwatched_responses,
        }
    }

    /// Returns whether the user's closure ignores this request.
    pub(crate) fn ignores_request(self, head: &RequestHead<'_>) -> bool {
        self.ignores
            && local::with_core(self.lookout, move |core| core.ignores(head)).unwrap_or_default()
    }

    /// Returns whether the route is ignored. Only servers have routes.
    pub(crate) fn ignores_route(self, route: &str) -> bool {
        self.ignores
            && !self.side.is_client()
            && local::with_core(self.lookout, move |core| core.ignores_route(route))
                .unwrap_or_default()
    }
}
