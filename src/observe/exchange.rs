use std::mem;

use super::facts::Facts;
use crate::outcome::Ending;

/// One request with its response, alive: it holds when it began and what it counts for, and ends
/// exactly once, by [`end`](Self::end) or by its drop.
///
/// What is known travels as [`Facts`], a plain copy, and an `Exchange` is only where it comes to lie.
/// An `Exchange` has a drop, and so an address: to move one makes the compiler store it field by
/// field and load it back in larger pieces, which wait for the stores.
#[derive(Debug)]
pub(super) struct Exchange(pub(super) Facts);

impl Exchange {
    /// Takes the facts out, to go on with elsewhere.
    #[inline]
    pub(super) fn take(alive: &mut Option<Self>) -> Option<Facts> {
        let facts = alive.as_ref().map(|exchange| exchange.0);
        mem::forget(alive.take());
        facts
    }

    /// The response was complete.
    #[inline]
    pub(super) fn complete(alive: &mut Option<Self>) {
        if let Some(exchange) = alive {
            exchange.0.record(Ending::Complete);
            mem::forget(alive.take());
        }
    }

    #[inline]
    pub(super) fn end(alive: &mut Option<Self>, ending: Ending) {
        if let Some(exchange) = alive {
            exchange.0.record(ending);
            mem::forget(alive.take());
        }
    }
}

/// Ends an exchange as panicked if it is dropped, as the unwinding of the inner service's panic does,
/// also where something outside catches that.
pub(super) struct Inside<'a>(&'a mut Option<Exchange>);

impl<'a> Inside<'a> {
    #[inline]
    pub(super) fn enter(exchange: &'a mut Option<Exchange>) -> Self {
        Self(exchange)
    }

    #[inline]
    pub(super) fn leave(self) {
        mem::forget(self);
    }
}

impl Drop for Inside<'_> {
    #[cold]
    fn drop(&mut self) {
        Exchange::end(self.0, Ending::Panicked);
    }
}

impl Drop for Exchange {
    #[inline]
    fn drop(&mut self) {
        self.0.dropped();
    }
}
