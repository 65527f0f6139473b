//! The built-in receivers, and what they share.

#[cfg(all(feature = "state", any(feature = "_http", feature = "email")))]
pub(super) mod address;
#[cfg(feature = "alertmanager")]
pub(super) mod alertmanager;
#[cfg(any(feature = "_chat", feature = "email", feature = "pagerduty"))]
pub(super) mod chat;
pub(super) mod closure;
#[cfg(feature = "discord")]
pub(super) mod discord;
#[cfg(feature = "email")]
pub(super) mod email;
#[cfg(feature = "_http")]
pub(super) mod http;
pub(super) mod log;
#[cfg(feature = "pagerduty")]
pub(super) mod pagerduty;
#[cfg(feature = "webhook")]
pub(super) mod ping;
pub(super) mod prometheus;
#[cfg(feature = "slack")]
pub(super) mod slack;
#[cfg(any(feature = "email", feature = "pagerduty"))]
pub(super) mod stable_hash;
#[cfg(feature = "teams")]
pub(super) mod teams;
#[cfg(feature = "_tls")]
pub(super) mod tls;
#[cfg(feature = "webhook")]
pub(super) mod webhook;
