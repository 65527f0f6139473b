//! Two layers of one lookout around each other count every request twice: looked for with the first
//! request after a layer was made, so that later ones pay for a load and a branch alone.

use std::sync::atomic::{AtomicU8, Ordering};

use http::Extensions;

use crate::catch_panic::logged;
use crate::observe::LookoutId;

/// What is due with the next request of a lookout; lookouts may share a place, which only misses a check.
static DUE: [AtomicU8; PLACES] = [const { AtomicU8::new(NOTHING) }; PLACES];

const PLACES: usize = 256;
const NOTHING: u8 = 0;
/// The next request is marked.
const MARK: u8 = 1;
/// A request was marked: if the next one is the same, two layers have seen it.
const CHECK: u8 = 2;

/// In the extensions of the request that was marked.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Counted(LookoutId);

fn due(lookout: LookoutId) -> &'static AtomicU8 {
    &DUE[lookout.0 as usize % PLACES]
}

/// A server's layer was made, so the next request is marked.
pub(crate) fn arm(lookout: LookoutId) {
    due(lookout).store(MARK, Ordering::Relaxed);
}

/// Whether the next request is to be looked at.
#[inline(always)]
pub(crate) fn is_armed(lookout: LookoutId) -> bool {
    due(lookout).load(Ordering::Relaxed) != NOTHING
}

/// Marks a request, or logs that it was marked before. The extensions are taken out of it meanwhile.
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
                "a request has passed two layers of the same lookout, so each is counted twice: leave \
                 one of them out; around a router with a layer, outer_layer() needs route_layer() \
                 inside"
            );
        });
    }
    extensions
}
