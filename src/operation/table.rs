use std::{
    hash::{BuildHasher, Hasher},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::memory::{Memory, Room};

use super::{Dependency, MethodLabel, OVERFLOW, Operation, Side, Traffic, TrafficId, UNMATCHED};

/// An operation's index, dense from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OperationId(u32);

impl OperationId {
    #[inline]
    pub(crate) const fn new(index: u32) -> Self {
        Self(index)
    }

    #[inline]
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// The operations seen so far: bounded, append-only, and looked up without a lock.
///
/// Open addressing, at most half full. A slot never changes once set, so an empty slot proves that
/// the operation was not in the table at the time of the lookup.
#[derive(Debug)]
pub(crate) struct OperationTable {
    slots: Box<[OnceLock<Entry>]>,
    hasher: foldhash::fast::RandomState,
    /// Guards additions.
    listed: Mutex<Listed>,
    /// The operations without a route, by traffic and method. The most common lookup needs no hash.
    unmatched: [[OnceLock<OperationId>; MethodLabel::COUNT]; TrafficId::COUNT],
    /// The overflow operations by traffic.
    overflow: [OnceLock<OperationId>; TrafficId::COUNT],
    /// The overflow operation of each id, for records without memory.
    overflow_of: Box<[OnceLock<OperationId>]>,
    limit: usize,
    memory: Arc<Memory>,
    /// Set once the table or the memory is full, so that further operations overflow without the
    /// lock.
    is_full: AtomicBool,
}

#[derive(Debug)]
struct Listed {
    /// In the order of their ids.
    operations: Vec<Operation>,
    /// In the order of their numbers, the server first.
    sides: Vec<Option<Dependency>>,
    /// In the order of their numbers.
    traffics: Vec<Arc<Traffic>>,
    /// The number of operations that count towards the limit.
    bounded: usize,
}

#[derive(Debug)]
struct Entry {
    traffic: TrafficId,
    operation: Operation,
    id: OperationId,
}

impl OperationTable {
    pub(crate) fn new(limit: usize, memory: Arc<Memory>) -> Self {
        let slots = Self::slots(limit);
        let empty = |count: usize| (0..count).map(|_| OnceLock::new()).collect();
        let table = Self {
            slots: (0..slots).map(|_| OnceLock::new()).collect(),
            overflow_of: empty(Self::capacity_of(limit)),
            memory,
            hasher: foldhash::fast::RandomState::default(),
            listed: Mutex::new(Listed {
                operations: Vec::new(),
                sides: Vec::new(),
                traffics: Vec::new(),
                bounded: 0,
            }),
            unmatched: [const { [const { OnceLock::new() }; MethodLabel::COUNT] };
                TrafficId::COUNT],
            overflow: [const { OnceLock::new() }; TrafficId::COUNT],
            limit,
            is_full: AtomicBool::new(false),
        };
        table.side(None);
        table
    }

    fn slots(limit: usize) -> usize {
        (limit.max(1) * 2).next_power_of_two()
    }

    /// The number of ids for a limit, including the overflow operations.
    pub(crate) fn capacity_of(limit: usize) -> usize {
        limit + TrafficId::COUNT
    }

    /// The bytes of an empty table with this limit.
    pub(crate) fn bytes(limit: usize) -> usize {
        Self::slots(limit) * size_of::<OnceLock<Entry>>()
            + Self::capacity_of(limit) * size_of::<OnceLock<OperationId>>()
    }

    /// The side of a dependency; `None` is the server. Adds a new dependency; beyond the limit, all
    /// share one with the name `_OVERFLOW`.
    pub(crate) fn side(&self, dependency: Option<Dependency>) -> Side {
        let mut listed = self.listed();
        let known = listed.sides.iter().position(|known| *known == dependency);
        let number = known.unwrap_or(listed.sides.len()).min(Side::COUNT - 1);
        let side = Side::new(number).unwrap_or(Side::SERVER);
        if number == listed.sides.len() {
            let is_last = number == Side::COUNT - 1;
            let dependency = dependency.map(|dependency| match is_last {
                true => Dependency { name: OVERFLOW.into(), ..dependency },
                false => dependency,
            });
            listed.sides.push(dependency.clone());
            for &protocol in Dependency::protocols(dependency.as_ref()) {
                let traffic = Arc::new(Traffic { protocol, dependency: dependency.clone() });
                let overflow = Operation::new(Arc::clone(&traffic), MethodLabel::Other, OVERFLOW);
                let id = OperationId(listed.operations.len() as u32);
                let number = TrafficId::new(side, protocol).index();
                listed.traffics.resize(number + 1, traffic);
                listed.operations.push(overflow);
                self.memory.admit_operation(Room::Unlimited);
                self.overflow_of[id.index()].get_or_init(|| id);
                self.overflow[number].get_or_init(|| id);
            }
        }
        side
    }

    /// The id of the operation at an index of the list.
    pub(crate) fn nth(&self, index: usize) -> OperationId {
        OperationId(index as u32)
    }

    /// The operation with this id.
    pub(crate) fn get(&self, id: OperationId) -> Option<Operation> {
        self.listed().operations.get(id.index()).cloned()
    }

    pub(crate) fn overflow(&self, traffic: TrafficId) -> OperationId {
        // Always set: a traffic's number comes from a registered side.
        self.overflow[traffic.index()].get().copied().unwrap_or(OperationId(0))
    }

    /// The overflow operation for an operation's traffic.
    pub(crate) fn overflow_of(&self, id: OperationId) -> OperationId {
        self.overflow_of[id.index()].get().copied().unwrap_or(OperationId(0))
    }

    #[inline]
    pub(crate) fn id_of(
        &self,
        traffic: TrafficId,
        method: MethodLabel,
        route: &str,
    ) -> OperationId {
        // Read before the lookup: once full, the table never changes.
        let is_full = self.is_full.load(Ordering::Acquire);
        match self.find(traffic, method, route) {
            Ok(id) => id,
            Err(_) if is_full => self.overflow(traffic),
            Err(_) => self.add(traffic, method, route),
        }
    }

    /// The id of an operation, if it is in the table.
    #[inline(always)]
    pub(crate) fn known(
        &self,
        traffic: TrafficId,
        method: MethodLabel,
        route: &str,
    ) -> Option<OperationId> {
        self.find(traffic, method, route).ok()
    }

    /// The operation of requests without a route. Client requests have none.
    pub(crate) fn unmatched(&self, traffic: TrafficId, method: MethodLabel) -> OperationId {
        *self.unmatched[traffic.index()][method as usize].get_or_init(|| {
            let route = if traffic == TrafficId::HTTP_SERVER { UNMATCHED } else { "" };
            self.id_of(traffic, method, route)
        })
    }

    /// Like [`unmatched`](Self::unmatched), but `None` if there is no such operation yet.
    #[inline]
    pub(crate) fn get_unmatched(
        &self,
        traffic: TrafficId,
        method: MethodLabel,
    ) -> Option<OperationId> {
        self.unmatched[traffic.index()][method as usize].get().copied()
    }

    /// The operations with ids from `known`, so that a reader copies only new ones.
    pub(crate) fn listed_from(&self, known: usize) -> Vec<Operation> {
        self.listed().operations.get(known..).unwrap_or_default().to_vec()
    }

    fn listed(&self) -> MutexGuard<'_, Listed> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id of an operation, or the empty slot where it belongs.
    #[inline(always)]
    fn find(
        &self,
        traffic: TrafficId,
        method: MethodLabel,
        route: &str,
    ) -> Result<OperationId, usize> {
        let mask = self.slots.len() - 1;
        let mut hasher = self.hasher.build_hasher();
        hasher.write(route.as_bytes());
        let salt = (traffic.index() << 4) ^ method as usize;
        let mut slot = (hasher.finish() as usize ^ salt) & mask;
        loop {
            match self.slots[slot].get() {
                Some(entry)
                    if entry.operation.method == method
                        && entry.traffic == traffic
                        && *entry.operation.route == *route =>
                {
                    return Ok(entry.id);
                }
                Some(_) => slot = (slot + 1) & mask,
                None => return Err(slot),
            }
        }
    }

    #[cold]
    fn add(&self, traffic: TrafficId, method: MethodLabel, route: &str) -> OperationId {
        let mut listed = self.listed();
        // Another thread may have added the operation meanwhile, and filled the table.
        match self.find(traffic, method, route) {
            Ok(id) => id,
            Err(_) if listed.bounded >= self.limit => self.overflow(traffic),
            Err(_) if !self.memory.admit_operation(Room::All) => {
                self.is_full.store(true, Ordering::Release);
                self.overflow(traffic)
            }
            Err(slot) => {
                let id = OperationId(listed.operations.len() as u32);
                self.overflow_of[id.index()].get_or_init(|| self.overflow(traffic));
                let operation =
                    Operation::new(Arc::clone(&listed.traffics[traffic.index()]), method, route);
                listed.operations.push(operation.clone());
                listed.bounded += 1;
                let id = self.slots[slot].get_or_init(|| Entry { traffic, operation, id }).id;
                self.is_full.store(listed.bounded >= self.limit, Ordering::Release);
                id
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::{
        memory::Costs,
        operation::{Call, Protocol},
    };

    fn table(limit: usize) -> OperationTable {
        bounded(limit, Memory::DEFAULT_MAX)
    }

    fn bounded(limit: usize, max_memory: usize) -> OperationTable {
        let costs = Costs { operation: 100, ..Costs::default() };
        OperationTable::new(limit, Arc::new(Memory::new(max_memory, costs)))
    }

    const HTTP: TrafficId = TrafficId::HTTP_SERVER;
    /// The number of the server's overflow operations.
    const SERVER: usize = 2;

    #[test]
    fn an_operation_keeps_its_id() {
        let table = table(8);
        let get = table.id_of(HTTP, MethodLabel::Get, "/orders");
        let post = table.id_of(HTTP, MethodLabel::Post, "/orders");
        assert_ne!(get, post);
        assert_eq!(get, table.id_of(HTTP, MethodLabel::Get, "/orders"));
        assert_eq!(
            table.listed_from(SERVER).iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["GET /orders", "POST /orders"]
        );
    }

    #[test]
    fn operations_beyond_the_limit_share_the_overflow() {
        let table = table(2);
        let first = table.id_of(HTTP, MethodLabel::Get, "/a");
        table.id_of(HTTP, MethodLabel::Get, "/b");
        for n in 0..1_000 {
            assert_eq!(table.id_of(HTTP, MethodLabel::Get, &format!("/{n}")), table.overflow(HTTP));
        }
        assert_eq!(table.id_of(HTTP, MethodLabel::Get, "/a"), first);
        assert_eq!(table.listed_from(SERVER).len(), 2);
    }

    #[test]
    fn operations_without_memory_share_the_overflow() {
        // The server's overflow operations take 200 bytes.
        let table = bounded(100, 350);
        let first = table.id_of(HTTP, MethodLabel::Get, "/a");
        assert_eq!(table.id_of(HTTP, MethodLabel::Get, "/b"), table.overflow(HTTP));
        assert_eq!(table.id_of(HTTP, MethodLabel::Get, "/a"), first);
        assert_eq!(table.overflow_of(first), table.overflow(HTTP));
    }

    #[test]
    fn concurrent_threads_get_the_same_ids() {
        let table = table(100);
        let ids: Vec<Vec<OperationId>> = thread::scope(|scope| {
            let racers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        (0..100)
                            .map(|n| table.id_of(HTTP, MethodLabel::Get, &format!("/{n}")))
                            .collect()
                    })
                })
                .collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert!(ids.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(table.listed_from(SERVER).len(), 100);
    }

    #[test]
    fn dependencies_beyond_the_limit_share_a_side() {
        let table = table(8);
        let dependency = |name: &str, call| Some(Dependency { name: name.into(), call });
        let logical = table.side(dependency("inventory", Call::Logical));
        let attempt = table.side(dependency("inventory", Call::Attempt));
        assert_ne!(logical, attempt);
        assert_eq!(table.side(dependency("inventory", Call::Logical)), logical);
        assert!(logical.is_client());

        let get = |side| table.id_of(TrafficId::new(side, Protocol::Http), MethodLabel::Get, "");
        assert_ne!(get(logical), get(attempt));
        let names = table.listed_from(0).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(names.contains(&"inventory: GET".to_owned()), "{names:?}");

        let many: Vec<_> =
            (0..200).map(|n| table.side(dependency(&format!("d{n}"), Call::Logical))).collect();
        assert!(many[100..].iter().all(|side| *side == many[199]), "the last one is shared");
        assert_eq!(
            table.listed_from(0).last().unwrap().to_string(),
            "_OVERFLOW: _OVERFLOW",
            "the shared one"
        );
    }
}
