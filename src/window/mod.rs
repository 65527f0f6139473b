//! Rolling windows by difference: what the sums are now, less what they were.
//!
//! Each tick marks the [`Timeline`] and adds what changed to the [`History`] of every operation. A
//! [`Window`] is the newest sums minus those at the newest mark that is at least as old as the
//! window is long, with the time that really passed between the two. Nothing rotates, so a late tick
//! makes a window longer and corrupts nothing.

mod history;
mod timeline;
mod totals;

pub(crate) use self::{
    history::{History, Window},
    timeline::{Tick, Timeline},
    totals::Totals,
};

use std::time::Duration;

/// The longest window there is; longer ones belong into Prometheus rules.
pub(crate) const LONGEST: Duration = Duration::from_secs(60 * 60);

/// How far back the tier of single ticks reaches.
const SECONDS: Duration = Duration::from_secs(60);
