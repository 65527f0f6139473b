use std::mem;

use super::{companion::Companion, facts::Facts};
use crate::outcome::Ending;

/// One request with its response, alive: it holds when it began and what it counts for, and ends
/// exactly once, by [`end`](Self::end) or by its drop.
///
/// What is known travels as [`Facts`], a plain copy, and an `Exchange` is only where it comes to lie.
/// An `Exchange` has a drop, and so an address: to move one makes the compiler store it field by
/// field and load it back in larger pieces, which wait for the stores.
#[derive(Debug)]
pub(super) struct Exchange<C: Companion = ()> {
    pub(super) facts: Facts,
    pub(super) companion: C,
}

impl<C: Companion> Exchange<C> {
    /// Takes the facts out, to go on with elsewhere; none of what is no longer watched.
    #[inline]
    pub(super) fn take(alive: &mut Option<Self>) -> Option<(Facts, C)> {
        let taken = alive.as_mut().and_then(|exchange| {
            let is_watched = exchange.companion.update(&mut exchange.facts);
            let companion = mem::take(&mut exchange.companion);
            is_watched.then_some((exchange.facts, companion))
        });
        mem::forget(alive.take());
        taken
    }

    /// Lets go of an exchange that goes on elsewhere, with its companion.
    #[inline]
    pub(super) fn let_go(mut alive: Option<Self>) -> C {
        let companion = alive.as_mut().map(|exchange| mem::take(&mut exchange.companion));
        mem::forget(alive);
        companion.unwrap_or_default()
    }

    /// The response was complete.
    #[inline]
    pub(super) fn complete(alive: &mut Option<Self>) {
        Self::end(alive, Ending::Complete);
    }

    #[inline]
    pub(super) fn end(alive: &mut Option<Self>, ending: Ending) {
        if let Some(exchange) = alive {
            exchange.record(ending);
            mem::forget(alive.take());
        }
    }

    #[inline]
    fn record(&mut self, ending: Ending) {
        if self.companion.update(&mut self.facts) {
            self.facts.record(ending);
            self.companion.ended(&self.facts, ending);
        } else {
            self.companion.unwatched();
        }
    }
}

/// Ends an exchange as panicked if it is dropped, as the unwinding of the inner service's panic does,
/// also where something outside catches that.
pub(super) struct Inside<'a, C: Companion>(&'a mut Option<Exchange<C>>);

impl<'a, C: Companion> Inside<'a, C> {
    #[inline]
    pub(super) fn enter(exchange: &'a mut Option<Exchange<C>>) -> Self {
        Self(exchange)
    }

    #[inline]
    pub(super) fn leave(self) {
        mem::forget(self);
    }
}

impl<C: Companion> Drop for Inside<'_, C> {
    #[cold]
    fn drop(&mut self) {
        Exchange::end(self.0, Ending::Panicked);
    }
}

impl<C: Companion> Drop for Exchange<C> {
    #[cold]
    #[inline(never)]
    fn drop(&mut self) {
        let ending = self.facts.ending_by_drop();
        self.record(ending);
    }
}
