//! Warns when two layers of one lookout wrap each other, which counts every request twice.
//!
//! Only the first requests of a new layer are checked. Later requests cost a load and a branch.

use std::sync::atomic::{AtomicU8, Ordering};

use http::Extensions;

use crate::{catch_panic::logged, observe::LookoutId};

/// The next step of each lookout's check. If two lookouts share an entry, a warning may be missed.
static NEXT_STEPS: [AtomicU8; ENTRIES] = [const { AtomicU8::new(NOTHING) }; ENTRIES];

const ENTRIES: usize = 256;
const NOTHING: u8 = 0;
/// The next request must be marked.
const MARK: u8 = 1;
/// A request has been marked. If the next request has the mark, it is the same one in a second
/// layer.
const CHECK: u8 = 2;

/// A request extension that serves as the mark.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Counted(LookoutId);

fn next_step(lookout: LookoutId) -> &'static AtomicU8 {
    &NEXT_STEPS[lookout.0 as usize % ENTRIES]
}

/// Starts the check when a server's layer is created.
pub(crate) fn arm(lookout: LookoutId) {
    next_step(lookout).store(MARK, Ordering::Relaxed);
}

/// Returns whether the next request must be checked.
#[inline(always)]
pub(crate) fn is_armed(lookout: LookoutId) -> bool {
    next_step(lookout).load(Ordering::Relaxed) != NOTHING
}

/// Marks a request, or warns if it is already marked. Takes and returns its extensions.
#[cold]
#[inline(never)]
pub(crate) fn check(lookout: LookoutId, mut extensions: Extensions) -> Extensions {
    let next_step = next_step(lookout);
    if next_step.compare_exchange(MARK, CHECK, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
        extensions.insert(Counted(lookout));
    } else if next_step.swap(NOTHING, Ordering::Relaxed) == CHECK
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
