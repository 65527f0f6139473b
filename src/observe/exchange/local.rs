//! Finds the thread's shard of a lookout by the lookout's number.

use std::{
    cell::{OnceCell, RefCell},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
};

use super::core::Core;
use crate::series::{Shard, Store};

/// A lookout's number. It has 28 bits, and a process never reuses it. A request copies it instead
/// of an `Arc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LookoutId(pub(crate) u32);

impl LookoutId {
    const COUNT: u32 = 1 << 28;
}

/// A thread's lease of a shard. When the thread ends, another one may lease the shard.
struct Lease {
    id: LookoutId,
    shard: Arc<Shard>,
    store: Arc<Store>,
    core: Arc<Core>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.store.release(Arc::clone(&self.shard));
    }
}

/// The leases of a thread. Nearly every process has one lookout, so the first lease is permanent
/// and needs no borrow flag. The leases of further lookouts are dropped when the lookouts are
/// closed.
struct Leases {
    first: OnceCell<Lease>,
    further: RefCell<Vec<Lease>>,
}

thread_local! {
    static LEASES: Leases =
        const { Leases { first: OnceCell::new(), further: RefCell::new(Vec::new()) } };
}

/// The open lookouts.
static OPEN: RwLock<Vec<(LookoutId, Arc<Core>)>> = RwLock::new(Vec::new());

/// Registers a lookout. Returns `None` when the process has used up all numbers.
pub(crate) fn open(core: Arc<Core>) -> Option<LookoutId> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = |last| (last < LookoutId::COUNT).then_some(last + 1);
    let id = LookoutId(NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()?);
    OPEN.write().unwrap_or_else(PoisonError::into_inner).push((id, core));
    Some(id)
}

pub(crate) fn close(id: LookoutId) {
    let mut open = OPEN.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(index) = open.iter().position(|(open, _)| *open == id) {
        open.swap_remove(index).1.close();
    }
}

impl Leases {
    fn with_further<W: Write>(&self, id: LookoutId, write: W) -> Option<W::Written> {
        // The list is mutably borrowed only while a lease is added, which calls no user code. So a
        // route closure that sends requests itself also finds its shard.
        let further = self.further.try_borrow().ok()?;
        let lease = further.iter().find(|lease| lease.id == id)?;
        Some(write.write(&lease.core, &lease.store, &lease.shard))
    }
}

/// A write to a lookout and to the thread's shard of it. The writes of every request are types
/// instead of closures, since a method can be `#[inline(always)]`.
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

/// Like [`write`], with a closure.
#[inline]
pub(crate) fn with<R>(id: LookoutId, then: impl Fn(&Store, &Shard) -> R + Copy) -> Option<R> {
    write(id, Closure(move |_: &Core, store: &Store, shard: &Shard| then(store, shard)))
}

/// Like [`with`], for a closure that needs the core, too.
#[inline]
pub(crate) fn with_all<R>(
    id: LookoutId,
    then: impl Fn(&Core, &Store, &Shard) -> R + Copy,
) -> Option<R> {
    write(id, Closure(then))
}

/// Reads from the lookout. Never holds the lock of the shared shard, since `read` may call a user's
/// closure, which may send requests itself.
pub(crate) fn with_core<R>(id: LookoutId, read: impl Fn(&Core) -> R + Copy) -> Option<R> {
    let found = LEASES.try_with(|leases| match leases.first.get() {
        Some(first) if first.id == id => Some(read(&first.core)),
        _ => leases.with_further(id, Closure(move |core: &Core, _: &Store, _: &Shard| read(core))),
    });
    match found {
        Ok(Some(result)) => Some(result),
        _ => find(id).map(|core| read(&core)),
    }
}

/// Writes to this thread's shard. Returns `None` if the lookout is closed and the thread has no
/// shard of it.
#[inline(always)]
pub(crate) fn write<W: Write>(id: LookoutId, write: W) -> Option<W::Written> {
    let written = LEASES.try_with(|leases| match leases.first.get() {
        Some(first) if first.id == id => Some(write.write(&first.core, &first.store, &first.shard)),
        _ => None,
    });
    match written {
        Ok(Some(written)) => Some(written),
        _ => write_further(id, write),
    }
}

/// Writes to the shard of a further lookout. Leases the shard if the thread has none.
#[cold]
#[inline(never)]
fn write_further<W: Write>(id: LookoutId, write: W) -> Option<W::Written> {
    match LEASES.try_with(|leases| leases.with_further(id, write)) {
        Ok(Some(written)) => Some(written),
        _ => lease_and_write(id, write),
    }
}

/// Leases a shard and writes to it. Writes to the shared shard if the thread-locals are already
/// destroyed, or if there is no memory for another shard.
fn lease_and_write<W: Write>(id: LookoutId, write: W) -> Option<W::Written> {
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
        _ => core.store.with_shared(|shard| write.write(&core, &core.store, shard)),
    })
}

fn find(id: LookoutId) -> Option<Arc<Core>> {
    let open = OPEN.read().unwrap_or_else(PoisonError::into_inner);
    open.iter().find(|(open, _)| *open == id).map(|(_, core)| Arc::clone(core))
}
