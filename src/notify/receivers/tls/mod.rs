//! TLS for the receivers only: no other part of the process shares it, and it sets no process-wide
//! default.

mod provider;
mod trust;

pub(in crate::notify) use self::trust::Trust;
