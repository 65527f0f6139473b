//! How many bytes a lookout's figures take, and the most that they may.
//!
//! All memory that grows with the traffic is reserved here before it is allocated: the cells of
//! each thread, the collector's sums, and an allowance for the recorder's copy. Nothing is ever
//! given back, since counts are not. The windows grow and shrink, so the collector notes their size
//! at each tick.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// The bytes in use, and the bound on them.
#[derive(Debug)]
pub(crate) struct Memory {
    max: usize,
    reserved: AtomicUsize,
    windows: AtomicUsize,
    costs: Costs,
    admitted: Mutex<Admitted>,
    /// Something was refused.
    is_exhausted: AtomicBool,
}

/// What is allocated besides the series, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Costs {
    /// A thread's index of its operations.
    pub(crate) shard: usize,
    /// An operation once, whichever threads meet it.
    pub(crate) operation: usize,
    /// An operation in one shard.
    pub(crate) cells: usize,
}

/// Each operation may have cells in each shard.
#[derive(Debug, Default)]
struct Admitted {
    operations: usize,
    shards: usize,
}

/// How much of the memory a reservation may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Seven eighths: for what can be counted in less detail.
    Most,
    /// All of it.
    All,
    /// More than there is: for the few series that everything else shares.
    Beyond,
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

    /// Whether anything was counted in less detail for want of memory.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.is_exhausted.load(Ordering::Relaxed)
    }

    /// Notes the size of the windows, which replaces the last one.
    pub(crate) fn set_windows(&self, bytes: usize) {
        self.windows.store(bytes, Ordering::Relaxed);
    }

    /// Whether there is room for so many bytes, by a look that reserves nothing.
    pub(crate) fn has_room(&self, bytes: usize, room: Room) -> bool {
        let has_room = self.used().saturating_add(bytes) <= self.limit(room);
        if !has_room {
            self.is_exhausted.store(true, Ordering::Relaxed);
        }
        has_room
    }

    /// Reserves so many bytes; `false` if they are not there.
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

    /// Reserves what an operation takes in all shards there are.
    pub(crate) fn admit_operation(&self, room: Room) -> bool {
        let mut admitted = self.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = self.costs.operation + self.costs.cells * admitted.shards;
        let is_admitted = self.reserve(bytes, room);
        admitted.operations += usize::from(is_admitted);
        is_admitted
    }

    /// Reserves what a shard takes for all operations there are.
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
            Room::Beyond => usize::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_counted_in_less_detail_leaves_an_eighth() {
        let memory = Memory::new(800, Costs::default());
        assert!(memory.reserve(700, Room::Most) && !memory.is_exhausted());
        assert!(!memory.reserve(1, Room::Most) && memory.is_exhausted());
        memory.set_windows(50);
        assert!(memory.reserve(50, Room::All) && !memory.has_room(1, Room::All));
        assert!(!memory.reserve(1, Room::All));
        memory.set_windows(0);
        assert!(memory.reserve(50, Room::All));
        assert!(memory.reserve(10, Room::Beyond));
        assert_eq!(memory.used(), 810);
    }

    #[test]
    fn each_operation_is_paid_for_in_each_shard() {
        let costs = Costs { shard: 10, operation: 100, cells: 1 };
        let memory = Memory::new(1_000, costs);
        for _ in 0..2 {
            assert!(memory.admit_shard(Room::All));
            assert!(memory.admit_operation(Room::All));
        }
        assert_eq!(memory.used(), 2 * (10 + 100) + 2 * 2);
    }
}
