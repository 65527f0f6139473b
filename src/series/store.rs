use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    Bounds, Extra, LabelTable, MESSAGES, RawClock, RawTime, SIZES, Shard, ShardLayout, Statuses,
};
use crate::operation::OperationTable;

/// Everything that the request path writes to; one a lookout.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) operations: OperationTable,
    pub(crate) bounds: Bounds,
    sizes: Bounds,
    messages: Bounds,
    pub(crate) statuses: Statuses,
    pub(crate) labels: LabelTable,
    shards: Mutex<Shards>,
    /// Takes what ends where a thread's own storage is already gone; its lock makes one writer of
    /// the threads that come here.
    last_resort: Mutex<Arc<Shard>>,
    layout: ShardLayout,
    pub(crate) clock: &'static RawClock,
    epoch: RawTime,
}

#[derive(Debug, Default)]
struct Shards {
    all: Vec<Arc<Shard>>,
    /// Shards whose thread has ended: they keep their counts, and go to the next thread.
    free: Vec<Arc<Shard>>,
}

impl Store {
    /// Into how many lists an operation's series with labels are split, so that each is short.
    const MOST_LISTS: usize = 1_024;

    pub(crate) fn new(max_operations: usize, bounds: Bounds, labels: LabelTable) -> Self {
        let clock = RawClock::get();
        let operations = OperationTable::new(max_operations);
        let layout = ShardLayout {
            operations: operations.capacity(),
            cells: bounds.cells(),
            labelled: labels.sets().min(Self::MOST_LISTS),
        };
        let last_resort = Shard::new(layout);
        let shards = Shards { all: vec![Arc::clone(&last_resort)], free: Vec::new() };
        Self {
            operations,
            bounds,
            sizes: Bounds::of(&SIZES),
            messages: Bounds::of(&MESSAGES),
            statuses: Statuses::new(),
            labels,
            shards: Mutex::new(shards),
            last_resort: Mutex::new(last_resort),
            layout,
            clock,
            epoch: clock.now(),
        }
    }

    pub(crate) fn bounds_of(&self, extra: Extra) -> &Bounds {
        match extra {
            Extra::Wait | Extra::Stream => &self.bounds,
            Extra::RequestSize | Extra::ResponseSize => &self.sizes,
            Extra::RequestMessages | Extra::ResponseMessages => &self.messages,
        }
    }

    /// The time since the store was made.
    pub(crate) fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.clock.nanos(self.epoch, self.clock.now()))
    }

    /// The second, since the store was made, in which an exchange began; ages are told by it.
    #[inline]
    pub(crate) fn second(&self, began: RawTime) -> u32 {
        self.clock.seconds(self.epoch, began)
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
        let store = Store::new(1, Bounds::new(&[], &[]), LabelTable::default());
        let shard = store.lease();
        store.give_back(Arc::clone(&shard));
        assert!(Arc::ptr_eq(&store.lease(), &shard));
        assert_eq!(store.shards().len(), 2, "the last resort and the leased one");
    }
}
