//! Outbound calls: a `reqwest` client, and plain futures such as database calls.

pub(super) mod call_error;
pub(super) mod dependency;
#[cfg(feature = "reqwest")]
pub(super) mod reqwest_client;
#[cfg(feature = "reqwest")]
pub(super) mod watched_client;
