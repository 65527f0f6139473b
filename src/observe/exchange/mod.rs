//! One request with its response, from its start to its only end.

pub(super) mod core;
pub(super) mod error_kind;
pub(super) mod local;
pub(super) mod slots;
pub(super) mod start;
pub(super) mod state;
pub(super) mod wait;

use std::mem;

use self::state::ExchangeState;
use super::detail::hooks::ExchangeHooks;
use crate::outcome::Ending;

/// One request with its response, alive: it holds when it began and what it counts for, and ends
/// exactly once, by [`end`](Self::end) or by its drop.
///
/// What is known travels as [`ExchangeState`], a plain copy, and an `Exchange` is only where it comes to lie.
/// Nothing that is not inlined gets its address, but what it needs by value: with its address given
/// away, the compiler keeps it in memory, stores it field by field, and loads it back in larger pieces,
/// which wait for the stores.
#[derive(Debug)]
pub(crate) struct Exchange<C: ExchangeHooks = ()> {
    pub(super) facts: ExchangeState,
    pub(super) companion: C,
}

impl<C: ExchangeHooks> Exchange<C> {
    /// Takes the facts out, to go on with elsewhere; none of what is no longer watched.
    #[inline]
    pub(super) fn take(alive: &mut Option<Self>) -> Option<(ExchangeState, C)> {
        let (mut facts, mut companion) = Self::let_go(alive)?;
        if companion.update(&mut facts) {
            Some((facts, companion))
        } else {
            companion.unwatched();
            None
        }
    }

    /// Takes out all that there is.
    #[inline]
    fn let_go(alive: &mut Option<Self>) -> Option<(ExchangeState, C)> {
        let parts = alive.as_mut().map(|alive| (alive.facts, mem::take(&mut alive.companion)));
        mem::forget(alive.take());
        parts
    }

    /// The response was complete.
    #[inline]
    pub(super) fn complete(alive: &mut Option<Self>) {
        Self::end(alive, Ending::Complete);
    }

    #[inline]
    pub(super) fn end(alive: &mut Option<Self>, ending: Ending) {
        if let Some((facts, companion)) = Self::let_go(alive) {
            record(facts, companion, ending);
        }
    }
}

#[inline]
fn record<C: ExchangeHooks>(mut facts: ExchangeState, mut companion: C, ending: Ending) {
    if companion.update(&mut facts) {
        facts.record(ending);
        companion.ended(&facts, ending);
    } else {
        companion.unwatched();
    }
}

/// Ends an exchange as panicked if it is dropped, as the unwinding of the inner service's panic does,
/// also where something outside catches that.
pub(super) struct Inside<'a, C: ExchangeHooks>(&'a mut Option<Exchange<C>>);

impl<'a, C: ExchangeHooks> Inside<'a, C> {
    #[inline]
    pub(super) fn enter(exchange: &'a mut Option<Exchange<C>>) -> Self {
        Self(exchange)
    }

    #[inline]
    pub(super) fn leave(self) {
        mem::forget(self);
    }
}

impl<C: ExchangeHooks> Drop for Inside<'_, C> {
    #[inline]
    fn drop(&mut self) {
        if let Some((facts, companion)) = Exchange::let_go(self.0) {
            record_dropped(facts, companion, Some(Ending::Panicked));
        }
    }
}

impl<C: ExchangeHooks> Drop for Exchange<C> {
    #[inline]
    fn drop(&mut self) {
        record_dropped(self.facts, mem::take(&mut self.companion), None);
    }
}

/// How it ends is seen by what is known of it, unless that is certain.
#[cold]
#[inline(never)]
fn record_dropped<C: ExchangeHooks>(facts: ExchangeState, companion: C, ending: Option<Ending>) {
    record(facts, companion, ending.unwrap_or_else(|| facts.ending_by_drop()));
}
