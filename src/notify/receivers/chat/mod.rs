//! Rendering that the chat receivers share.

#[cfg(feature = "_chat")]
pub(crate) mod render;
pub(crate) mod text;
