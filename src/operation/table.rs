use std::{
    hash::{BuildHasher, Hasher},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{MethodLabel, OVERFLOW, Operation, UNMATCHED};

/// An operation's place in the table, dense from zero; the last one is the overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OperationId(u32);

impl OperationId {
    #[inline]
    pub(crate) fn new(index: u32) -> Self {
        Self(index)
    }

    #[inline]
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// The operations seen so far: looked up without a lock, only ever added to, and bounded.
///
/// Open addressing at most half full. A slot is set once and stays, so that a reader that meets an
/// empty slot knows that the operation was not there when it looked.
#[derive(Debug)]
pub(crate) struct OperationTable {
    slots: Box<[OnceLock<Entry>]>,
    hasher: foldhash::fast::RandomState,
    /// Guards additions; in the order of their ids.
    listed: Mutex<Vec<Operation>>,
    /// By method, the operation of what has no route: the commonest look-up needs no hash.
    unmatched: [OnceLock<OperationId>; MethodLabel::COUNT],
    limit: usize,
    /// Set when the last place is taken: what is not found then needs no lock to be the overflow.
    is_full: AtomicBool,
}

#[derive(Debug)]
struct Entry {
    operation: Operation,
    id: OperationId,
}

impl OperationTable {
    pub(crate) fn new(limit: usize) -> Self {
        let slots = (limit.max(1) * 2).next_power_of_two();
        Self {
            slots: (0..slots).map(|_| OnceLock::new()).collect(),
            hasher: foldhash::fast::RandomState::default(),
            listed: Mutex::new(Vec::new()),
            unmatched: [const { OnceLock::new() }; MethodLabel::COUNT],
            limit,
            is_full: AtomicBool::new(false),
        }
    }

    /// How many ids there are, the overflow among them.
    pub(crate) fn capacity(&self) -> usize {
        self.limit + 1
    }

    /// The id of the operation at a place in the list.
    pub(crate) fn nth(&self, place: usize) -> OperationId {
        OperationId(place as u32)
    }

    pub(crate) fn overflow(&self) -> OperationId {
        OperationId(self.limit as u32)
    }

    /// The overflow as an operation; its method is `_OTHER`, since it holds any.
    pub(crate) fn overflow_operation() -> Operation {
        Operation::new(MethodLabel::Other, OVERFLOW)
    }

    #[inline]
    pub(crate) fn id_of(&self, method: MethodLabel, route: &str) -> OperationId {
        // Read before the look-up, which then sees all that there will ever be.
        let is_full = self.is_full.load(Ordering::Acquire);
        match self.find(method, route) {
            Ok(id) => id,
            Err(_) if is_full => self.overflow(),
            Err(_) => self.add(method, route),
        }
    }

    #[inline]
    pub(crate) fn unmatched(&self, method: MethodLabel) -> OperationId {
        *self.unmatched[method as usize].get_or_init(|| self.id_of(method, UNMATCHED))
    }

    /// The operations with the ids from `known` on, so that a reader copies only what is new to it.
    pub(crate) fn listed_from(&self, known: usize) -> Vec<Operation> {
        let listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        listed.get(known..).unwrap_or_default().to_vec()
    }

    /// The id, or else the empty slot where the operation belongs.
    #[inline]
    fn find(&self, method: MethodLabel, route: &str) -> Result<OperationId, usize> {
        let mask = self.slots.len() - 1;
        let mut hasher = self.hasher.build_hasher();
        hasher.write(route.as_bytes());
        let mut slot = (hasher.finish() as usize ^ method as usize) & mask;
        loop {
            match self.slots[slot].get() {
                Some(Entry { operation, id })
                    if operation.method == method && *operation.route == *route =>
                {
                    return Ok(*id);
                }
                Some(_) => slot = (slot + 1) & mask,
                None => return Err(slot),
            }
        }
    }

    #[cold]
    fn add(&self, method: MethodLabel, route: &str) -> OperationId {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked up again: another thread may have added it, and filled the table with it.
        match self.find(method, route) {
            Ok(id) => id,
            Err(_) if listed.len() >= self.limit => self.overflow(),
            Err(slot) => {
                let id = OperationId(listed.len() as u32);
                let operation = Operation::new(method, Arc::from(route));
                listed.push(operation.clone());
                let id = self.slots[slot].get_or_init(|| Entry { operation, id }).id;
                self.is_full.store(listed.len() >= self.limit, Ordering::Release);
                id
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn an_operation_keeps_its_id() {
        let table = OperationTable::new(8);
        let get = table.id_of(MethodLabel::Get, "/orders");
        let post = table.id_of(MethodLabel::Post, "/orders");
        assert_ne!(get, post);
        assert_eq!(get, table.id_of(MethodLabel::Get, "/orders"));
        assert_eq!(
            table.listed_from(0).iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["GET /orders", "POST /orders"]
        );
    }

    #[test]
    fn past_the_bound_everything_new_shares_the_overflow() {
        let table = OperationTable::new(2);
        let first = table.id_of(MethodLabel::Get, "/a");
        table.id_of(MethodLabel::Get, "/b");
        for n in 0..1_000 {
            assert_eq!(table.id_of(MethodLabel::Get, &format!("/{n}")), table.overflow());
        }
        assert_eq!(table.id_of(MethodLabel::Get, "/a"), first);
        assert_eq!(table.listed_from(0).len(), 2);
    }

    #[test]
    fn threads_that_race_agree_on_the_ids() {
        let table = OperationTable::new(100);
        let ids: Vec<Vec<OperationId>> = thread::scope(|scope| {
            let racers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        (0..100).map(|n| table.id_of(MethodLabel::Get, &format!("/{n}"))).collect()
                    })
                })
                .collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert!(ids.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(table.listed_from(0).len(), 100);
    }
}
