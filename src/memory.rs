//! The memory of a lookout's figures, and its limit.
//!
//! All memory that grows with the traffic is reserved here before it is allocated: the cells of
//! each thread, the collector's sums, and an estimate of the recorder's copy. Reservations are
//! never released, since counts are never dropped. Windows grow and shrink, so the collector sets
//! their size at each tick.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// The bytes in use, and their limit.
#[derive(Debug)]
pub(crate) struct Memory {
    max: usize,
    reserved: AtomicUsize,
    windows: AtomicUsize,
    costs: Costs,
    admitted: Mutex<Admitted>,
    /// Whether a reservation was rejected.
    is_exhausted: AtomicBool,
}

/// The sizes of allocations besides the series, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Costs {
    /// A thread's index of its operations.
    pub(crate) shard: usize,
    /// An operation, outside the shards.
    pub(crate) operation: usize,
    /// An operation in one shard.
    pub(crate) cells: usize,
}

/// The operations and shards so far. Each operation may have cells in each shard.
#[derive(Debug, Default)]
struct Admitted {
    operations: usize,
    shards: usize,
}

/// The part of the memory that a reservation may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Seven eighths, for counts that can also be recorded in less detail.
    Most,
    /// All of it.
    All,
    /// Without a limit, for the few series that all further counts share.
    Unlimited,
}

impl Memory {
    pub(crate) const DEFAULT_MAX: usize = 256 << 20;

    pub(crate) fn new(max: usize, costs: Costs) -> Self {
        Self {
            max,
            reserved: AtomicUsize::new(0),
            windows: AtomicUsize::new(0),
            costs,
            admitted: Mutex::default(),
            is_exhausted: AtomicBool::new(false),
        }
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    pub(crate) fn used(&self) -> usize {
        self.reserved.load(Ordering::Relaxed) + self.windows.load(Ordering::Relaxed)
    }

    /// Whether the lookout counted anything in less detail for lack of memory.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.is_exhausted.load(Ordering::Relaxed)
    }

    /// Sets the size of the windows.
    pub(crate) fn set_windows(&self, bytes: usize) {
        self.windows.store(bytes, Ordering::Relaxed);
    }

    /// Whether this many bytes are free. Reserves nothing.
    pub(crate) fn has_room(&self, bytes: usize, room: Room) -> bool {
        let has_room = self.used().saturating_add(bytes) <= self.limit(room);
        if !has_room {
            self.is_exhausted.store(true, Ordering::Relaxed);
        }
        has_room
    }

    /// Reserves memory. Returns `false` if it is not free.
    pub(crate) fn reserve(&self, bytes: usize, room: Room) -> bool {
        let most = self.limit(room).saturating_sub(self.windows.load(Ordering::Relaxed));
        let more = |reserved: usize| reserved.checked_add(bytes).filter(|more| *more <= most);
        let is_reserved =
            self.reserved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        if !is_reserved {
            self.is_exhausted.store(true, Ordering::Relaxed);
        }
        is_reserved
    }

    /// Reserves memory for a new operation in all shards.
    pub(crate) fn admit_operation(&self, room: Room) -> bool {
        let mut admitted = self.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = self.costs.operation + self.costs.cells * admitted.shards;
        let is_admitted = self.reserve(bytes, room);
        admitted.operations += usize::from(is_admitted);
        is_admitted
    }

    /// Reserves memory for a new shard with all operations.
    pub(crate) fn admit_shard(&self, room: Room) -> bool {
        let mut admitted = self.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = self.costs.shard + self.costs.cells * admitted.operations;
        let is_admitted = self.reserve(bytes, room);
        admitted.shards += usize::from(is_admitted);
        is_admitted
    }

    fn limit(&self, room: Room) -> usize {
        match room {
            Room::Most => self.max - self.max / 8,
            Room::All => self.max,
            Room::Unlimited => usize::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detailed_counts_leave_an_eighth_of_the_memory() {
        let memory = Memory::new(800, Costs::default());
        assert!(memory.reserve(700, Room::Most) && !memory.is_exhausted());
        assert!(!memory.reserve(1, Room::Most) && memory.is_exhausted());
        memory.set_windows(50);
        assert!(memory.reserve(50, Room::All) && !memory.has_room(1, Room::All));
        assert!(!memory.reserve(1, Room::All));
        memory.set_windows(0);
        assert!(memory.reserve(50, Room::All));
        assert!(memory.reserve(10, Room::Unlimited));
        assert_eq!(memory.used(), 810);
    }

    #[test]
    fn each_operation_is_reserved_in_each_shard() {
        let costs = Costs { shard: 10, operation: 100, cells: 1 };
        let memory = Memory::new(1_000, costs);
        for _ in 0..2 {
            assert!(memory.admit_shard(Room::All));
            assert!(memory.admit_operation(Room::All));
        }
        assert_eq!(memory.used(), 2 * (10 + 100) + 2 * 2);
    }
}
