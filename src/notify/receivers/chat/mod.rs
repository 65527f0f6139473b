//! What the receivers that post to a chat share.

#[cfg(feature = "_chat")]
pub(crate) mod render;
pub(crate) mod text;
