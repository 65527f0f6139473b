use std::fmt;

use super::state::ExchangeState;
use crate::{observe::ResponseHead, outcome::Ending};

/// The callbacks of an exchange. Plain layers use `()`, which compiles to nothing.
pub trait ExchangeHooks: fmt::Debug + Default + Send + Sync + 'static {
    /// Updates the state, since a layer inside may have changed the operation. Returns whether the
    /// exchange is still recorded.
    #[inline]
    fn update(&self, _state: &mut ExchangeState) -> bool {
        true
    }

    /// Called when the exchange turns out to be ignored. No hook is called afterwards.
    #[inline]
    fn discard(&mut self) {}

    /// Called when the response's head arrives. The operation is final.
    #[inline]
    fn on_response(&self, _state: &ExchangeState, _head: &ResponseHead<'_>) {}

    /// Called when a part of the response's body is sent.
    #[inline]
    fn on_data(&self, _bytes: usize, _messages: u32) {}

    /// Called when the exchange ends. Afterwards, the hooks hold no value that needs a drop.
    #[inline]
    fn on_end(&mut self, _state: &ExchangeState, _ending: Ending) {}
}

impl ExchangeHooks for () {}
