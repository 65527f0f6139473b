use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use http::Request;

use super::{RequestHead, RouteFn};
use crate::{
    operation::{MethodLabel, OperationId},
    series::Store,
};

/// What the request path needs of a lookout.
pub(crate) struct Core {
    pub(crate) store: Arc<Store>,
    route: Option<Box<RouteFn>>,
    closed: AtomicBool,
}

impl Core {
    pub(crate) fn new(store: Arc<Store>, route: Option<Box<RouteFn>>) -> Self {
        Self { store, route, closed: AtomicBool::new(false) }
    }

    #[inline]
    pub(super) fn operation<B>(&self, request: &Request<B>) -> OperationId {
        let method = MethodLabel::of(request.method());
        #[cfg(feature = "axum")]
        if let Some(path) = request.extensions().get::<axum::extract::MatchedPath>() {
            return self.store.operations.id_of(method, path.as_str());
        }
        if let Some(route) = &self.route
            && let Some(route) = route(&RequestHead::of(request))
        {
            return self.store.operations.id_of(method, &route);
        }
        self.store.operations.unmatched(method)
    }

    /// Lets the threads forget this lookout; what still ends is counted for nobody.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("store", &self.store).finish_non_exhaustive()
    }
}
