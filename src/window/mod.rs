//! Rolling windows, computed as differences of sums.
//!
//! Each tick adds a mark to the [`Timeline`] and the changes to the [`History`] of each operation.
//! A [`Window`] is the current sums minus those at the newest mark that is at least the window's
//! length old, with the actual time between the two. Nothing rotates: a late tick makes a window
//! longer, not wrong.

mod history;
mod timeline;
mod totals;

pub(crate) use self::{
    history::{History, Window},
    timeline::{Tick, Timeline},
    totals::Totals,
};

use std::time::Duration;

/// The longest window. Longer ones belong in Prometheus rules.
pub(crate) const LONGEST: Duration = Duration::from_secs(60 * 60);

/// The length of the tier that keeps every tick.
pub(crate) const SECONDS: Duration = Duration::from_secs(60);
