use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{IgnoreFn, Naming, RequestHead};
use crate::{
    operation::{MethodLabel, OperationId, TrafficId},
    series::{Judge, Store},
};

/// What the request path needs of a lookout.
pub(crate) struct Core {
    pub(crate) store: Arc<Store>,
    pub(super) judge: Arc<Judge>,
    route: Option<Naming>,
    ignore: Option<Box<IgnoreFn>>,
    closed: AtomicBool,
    /// gRPC methods that were never seen, of calls that wait for their answer.
    unknown: Mutex<Vec<Option<Box<str>>>>,
}

impl Core {
    pub(crate) fn new(
        store: Arc<Store>,
        judge: Arc<Judge>,
        route: Option<Naming>,
        ignore: Option<Box<IgnoreFn>>,
    ) -> Self {
        Self {
            store,
            judge,
            route,
            ignore,
            closed: AtomicBool::new(false),
            unknown: Mutex::new(Vec::new()),
        }
    }

    pub(super) fn ignores(&self, head: &RequestHead<'_>) -> bool {
        self.ignore.as_ref().is_some_and(|ignore| ignore(head))
    }

    /// The operation by the user's closure or templates, if they name the request's route.
    pub(super) fn named(&self, method: MethodLabel, head: &RequestHead<'_>) -> Option<OperationId> {
        let operations = &self.store.operations;
        self.route
            .as_ref()?
            .route(head, |route| operations.id_of(TrafficId::HTTP_SERVER, method, route))
    }

    /// Keeps the name of a method until its answer comes; gives the place, if there is one.
    pub(super) fn remember(&self, method: &str) -> Option<u16> {
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        let place = unknown.iter().position(Option::is_none).unwrap_or(unknown.len());
        let number = u16::try_from(place).ok()?;
        if place == unknown.len() {
            unknown.push(None);
        }
        unknown[place] = Some(method.into());
        Some(number)
    }

    pub(super) fn recall(&self, place: u16) -> Option<Box<str>> {
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        unknown.get_mut(usize::from(place))?.take()
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
