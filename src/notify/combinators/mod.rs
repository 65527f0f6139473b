//! Notifiers that wrap other notifiers: `when`, `or_else` and `repeat_every`.

pub(super) mod ext;
pub(super) mod matcher;
pub(super) mod or_else;
pub(super) mod repeat_every;
pub(super) mod when;
