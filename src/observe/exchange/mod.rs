//! An exchange: one request with its response, from its start to its end.
//!
//! [`Core`](core::Core) holds a lookout's data for the request path, and [`local`] finds a thread's
//! shard of it. [`ExchangeState`] travels with the request, and [`Exchange`] ends it exactly once.

pub(super) mod core;
pub(super) mod error_kind;
pub(super) mod hooks;
pub(super) mod layer_config;
pub(super) mod local;
mod operation_ref;
pub(super) mod response_flags;
mod slots;
pub(super) mod start;
pub(super) mod state;
pub(super) mod upload;
mod uploads;

use std::mem;

use self::{hooks::ExchangeHooks, state::ExchangeState};
use crate::outcome::Ending;

/// One request with its response. It ends exactly once: in [`end`](Self::end) or on drop.
///
/// Functions that are not inlined take the [`ExchangeState`] by value, never the address of an
/// `Exchange`. If the address escapes, the compiler keeps the exchange in memory. It then stores
/// field by field and loads larger pieces, which must wait for the stores.
#[derive(Debug)]
pub(crate) struct Exchange<H: ExchangeHooks = ()> {
    pub(super) state: ExchangeState,
    pub(super) hooks: H,
}

impl<H: ExchangeHooks> Exchange<H> {
    /// Takes out the updated state and the hooks. Returns `None` if the exchange is now ignored.
    #[inline]
    pub(super) fn take(exchange: &mut Option<Self>) -> Option<(ExchangeState, H)> {
        let (mut state, mut hooks) = Self::into_parts(exchange)?;
        if hooks.update(&mut state) {
            Some((state, hooks))
        } else {
            hooks.discard();
            None
        }
    }

    #[inline]
    fn into_parts(exchange: &mut Option<Self>) -> Option<(ExchangeState, H)> {
        let parts = exchange.as_mut().map(|own| (own.state, mem::take(&mut own.hooks)));
        mem::forget(exchange.take());
        parts
    }

    /// Ends the exchange with a complete response.
    #[inline]
    pub(super) fn complete(exchange: &mut Option<Self>) {
        Self::end(exchange, Ending::Complete);
    }

    #[inline]
    pub(super) fn end(exchange: &mut Option<Self>, ending: Ending) {
        if let Some((state, hooks)) = Self::into_parts(exchange) {
            record(state, hooks, ending);
        }
    }
}

#[inline]
fn record<H: ExchangeHooks>(mut state: ExchangeState, mut hooks: H, ending: Ending) {
    if hooks.update(&mut state) {
        state.record(ending);
        hooks.on_end(&state, ending);
    } else {
        hooks.discard();
    }
}

/// Ends the exchange as panicked if a panic of the inner service drops it, even if a layer outside
/// catches the panic.
pub(super) struct PanicGuard<'a, H: ExchangeHooks>(&'a mut Option<Exchange<H>>);

impl<'a, H: ExchangeHooks> PanicGuard<'a, H> {
    #[inline]
    pub(super) fn new(exchange: &'a mut Option<Exchange<H>>) -> Self {
        Self(exchange)
    }

    #[inline]
    pub(super) fn disarm(self) {
        mem::forget(self);
    }
}

impl<H: ExchangeHooks> Drop for PanicGuard<'_, H> {
    #[inline]
    fn drop(&mut self) {
        if let Some((state, hooks)) = Exchange::into_parts(self.0) {
            record_dropped(state, hooks, Some(Ending::Panicked));
        }
    }
}

impl<H: ExchangeHooks> Drop for Exchange<H> {
    #[inline]
    fn drop(&mut self) {
        record_dropped(self.state, mem::take(&mut self.hooks), None);
    }
}

/// Records this ending, or without one the ending of a drop in this state.
#[cold]
#[inline(never)]
fn record_dropped<H: ExchangeHooks>(state: ExchangeState, hooks: H, ending: Option<Ending>) {
    record(state, hooks, ending.unwrap_or_else(|| state.ending_on_drop()));
}
