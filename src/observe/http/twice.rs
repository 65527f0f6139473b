//! Warns when two layers of one lookout wrap each other, which counts every request twice.
//!
//! Only the first requests of a new layer are checked. Later requests cost a load and a branch.

use std::sync::atomic::{AtomicU8, Ordering};

use http::Extensions;

use crate::{catch_panic::logged, observe::LookoutId};

/// The next step of each lookout's check. If two lookouts share an entry, a warning may be missed.
static DUE: [AtomicU8; ENTRIES] = [const { AtomicU8::new(NOTHING) }; ENTRIES];

const ENTRIES: usize = 256;
const NOTHING: u8 = 0;
/// Mark the next request.
const MARK: u8 = 1;
/// A request is marked. If the next request has the mark, it is the same one and passed two layers.
const CHECK: u8 = 2;

/// The mark, a request extension.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Counted(LookoutId);

fn due(lookout: LookoutId) -> &'static AtomicU8 {
    &DUE[lookout.0 as usize % ENTRIES]
}

/// Starts the check when a server's layer is made.
pub(crate) fn arm(lookout: LookoutId) {
    due(lookout).store(MARK, Ordering::Relaxed);
}

/// Whether the next request must be checked.
#[inline(always)]
pub(crate) fn is_armed(lookout: LookoutId) -> bool {
    due(lookout).load(Ordering::Relaxed) != NOTHING
}

/// Marks a request, or warns if it is already marked. Takes and returns its extensions.
#[cold]
#[inline(never)]
pub(crate) fn check(lookout: LookoutId, mut extensions: Extensions) -> Extensions {
    let due = due(lookout);
    if due.compare_exchange(MARK, CHECK, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
        extensions.insert(Counted(lookout));
    } else if due.swap(NOTHING, Ordering::Relaxed) == CHECK
        && extensions.get() == Some(&Counted(lookout))
    {
        logged(|| {
            tracing::warn!(
                "a request passed two layers of the same lookout, so each request is counted twice: \
                 remove one layer, or replace the one inside outer_layer() by route_layer()"
            );
        });
    }
    extensions
}
