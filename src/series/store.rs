use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    Bounds, LabelTable, MESSAGES, OperationCells, OptionalHistogram, RawClock, RawTime, SIZES,
    SeriesKey, Shard, ShardLayout, Statuses, Tally,
};
use crate::{
    memory::{Costs, Memory, Room},
    operation::{OperationId, OperationTable},
};

/// Everything that the request path writes to. A lookout has one.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) operations: OperationTable,
    pub(crate) bounds: Bounds,
    sizes: Bounds,
    messages: Bounds,
    pub(crate) statuses: Statuses,
    pub(crate) labels: LabelTable,
    pub(crate) memory: Arc<Memory>,
    /// The series that have reserved memory outside the shards, for the collector's sums and the
    /// recorder's copy.
    exported: Mutex<HashSet<(OperationId, SeriesKey), foldhash::fast::RandomState>>,
    exported_cost: usize,
    /// Whether the time to the response's head is recorded.
    pub(crate) has_heads: bool,
    shards: Mutex<Shards>,
    /// The shared shard, for a thread whose thread-locals are destroyed, or that gets no memory for
    /// its own shard. The lock ensures a single writer.
    shared: Mutex<Arc<Shard>>,
    layout: ShardLayout,
    pub(crate) clock: &'static RawClock,
    epoch: RawTime,
}

/// The limits of a store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) operations: usize,
    /// The memory, in bytes.
    pub(crate) memory: usize,
    /// Whether the time to the response's head is recorded.
    pub(crate) has_heads: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { operations: 1_000, memory: Memory::DEFAULT_MAX, has_heads: true }
    }
}

#[derive(Debug, Default)]
struct Shards {
    all: Vec<Arc<Shard>>,
    /// Shards whose thread has ended. They keep their counts and go to the next thread.
    free: Vec<Arc<Shard>>,
}

impl Store {
    /// The maximum number of lists of an operation's labelled series. More lists make each list
    /// shorter.
    const MAX_LISTS: usize = 1_024;

    /// The bytes of the names, labels and handles of an exported series. They also cover an
    /// operation's gauges, the states of its rules, and its status in the snapshot.
    const SERIES_OVERHEAD: usize = 2 << 10;

    pub(crate) fn new(limits: Limits, bounds: Bounds, labels: LabelTable) -> Self {
        let clock = RawClock::get();
        let layout = ShardLayout {
            operations: OperationTable::capacity_of(limits.operations),
            cells: bounds.cells(),
            labelled: labels.sets().min(Self::MAX_LISTS),
        };
        let exported_cost = Self::exported_cost(&bounds);
        let costs = Costs {
            shard: Shard::bytes(layout),
            operation: exported_cost
                + 5 * Self::SERIES_OVERHEAD
                + bounds.cells() * size_of::<u32>(),
            cells: size_of::<OperationCells>(),
        };
        let memory = Arc::new(Memory::new(limits.memory, costs));
        memory.reserve(OperationTable::bytes(limits.operations), Room::Unlimited);
        let operations = OperationTable::new(limits.operations, Arc::clone(&memory));
        memory.admit_shard(Room::Unlimited);
        let shared = Shard::new(layout);
        let shards = Shards { all: vec![Arc::clone(&shared)], free: Vec::new() };
        Self {
            operations,
            bounds,
            sizes: Bounds::of(&SIZES),
            messages: Bounds::of(&MESSAGES),
            statuses: Statuses::new(),
            labels,
            memory,
            exported: Mutex::default(),
            exported_cost,
            has_heads: limits.has_heads,
            shards: Mutex::new(shards),
            shared: Mutex::new(shared),
            layout,
            clock,
            epoch: clock.now(),
        }
    }

    /// Returns the size of a histogram outside the shards, in bytes: the collector's sums, the
    /// exported values, and the recorder's buckets.
    fn exported_cost(bounds: &Bounds) -> usize {
        let buckets = bounds.buckets(None).count();
        Self::SERIES_OVERHEAD + (bounds.cells() + 2 * buckets) * size_of::<Tally>() + 1_024
    }

    /// Reserves memory for a series in one shard and, if it is new to all shards, outside them.
    pub(super) fn reserve(
        &self,
        operation: OperationId,
        key: SeriesKey,
        cells: usize,
        room: Room,
    ) -> bool {
        if !self.memory.has_room(cells, room) {
            return false;
        }
        let mut exported = self.exported.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !exported.contains(&(operation, key));
        let bytes = cells + if is_new { self.exported_cost } else { 0 };
        let is_reserved = self.memory.reserve(bytes, room);
        if is_reserved && is_new {
            exported.insert((operation, key));
        }
        is_reserved
    }

    /// Reserves memory for an optional histogram, in one shard and outside it.
    pub(super) fn reserve_optional(&self, cells: usize, room: Room) -> bool {
        self.memory.reserve(cells + self.exported_cost, room)
    }

    pub(crate) fn bounds_of(&self, kind: OptionalHistogram) -> &Bounds {
        match kind {
            OptionalHistogram::Wait | OptionalHistogram::Stream | OptionalHistogram::Head => {
                &self.bounds
            }
            OptionalHistogram::RequestSize | OptionalHistogram::ResponseSize => &self.sizes,
            OptionalHistogram::RequestMessages | OptionalHistogram::ResponseMessages => {
                &self.messages
            }
        }
    }

    /// Returns the time since the store was created.
    pub(crate) fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.clock.nanos(self.epoch, self.clock.now()))
    }

    /// Returns the second in which an exchange started, since the store's creation.
    /// [`Ages`](super::Ages) counts exchanges by it.
    #[inline]
    pub(crate) fn second(&self, began: RawTime) -> u32 {
        self.clock.seconds(self.epoch, began)
    }

    /// Leases a shard to the calling thread, which releases it when the thread ends. Returns `None`
    /// without memory for a shard: the thread then writes to [the shared one](Self::with_shared).
    pub(crate) fn lease(&self) -> Option<Arc<Shard>> {
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        shards.free.pop().or_else(|| {
            self.memory.admit_shard(Room::All).then(|| {
                let shard = Shard::new(self.layout);
                shards.all.push(Arc::clone(&shard));
                shard
            })
        })
    }

    pub(crate) fn release(&self, shard: Arc<Shard>) {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner).free.push(shard);
    }

    #[inline]
    pub(crate) fn with_shared<R>(&self, write: impl FnOnce(&Shard) -> R) -> R {
        write(&self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns all shards, for readers.
    pub(crate) fn shards(&self) -> Vec<Arc<Shard>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner).all.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_thread_gets_the_shard_of_a_thread_that_has_ended() {
        let store = Store::new(Limits::default(), Bounds::new(&[], &[]), LabelTable::default());
        let shard = store.lease().unwrap();
        store.release(Arc::clone(&shard));
        assert!(Arc::ptr_eq(&store.lease().unwrap(), &shard));
        assert_eq!(store.shards().len(), 2, "the shared one and the leased one");
    }

    #[test]
    fn without_memory_a_thread_gets_no_shard_until_another_ends() {
        let limits = Limits { memory: 200_000, ..Limits::default() };
        let store = Store::new(limits, Bounds::new(&[], &[]), LabelTable::default());
        let leased: Vec<_> = std::iter::from_fn(|| store.lease()).collect();
        assert!((1..10).contains(&leased.len()), "{}", leased.len());
        assert!(store.memory.used() <= 200_000 && store.memory.is_exhausted());
        store.release(Arc::clone(&leased[0]));
        assert!(store.lease().is_some() && store.lease().is_none());
    }
}
