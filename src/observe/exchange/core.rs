use std::{
    collections::HashSet,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::slots::Slots;
use crate::observe::{
    IgnoreResponse, Naming, RequestHead, ResponseHead,
    head::{
        label::{LabelSource, Labels, asked},
        route::{IgnoreFn, Route},
    },
    http::upload::Uploads,
};
use crate::{
    operation::{MethodLabel, OperationId, TrafficId},
    series::{Classifier, LabelSet, Store},
};

/// What the request path needs of a lookout.
pub(crate) struct Core {
    pub(crate) store: Arc<Store>,
    pub(crate) judge: Arc<Classifier>,
    pub(crate) questions: ObserveConfig,
    closed: AtomicBool,
    /// The names of gRPC methods that were never seen, of calls that wait for their response. Each
    /// lock is of one call alone.
    unknown: Slots<Mutex<Option<Box<str>>>>,
    pub(crate) uploads: Uploads,
}

/// What the user wants to know of each request.
#[derive(Default)]
pub(crate) struct ObserveConfig {
    pub(crate) route: Option<Naming>,
    pub(crate) ignore: Option<Box<IgnoreFn>>,
    pub(crate) ignored_routes: HashSet<String>,
    /// Routes, and gRPC methods, that answer when there is something to tell.
    pub(crate) long_polls: HashSet<String>,
    /// In the order of the store's labels.
    pub(crate) labels: Vec<LabelSource>,
    /// A response may say that it is not watched.
    pub(crate) unwatched_responses: bool,
    /// Requests that ask for an upgrade get a watch for it.
    pub(crate) watches_upgrades: bool,
    /// A client's operations are told apart by the address, too.
    pub(crate) tells_address: bool,
}

impl Core {
    pub(crate) fn new(store: Arc<Store>, judge: Arc<Classifier>, questions: ObserveConfig) -> Self {
        Self {
            store,
            judge,
            questions,
            closed: AtomicBool::new(false),
            unknown: Slots::new(),
            uploads: Uploads::new(),
        }
    }

    pub(crate) fn ignores(&self, head: &RequestHead<'_>) -> bool {
        let ignore = self.questions.ignore.as_ref();
        ignore.is_some_and(|ignore| asked(|| Some(ignore(head))).unwrap_or_default())
    }

    pub(crate) fn ignores_route(&self, route: &str) -> bool {
        self.questions.ignored_routes.contains(route)
    }

    pub(crate) fn is_long_poll(&self, operation: OperationId) -> bool {
        let long_polls = &self.questions.long_polls;
        !long_polls.is_empty()
            && self
                .store
                .operations
                .get(operation)
                .is_some_and(|operation| long_polls.contains(operation.route()))
    }

    /// The operation by the user's closure or templates, if they name the request's route; `None`
    /// where that is ignored.
    pub(crate) fn named(
        &self,
        method: MethodLabel,
        head: &RequestHead<'_>,
    ) -> Option<Route<'static>> {
        let looked = |route: &str| {
            let operations = &self.store.operations;
            (!self.ignores_route(route))
                .then(|| Route::Looked(operations.id_of(TrafficId::HTTP_SERVER, method, route)))
        };
        let naming = self.questions.route.as_ref();
        let named = naming.and_then(|naming| asked(|| naming.route(head, looked)));
        named.unwrap_or(Some(Route::Unmatched))
    }

    pub(crate) fn label_request(&self, head: &RequestHead<'_>) -> LabelSet {
        let table = &self.store.labels;
        let mut set = LabelSet::NONE;
        for (place, source) in self.questions.labels.iter().enumerate() {
            if let LabelSource::Request(of) = source
                && let Some(value) = asked(|| of(head))
            {
                set = table.with(set, place, &value);
            }
        }
        set
    }

    /// With the labels of the response; `None` where it says that it is not watched.
    pub(crate) fn label_response(
        &self,
        head: &ResponseHead<'_>,
        of_request: LabelSet,
    ) -> Option<LabelSet> {
        if self.questions.unwatched_responses && head.extensions.get::<IgnoreResponse>().is_some() {
            return None;
        }
        let table = &self.store.labels;
        let mut set = of_request;
        for (place, source) in self.questions.labels.iter().enumerate() {
            let value = match source {
                LabelSource::Request(_) => None,
                LabelSource::Response(of) => asked(|| of(head)),
                LabelSource::Handler => head
                    .extensions
                    .get::<Labels>()
                    .and_then(|labels| labels.value(table.name(place)))
                    .map(Into::into),
            };
            if let Some(value) = value {
                set = table.with(set, place, &value);
            }
        }
        Some(set)
    }

    /// Keeps the name of a method until its response comes, and returns the number by which
    /// [`recall`](Self::recall) finds it. Returns `None` if too many are kept, or if the name is as
    /// long as only a client would make it.
    pub(crate) fn remember(&self, method: &str) -> Option<u16> {
        const LONGEST: usize = 256;
        if method.len() > LONGEST {
            return None;
        }
        let (number, name) = self.unknown.take()?;
        *name.lock().unwrap_or_else(PoisonError::into_inner) = Some(method.into());
        Some(number)
    }

    /// The name that [`remember`](Self::remember) kept; the number is free from now on.
    pub(crate) fn recall(&self, number: u16) -> Option<Box<str>> {
        let name = self.unknown.get(number).lock().unwrap_or_else(PoisonError::into_inner).take();
        if name.is_some() {
            self.unknown.release(number);
        }
        name
    }

    /// Lets the threads forget this lookout; what still ends is counted for nobody.
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
