use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{RequestHead, RouteFn};
use crate::{
    operation::{MethodLabel, OperationId, TrafficId},
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

    /// The operation by the user's closure, if there is one that names the request's route.
    pub(super) fn named(&self, method: MethodLabel, head: &RequestHead<'_>) -> Option<OperationId> {
        let route = self.route.as_ref()?(head)?;
        Some(self.store.operations.id_of(TrafficId::HTTP_SERVER, method, &route))
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
