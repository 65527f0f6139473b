//! The details of an exchange, for a layer that counts bodies, calls observers, or gets the route
//! from a layer inside. They cost one allocation per request, which the request's and the
//! response's body share.

pub(super) mod access_log;
pub(super) mod observer;
pub(super) mod options;
pub(super) mod route_slot;

use std::{
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use http::Request;

use self::{
    observer::{Observation, RequestEnd},
    options::DetailOptions,
};
use super::{
    RequestHead, ResponseHead,
    exchange::{
        hooks::ExchangeHooks,
        state::{ExchangeState, Summary},
    },
};
use crate::outcome::Ending;

/// The details of one exchange. Its sizes are recorded when the last of its bodies is dropped.
pub(super) struct Detail {
    current: Mutex<Current>,
    is_grpc: bool,
    counts_sizes: bool,
    pub(super) request: Size,
    response: Size,
    observers: Mutex<Vec<Box<dyn Observation>>>,
}

/// The state of the exchange. A layer inside can change it.
struct Current {
    state: ExchangeState,
    has_ended: bool,
    is_recorded: bool,
}

impl Current {
    /// Removes the exchange from all metrics.
    fn discard(&mut self) {
        (self.is_recorded, self.has_ended) = (false, true);
    }
}

/// The size of a body so far.
#[derive(Debug, Default)]
pub(super) struct Size {
    bytes: AtomicU64,
    /// The number of messages, counted only for gRPC.
    messages: AtomicU64,
}

impl Size {
    pub(super) fn add(&self, bytes: usize, messages: u32) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.messages.fetch_add(messages.into(), Ordering::Relaxed);
    }

    fn bytes(&self) -> u64 {
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

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn observers(&self) -> MutexGuard<'_, Vec<Box<dyn Observation>>> {
        self.observers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports the end of the exchange to the observers.
    fn on_end(&self, state: &ExchangeState, ending: Ending) {
        let observers = mem::take(&mut *self.observers());
        if observers.is_empty() {
            return;
        }
        let Some(summary) = state.summary(ending) else { return };
        let Summary { ref operation, status, outcome, duration } = summary;
        let (request_bytes, response_bytes) = (self.request.bytes(), self.response.bytes());
        let end =
            RequestEnd { operation, status, outcome, duration, request_bytes, response_bytes };
        for observer in observers {
            observer.on_end(&end);
        }
    }
}

impl Drop for Detail {
    fn drop(&mut self) {
        if self.counts_sizes && self.current().is_recorded {
            let bytes = [self.request.bytes(), self.response.bytes()];
            let messages = [self.request.messages(), self.response.messages()];
            self.current().state.record_sizes(bytes, self.is_grpc.then_some(messages));
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

/// The handle of an exchange to its details; empty for an ignored exchange.
#[derive(Debug, Default)]
pub struct DetailHandle(Option<Arc<Detail>>);

impl DetailHandle {
    /// Creates the details for a layer that only gets the route from a layer inside.
    pub(super) fn for_route(state: Option<ExchangeState>) -> Self {
        Self::new(state, false, Vec::new())
    }

    pub(super) fn with_options<B>(
        state: Option<ExchangeState>,
        request: &Request<B>,
        options: &DetailOptions,
    ) -> Self {
        let observers = options.observers.iter().filter(|_| state.is_some());
        let observing = observers
            .filter_map(|observer| Arc::clone(observer).on_request(&RequestHead::of(request)));
        Self::new(state, options.counts_sizes, observing.collect())
    }

    fn new(
        state: Option<ExchangeState>,
        counts_sizes: bool,
        observers: Vec<Box<dyn Observation>>,
    ) -> Self {
        Self(state.map(|state| {
            Arc::new(Detail {
                current: Mutex::new(Current { state, has_ended: false, is_recorded: true }),
                is_grpc: state.is_grpc(),
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
}

impl ExchangeHooks for DetailHandle {
    fn update(&self, state: &mut ExchangeState) -> bool {
        self.0.as_ref().is_none_or(|detail| {
            let current = detail.current();
            state.move_with(&current.state);
            current.is_recorded
        })
    }

    fn discard(&mut self) {
        if let Some(detail) = self.0.take() {
            detail.current().discard();
        }
    }

    fn on_response(&self, state: &ExchangeState, head: &ResponseHead<'_>) {
        if let Some(detail) = &self.0 {
            for observer in detail.observers().iter_mut() {
                observer.on_response(head);
            }
            detail.current().state = *state;
        }
    }

    fn on_data(&self, bytes: usize, messages: u32) {
        if let Some(detail) = &self.0 {
            detail.response.add(bytes, messages);
        }
    }

    fn on_end(&mut self, state: &ExchangeState, ending: Ending) {
        if let Some(detail) = self.0.take() {
            detail.current().has_ended = true;
            detail.on_end(state, ending);
        }
    }
}
