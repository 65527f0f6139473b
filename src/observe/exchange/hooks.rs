use std::fmt;

use super::state::ExchangeState;
use crate::{observe::ResponseHead, outcome::Ending};

/// Callbacks of an exchange. For plain layers this is `()`, which compiles to nothing.
pub trait ExchangeHooks: fmt::Debug + Default + Send + Sync + 'static {
    /// Updates the state, since a layer inside may have changed the operation. Returns whether the
    /// exchange is still recorded.
    #[inline]
    fn update(&self, _state: &mut ExchangeState) -> bool {
        true
    }

    /// The exchange is ignored. No hook is called afterwards.
    #[inline]
    fn discard(&mut self) {}

    /// The response's head arrived; the operation is final.
    #[inline]
    fn on_response(&self, _state: &ExchangeState, _head: &ResponseHead<'_>) {}

    /// A part of the response's body was sent.
    #[inline]
    fn on_data(&self, _bytes: usize, _messages: u32) {}

    /// The exchange ended. Afterwards the hooks hold no value that needs a drop.
    #[inline]
    fn on_end(&mut self, _state: &ExchangeState, _ending: Ending) {}
}

impl ExchangeHooks for () {}
