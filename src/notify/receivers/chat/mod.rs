//! What the chat receivers share: the texts, and the bots that edit their messages.

#[cfg(feature = "_chat")]
pub(super) mod bot;
#[cfg(feature = "_chat")]
mod posted;
#[cfg(feature = "_chat")]
pub(crate) mod render;
pub(crate) mod text;
