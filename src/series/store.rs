use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::StatusCode;

use super::{Bounds, RawTime, Shard, ShardLayout, StatusKey, key::Statuses};
use crate::operation::OperationTable;

/// Everything that the request path writes to; one a lookout.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) operations: OperationTable,
    pub(crate) bounds: Bounds,
    statuses: Statuses,
    shards: Mutex<Shards>,
    /// Takes what ends where a thread's own storage is already gone; its lock makes one writer of
    /// the threads that come here.
    last_resort: Mutex<Arc<Shard>>,
    layout: ShardLayout,
    epoch: RawTime,
}

#[derive(Debug, Default)]
struct Shards {
    all: Vec<Arc<Shard>>,
    /// Shards whose thread has ended: they keep their counts, and go to the next thread.
    free: Vec<Arc<Shard>>,
}

impl Store {
    pub(crate) fn new(max_operations: usize, bounds: Bounds) -> Self {
        let operations = OperationTable::new(max_operations);
        let layout = ShardLayout { operations: operations.capacity(), cells: bounds.cells() };
        let last_resort = Shard::new(layout);
        let shards = Shards { all: vec![Arc::clone(&last_resort)], free: Vec::new() };
        Self {
            operations,
            bounds,
            statuses: Statuses::new(),
            shards: Mutex::new(shards),
            last_resort: Mutex::new(last_resort),
            layout,
            epoch: RawTime::now(),
        }
    }

    /// The time since the store was made.
    pub(crate) fn elapsed(&self) -> Duration {
        RawTime::now().since(self.epoch)
    }

    /// The second, since the store was made, in which an exchange began; ages are told by it.
    #[inline]
    pub(crate) fn second(&self, began: RawTime) -> u32 {
        (began.nanos_since(self.epoch) / 1_000_000_000) as u32
    }

    /// What to count a status under: its own for the first ones met, else its class.
    #[inline]
    pub(crate) fn status(&self, status: StatusCode) -> StatusKey {
        self.statuses.key(status)
    }

    /// A shard for the calling thread alone; to be given back when the thread ends.
    pub(crate) fn lease(&self) -> Arc<Shard> {
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        shards.free.pop().unwrap_or_else(|| {
            let shard = Shard::new(self.layout);
            shards.all.push(Arc::clone(&shard));
            shard
        })
    }

    pub(crate) fn give_back(&self, shard: Arc<Shard>) {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner).free.push(shard);
    }

    #[inline]
    pub(crate) fn with_last_resort<R>(&self, write: impl FnOnce(&Shard) -> R) -> R {
        write(&self.last_resort.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// All shards, for a reader.
    pub(crate) fn shards(&self) -> Vec<Arc<Shard>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner).all.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shard_of_an_ended_thread_goes_to_the_next_one() {
        let store = Store::new(1, Bounds::new(&[], &[]));
        let shard = store.lease();
        store.give_back(Arc::clone(&shard));
        assert!(Arc::ptr_eq(&store.lease(), &shard));
        assert_eq!(store.shards().len(), 2, "the last resort and the leased one");
    }
}
