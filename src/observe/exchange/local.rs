//! How a thread finds its own shard of a lookout, by the lookout's number.

use std::{
    cell::{OnceCell, RefCell},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::observe::Core;
use crate::series::{Shard, Store};

/// A lookout's number, of 28 bits, never used twice in a process. Copying it is what a request costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LookoutId(pub(crate) u32);

impl LookoutId {
    const COUNT: u32 = 1 << 28;
}

/// A thread's hold on its shard; given back for the next thread when this one ends.
struct Lease {
    id: LookoutId,
    shard: Arc<Shard>,
    store: Arc<Store>,
    core: Arc<Core>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.store.give_back(Arc::clone(&self.shard));
    }
}

/// What a thread holds. The first lease is for good, since nearly every process has one lookout, and
/// what is never taken away needs no borrow flag; those of further lookouts go when these are closed.
struct Leases {
    first: OnceCell<Lease>,
    further: RefCell<Vec<Lease>>,
}

thread_local! {
    static LEASES: Leases =
        const { Leases { first: OnceCell::new(), further: RefCell::new(Vec::new()) } };
}

/// The lookouts that are open.
static OPEN: RwLock<Vec<(LookoutId, Arc<Core>)>> = RwLock::new(Vec::new());

/// `None` when the process has used up all numbers.
pub(crate) fn open(core: Arc<Core>) -> Option<LookoutId> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = |last| (last < LookoutId::COUNT).then_some(last + 1);
    let id = LookoutId(NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()?);
    OPEN.write().unwrap_or_else(PoisonError::into_inner).push((id, core));
    Some(id)
}

pub(crate) fn close(id: LookoutId) {
    let mut open = OPEN.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(place) = open.iter().position(|(open, _)| *open == id) {
        open.swap_remove(place).1.close();
    }
}

impl Leases {
    fn with_further<W: Write>(&self, id: LookoutId, write: W) -> Option<W::Written> {
        // Borrowed for writing only where a lease is added, which calls nobody's code: so a route
        // closure that itself makes requests finds its shard as well.
        let further = self.further.try_borrow().ok()?;
        let lease = further.iter().find(|lease| lease.id == id)?;
        Some(write.write(&lease.core, &lease.store, &lease.shard))
    }
}

/// What is done with a lookout and a thread's shard of it. Mostly a closure will do; what each request
/// does is a type of its own, whose method can say that it is always inlined.
pub(crate) trait Write: Copy {
    type Written;

    fn write(self, core: &Core, store: &Store, shard: &Shard) -> Self::Written;
}

#[derive(Clone, Copy)]
struct Closure<F>(F);

impl<R, F: Fn(&Core, &Store, &Shard) -> R + Copy> Write for Closure<F> {
    type Written = R;

    #[inline]
    fn write(self, core: &Core, store: &Store, shard: &Shard) -> R {
        (self.0)(core, store, shard)
    }
}

/// As [`write`], by a closure.
#[inline]
pub(crate) fn with<R>(id: LookoutId, then: impl Fn(&Store, &Shard) -> R + Copy) -> Option<R> {
    write(id, Closure(move |_: &Core, store: &Store, shard: &Shard| then(store, shard)))
}

/// As [`with`], with all there is.
#[inline]
pub(crate) fn with_all<R>(
    id: LookoutId,
    then: impl Fn(&Core, &Store, &Shard) -> R + Copy,
) -> Option<R> {
    write(id, Closure(then))
}

/// Asks the lookout. Never under the lock of the shard of last resort, since a closure of the user's may
/// be asked, which may make requests itself.
pub(crate) fn with_core<R>(id: LookoutId, ask: impl Fn(&Core) -> R + Copy) -> Option<R> {
    let asked = LEASES.try_with(|leases| match leases.first.get() {
        Some(first) if first.id == id => Some(ask(&first.core)),
        _ => leases.with_further(id, Closure(move |core: &Core, _: &Store, _: &Shard| ask(core))),
    });
    match asked {
        Ok(Some(answer)) => Some(answer),
        _ => find(id).map(|core| ask(&core)),
    }
}

/// Writes to this thread's shard; `None` if the lookout is closed and was never met here.
#[inline(always)]
pub(crate) fn write<W: Write>(id: LookoutId, write: W) -> Option<W::Written> {
    let written = LEASES.try_with(|leases| match leases.first.get() {
        Some(first) if first.id == id => Some(write.write(&first.core, &first.store, &first.shard)),
        _ => None,
    });
    match written {
        Ok(Some(written)) => Some(written),
        _ => elsewhere(id, write),
    }
}

/// In a further lookout's shard, or for the first time.
#[cold]
#[inline(never)]
fn elsewhere<W: Write>(id: LookoutId, write: W) -> Option<W::Written> {
    match LEASES.try_with(|leases| leases.with_further(id, write)) {
        Ok(Some(written)) => Some(written),
        _ => first_with(id, write),
    }
}

/// The first time on this thread, or so late that the thread's storage is gone, or where there was no memory
/// for a shard.
fn first_with<W: Write>(id: LookoutId, write: W) -> Option<W::Written> {
    let core = find(id)?;
    let leased = LEASES.try_with(|leases| {
        let mut further = leases.further.try_borrow_mut().ok()?;
        further.retain(|lease| !lease.core.is_closed());
        let shard = core.store.lease()?;
        let store = Arc::clone(&core.store);
        let lease = Lease { id, shard: Arc::clone(&shard), store, core: Arc::clone(&core) };
        if let Err(lease) = leases.first.set(lease) {
            further.push(lease);
        }
        Some(shard)
    });
    Some(match leased {
        Ok(Some(shard)) => write.write(&core, &core.store, &shard),
        _ => core.store.with_last_resort(|shard| write.write(&core, &core.store, shard)),
    })
}

fn find(id: LookoutId) -> Option<Arc<Core>> {
    let open = OPEN.read().unwrap_or_else(PoisonError::into_inner);
    open.iter().find(|(open, _)| *open == id).map(|(_, core)| Arc::clone(core))
}
