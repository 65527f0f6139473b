use std::fmt;

use super::state::ExchangeState;
use crate::{observe::ResponseHead, outcome::Ending};

/// What an exchange calls besides recording itself. For plain layers it is `()`, which compiles to
/// nothing.
pub trait ExchangeHooks: fmt::Debug + Default + Send + Sync + 'static {
    /// Brings the state up to date: a layer inside may have changed the operation. Returns whether
    /// the exchange is still recorded.
    #[inline]
    fn update(&self, _state: &mut ExchangeState) -> bool {
        true
    }

    /// The exchange is ignored: no hook is called any more.
    #[inline]
    fn discard(&mut self) {}

    /// The response's head arrived; the operation is final.
    #[inline]
    fn on_response(&self, _state: &ExchangeState, _head: &ResponseHead<'_>) {}

    /// A part of the response's body was passed on.
    #[inline]
    fn on_data(&self, _bytes: usize, _messages: u32) {}

    /// The exchange ended. Afterwards the hooks hold nothing that needs a drop.
    #[inline]
    fn on_end(&mut self, _state: &ExchangeState, _ending: Ending) {}
}

impl ExchangeHooks for () {}
