//! Outbound calls: a watched client, and the calls of a dependency that speaks no HTTP.

pub(super) mod call_error;
pub(super) mod dependency;
#[cfg(feature = "reqwest")]
pub(super) mod reqwest_client;
#[cfg(feature = "reqwest")]
pub(super) mod watched_client;
