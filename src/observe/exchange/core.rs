use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{slots::Slots, uploads::Uploads};
use crate::{
    observe::head::{
        label::{LabelSource, Labels, call_user},
        request::RequestHead,
        response::{IgnoreResponse, ResponseHead},
        route::{IgnoreFn, Naming, Route},
    },
    operation::{MethodLabel, OperationId, TrafficId},
    series::{Classifier, LabelSet, Store},
};

/// A lookout's data for the request path.
pub(crate) struct Core {
    pub(crate) store: Arc<Store>,
    pub(crate) classifier: Arc<Classifier>,
    pub(crate) config: ObserveConfig,
    closed: AtomicBool,
    /// The names of unknown gRPC methods while their calls wait for a response. Only one call uses
    /// each lock.
    unknown: Slots<Mutex<Option<Box<str>>>>,
    pub(crate) uploads: Uploads,
}

/// The settings of the request path.
#[derive(Default)]
pub(crate) struct ObserveConfig {
    pub(crate) route: Option<Naming>,
    pub(crate) ignore: Option<Box<IgnoreFn>>,
    /// The ignored routes. The first request that is ignored for its route sets the flag.
    pub(crate) ignored_routes: HashMap<String, Arc<AtomicBool>>,
    /// The long-poll routes and gRPC methods.
    pub(crate) long_polls: HashSet<String>,
    /// The sources of the labels, in the order of the store's labels.
    pub(crate) labels: Vec<LabelSource>,
    /// Whether [`IgnoreResponse`] is honoured.
    pub(crate) unwatched_responses: bool,
    /// Whether requests for an upgrade get an `UpgradeWatch`.
    pub(crate) watches_upgrades: bool,
    /// Whether a client has an operation for each server address.
    pub(crate) splits_by_address: bool,
}

impl Core {
    pub(crate) fn new(
        store: Arc<Store>,
        classifier: Arc<Classifier>,
        config: ObserveConfig,
    ) -> Self {
        Self {
            store,
            classifier,
            config,
            closed: AtomicBool::new(false),
            unknown: Slots::new(),
            uploads: Uploads::new(),
        }
    }

    pub(crate) fn ignores(&self, head: &RequestHead<'_>) -> bool {
        let ignore = self.config.ignore.as_ref();
        ignore.is_some_and(|ignore| call_user(|| Some(ignore(head))).unwrap_or_default())
    }

    pub(crate) fn ignores_route(&self, route: &str) -> bool {
        let Some(has_request) = self.config.ignored_routes.get(route) else { return false };
        if !has_request.load(Ordering::Relaxed) {
            has_request.store(true, Ordering::Relaxed);
        }
        true
    }

    pub(crate) fn is_long_poll(&self, operation: OperationId) -> bool {
        let long_polls = &self.config.long_polls;
        !long_polls.is_empty()
            && self
                .store
                .operations
                .get(operation)
                .is_some_and(|operation| long_polls.contains(operation.route()))
    }

    /// Finds the route with the user's closure or templates. Returns `None` if the route is
    /// ignored.
    pub(crate) fn find_route(
        &self,
        method: MethodLabel,
        head: &RequestHead<'_>,
    ) -> Option<Route<'static>> {
        let look_up = |route: &str| {
            let operations = &self.store.operations;
            (!self.ignores_route(route))
                .then(|| Route::LookedUp(operations.id_of(TrafficId::HTTP_SERVER, method, route)))
        };
        let naming = self.config.route.as_ref();
        let found = naming.and_then(|naming| call_user(|| naming.route(head, look_up)));
        found.unwrap_or(Some(Route::Unmatched))
    }

    pub(crate) fn label_request(&self, head: &RequestHead<'_>) -> LabelSet {
        let table = &self.store.labels;
        let mut set = LabelSet::NONE;
        for (index, source) in self.config.labels.iter().enumerate() {
            if let LabelSource::Request(of) = source
                && let Some(value) = call_user(|| of(head))
            {
                set = table.with(set, index, &value);
            }
        }
        set
    }

    /// Adds the labels of the response. Returns `None` if the response has an [`IgnoreResponse`].
    pub(crate) fn label_response(
        &self,
        head: &ResponseHead<'_>,
        of_request: LabelSet,
    ) -> Option<LabelSet> {
        if self.config.unwatched_responses && head.extensions.get::<IgnoreResponse>().is_some() {
            return None;
        }
        let table = &self.store.labels;
        let mut set = of_request;
        for (index, source) in self.config.labels.iter().enumerate() {
            let value = match source {
                LabelSource::Request(_) => None,
                LabelSource::Response(of) => call_user(|| of(head)),
                LabelSource::Handler => head
                    .extensions
                    .get::<Labels>()
                    .and_then(|labels| labels.value(table.name(index)))
                    .map(Into::into),
            };
            if let Some(value) = value {
                set = table.with(set, index, &value);
            }
        }
        Some(set)
    }

    /// Keeps the name of a method until its response arrives. Returns the number with which
    /// [`recall`](Self::recall) finds it. Returns `None` if too many names are kept, or if the name
    /// is too long for a real method.
    pub(crate) fn remember(&self, method: &str) -> Option<u16> {
        const MAX_BYTES: usize = 256;
        if method.len() > MAX_BYTES {
            return None;
        }
        let (number, name) = self.unknown.take()?;
        *name.lock().unwrap_or_else(PoisonError::into_inner) = Some(method.into());
        Some(number)
    }

    /// Returns the name that [`remember`](Self::remember) kept, and releases its number.
    pub(crate) fn recall(&self, number: u16) -> Option<Box<str>> {
        let name = self.unknown.get(number).lock().unwrap_or_else(PoisonError::into_inner).take();
        if name.is_some() {
            self.unknown.release(number);
        }
        name
    }

    /// Lets the threads drop their shards of this lookout. Requests that end later are not counted.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("store", &self.store).finish_non_exhaustive()
    }
}
