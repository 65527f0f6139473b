//! What goes with an exchange for the layers that count bodies, tell observers, or take the route from
//! inside: one allocation a request, shared by the bodies of both directions.

pub(super) mod access_log;
pub(super) mod hooks;
pub(super) mod observer;

use std::{
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use http::Request;

use self::{hooks::ExchangeHooks, observer::Tell};
use super::{
    LayerConfig, RequestHead, ResponseHead, exchange::state::ExchangeState, head::route::Route,
    http::mode::DetailOptions,
};
use crate::{operation::MethodLabel, outcome::Ending};

/// The details of one exchange; when the last of its bodies is gone, their sizes are told.
pub(super) struct Detail {
    alive: Mutex<Alive>,
    is_grpc: bool,
    counts_sizes: bool,
    pub(super) request: Size,
    response: Size,
    observers: Mutex<Vec<Box<dyn Tell>>>,
}

struct Alive {
    facts: ExchangeState,
    has_ended: bool,
    is_watched: bool,
}

impl Alive {
    /// Nothing is told of it any more.
    fn unwatch(&mut self) {
        (self.is_watched, self.has_ended) = (false, true);
    }
}

/// How much of a body passed.
#[derive(Debug, Default)]
pub(super) struct Size {
    bytes: AtomicU64,
    /// gRPC's.
    messages: AtomicU64,
}

impl Size {
    pub(super) fn add(&self, bytes: usize, messages: u32) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.messages.fetch_add(messages.into(), Ordering::Relaxed);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }
}

impl Detail {
    pub(super) fn is_grpc(&self) -> bool {
        self.is_grpc
    }

    fn alive(&self) -> MutexGuard<'_, Alive> {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn observers(&self) -> MutexGuard<'_, Vec<Box<dyn Tell>>> {
        self.observers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, facts: &ExchangeState, ending: Ending) {
        let observers = mem::take(&mut *self.observers());
        if !observers.is_empty() {
            facts.tell(ending, [self.request.bytes(), self.response.bytes()], observers);
        }
    }
}

impl Drop for Detail {
    fn drop(&mut self) {
        if self.counts_sizes && self.alive().is_watched {
            let bytes = [self.request.bytes(), self.response.bytes()];
            let messages = [self.request.messages(), self.response.messages()];
            self.alive().facts.sizes(bytes, self.is_grpc.then_some(messages));
        }
    }
}

impl fmt::Debug for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detail")
            .field("request", &self.request)
            .field("response", &self.response)
            .finish_non_exhaustive()
    }
}

/// The hold of an exchange on its details; empty for one that is not watched.
#[derive(Debug, Default)]
pub struct DetailHandle(Option<Arc<Detail>>);

impl DetailHandle {
    pub(super) fn of_route(facts: Option<ExchangeState>) -> Self {
        Self::new(facts, false, Vec::new())
    }

    pub(super) fn of_all<B>(
        facts: Option<ExchangeState>,
        request: &Request<B>,
        asked: &DetailOptions,
    ) -> Self {
        let watched = asked.observers.iter().filter(|_| facts.is_some());
        let begun =
            watched.filter_map(|observer| Arc::clone(observer).begin(&RequestHead::of(request)));
        Self::new(facts, asked.counts_sizes, begun.collect())
    }

    fn new(
        facts: Option<ExchangeState>,
        counts_sizes: bool,
        observers: Vec<Box<dyn Tell>>,
    ) -> Self {
        Self(facts.map(|facts| {
            Arc::new(Detail {
                alive: Mutex::new(Alive { facts, has_ended: false, is_watched: true }),
                is_grpc: facts.is_grpc(),
                counts_sizes,
                request: Size::default(),
                response: Size::default(),
                observers: Mutex::new(observers),
            })
        }))
    }

    pub(super) fn detail(&self) -> Option<Arc<Detail>> {
        self.0.clone()
    }

    /// Lets the inside say which route the request takes.
    pub(super) fn put_into<B>(&self, request: &mut Request<B>) {
        if let Some(detail) = self.detail() {
            let extensions = request.extensions_mut();
            let outer = extensions.remove::<Slot>().map(Box::new);
            extensions.insert(Slot { detail, outer });
        }
    }
}

impl ExchangeHooks for DetailHandle {
    fn update(&self, facts: &mut ExchangeState) -> bool {
        self.0.as_ref().is_none_or(|detail| {
            let alive = detail.alive();
            facts.move_with(&alive.facts);
            alive.is_watched
        })
    }

    fn unwatched(&mut self) {
        if let Some(detail) = self.0.take() {
            detail.alive().unwatch();
        }
    }

    fn answered(&self, facts: &ExchangeState, head: &ResponseHead<'_>) {
        if let Some(detail) = &self.0 {
            for observer in detail.observers().iter_mut() {
                observer.answered(head);
            }
            detail.alive().facts = *facts;
        }
    }

    fn sent(&self, bytes: usize, messages: u32) {
        if let Some(detail) = &self.0 {
            detail.response.add(bytes, messages);
        }
    }

    fn ended(&mut self, facts: &ExchangeState, ending: Ending) {
        if let Some(detail) = self.0.take() {
            detail.alive().has_ended = true;
            detail.tell(facts, ending);
        }
    }
}

/// Where the inside says which route a request took.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    detail: Arc<Detail>,
    /// Of a layer around the one that this is of, which may be another lookout's.
    outer: Option<Box<Slot>>,
}

impl Slot {
    /// Gives what the request counts for now, `None` within if it is for nothing; and nothing at all
    /// where nobody waits for its route.
    pub(super) fn take_route(
        &self,
        entrance: LayerConfig,
        method: MethodLabel,
        route: Route<'_>,
    ) -> Option<Option<ExchangeState>> {
        let of_outer = self.outer.as_ref().and_then(|o| o.take_route(entrance, method, route));
        let mut alive = self.detail.alive();
        if alive.has_ended || alive.facts.lookout() != entrance.lookout {
            return of_outer;
        }
        match route {
            Route::Template(route) if entrance.ignores_route(route) => {
                alive.facts.unwatch();
                alive.unwatch();
                Some(None)
            }
            _ => {
                alive.facts = alive.facts.of_route(method, route);
                Some(Some(alive.facts))
            }
        }
    }
}
