use std::fmt;

use crate::observe::{ResponseHead, exchange::state::ExchangeState};
use crate::outcome::Ending;

/// What goes with an exchange besides its facts, for the layers that were asked for more; for the plain
/// ones it is nothing, and compiled away.
pub trait ExchangeHooks: fmt::Debug + Default + Send + Sync + 'static {
    /// Brings the facts up to date: others may have changed the operation meanwhile. Gives whether the
    /// exchange is still watched.
    #[inline]
    fn update(&self, _facts: &mut ExchangeState) -> bool {
        true
    }

    /// The exchange is taken back: nothing is told of it.
    #[inline]
    fn unwatched(&mut self) {}

    /// The response's head came, so that the operation is certain.
    #[inline]
    fn answered(&self, _facts: &ExchangeState, _head: &ResponseHead<'_>) {}

    /// So much of the response's body was handed on.
    #[inline]
    fn sent(&self, _bytes: usize, _messages: u32) {}

    /// The exchange ended. Afterwards there is nothing left in here that needs a drop.
    #[inline]
    fn ended(&mut self, _facts: &ExchangeState, _ending: Ending) {}
}

impl ExchangeHooks for () {}
