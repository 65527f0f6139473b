use std::{
    hash::{BuildHasher, Hasher},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::memory::{Memory, Room};

use super::{Dependency, MethodLabel, OVERFLOW, Operation, Side, Traffic, TrafficId, UNMATCHED};

/// An operation's place in the table, dense from zero.
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

/// The operations seen so far: looked up without a lock, only ever added to, and bounded.
///
/// Open addressing at most half full. A slot is set once and stays, so that a reader that meets an
/// empty slot knows that the operation was not there when it looked.
#[derive(Debug)]
pub(crate) struct OperationTable {
    slots: Box<[OnceLock<Entry>]>,
    hasher: foldhash::fast::RandomState,
    /// Guards additions.
    listed: Mutex<Listed>,
    /// By traffic and method, the operation of what has no route: the commonest look-up needs no hash.
    unmatched: [[OnceLock<OperationId>; MethodLabel::COUNT]; TrafficId::COUNT],
    /// By traffic, the operation of what came after the bound.
    overflow: [OnceLock<OperationId>; TrafficId::COUNT],
    /// By id, the operation that takes what there is no memory for.
    overflow_of: Box<[OnceLock<OperationId>]>,
    limit: usize,
    memory: Arc<Memory>,
    /// Set when the last place or all memory is taken: what is not found then needs no lock to be the
    /// overflow.
    is_full: AtomicBool,
}

#[derive(Debug)]
struct Listed {
    /// In the order of their ids.
    operations: Vec<Operation>,
    /// In the order of their numbers, the server first.
    sides: Vec<Option<Dependency>>,
    /// By number; of those that have a side.
    traffics: Vec<Arc<Traffic>>,
    /// How many operations count for the bound.
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

    /// How many ids there may be for a bound on operations, the overflows among them.
    pub(crate) fn capacity_of(limit: usize) -> usize {
        limit + TrafficId::COUNT
    }

    /// What a table with this bound takes from the start, in bytes.
    pub(crate) fn bytes(limit: usize) -> usize {
        Self::slots(limit) * size_of::<OnceLock<Entry>>()
            + Self::capacity_of(limit) * size_of::<OnceLock<OperationId>>()
    }

    /// The number of a dependency, a new one if it was not met; past the bound all share one, whose
    /// name is `_OVERFLOW`. Without a dependency, the server.
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
                self.memory.admit_operation(Room::Beyond);
                self.overflow_of[id.index()].get_or_init(|| id);
                self.overflow[number].get_or_init(|| id);
            }
        }
        side
    }

    /// The id of the operation at a place in the list.
    pub(crate) fn nth(&self, place: usize) -> OperationId {
        OperationId(place as u32)
    }

    /// The operation of an id.
    pub(crate) fn get(&self, id: OperationId) -> Option<Operation> {
        self.listed().operations.get(id.index()).cloned()
    }

    pub(crate) fn overflow(&self, traffic: TrafficId) -> OperationId {
        // A traffic's number comes from its side, which has one.
        self.overflow[traffic.index()].get().copied().unwrap_or(OperationId(0))
    }

    /// The overflow of an operation's traffic.
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
        // Read before the look-up, which then sees all that there will ever be.
        let is_full = self.is_full.load(Ordering::Acquire);
        match self.place_of(traffic, method, route) {
            Ok(id) => id,
            Err(_) if is_full => self.overflow(traffic),
            Err(_) => self.add(traffic, method, route),
        }
    }

    /// The id of an operation that is known already.
    #[inline(always)]
    pub(crate) fn known(
        &self,
        traffic: TrafficId,
        method: MethodLabel,
        route: &str,
    ) -> Option<OperationId> {
        self.place_of(traffic, method, route).ok()
    }

    /// The operation of what has no route, which a client's request never has.
    pub(crate) fn unmatched(&self, traffic: TrafficId, method: MethodLabel) -> OperationId {
        *self.unmatched[traffic.index()][method as usize].get_or_init(|| {
            let route = if traffic == TrafficId::HTTP_SERVER { UNMATCHED } else { "" };
            self.id_of(traffic, method, route)
        })
    }

    /// The same, if it was met before.
    #[inline]
    pub(crate) fn met_unmatched(
        &self,
        traffic: TrafficId,
        method: MethodLabel,
    ) -> Option<OperationId> {
        self.unmatched[traffic.index()][method as usize].get().copied()
    }

    /// The operations with the ids from `known` on, so that a reader copies only what is new to it.
    pub(crate) fn listed_from(&self, known: usize) -> Vec<Operation> {
        self.listed().operations.get(known..).unwrap_or_default().to_vec()
    }

    fn listed(&self) -> MutexGuard<'_, Listed> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id, or else the empty slot where the operation belongs.
    #[inline(always)]
    fn place_of(
        &self,
        traffic: TrafficId,
        method: MethodLabel,
        route: &str,
    ) -> Result<OperationId, usize> {
        let mask = self.slots.len() - 1;
        let mut hasher = self.hasher.build_hasher();
        hasher.write(route.as_bytes());
        let apart = (traffic.index() << 4) ^ method as usize;
        let mut slot = (hasher.finish() as usize ^ apart) & mask;
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
        // Looked up again: another thread may have added it, and filled the table with it.
        match self.place_of(traffic, method, route) {
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
    /// The overflows of the server.
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
    fn past_the_bound_everything_new_shares_the_overflow() {
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
    fn without_memory_for_it_an_operation_shares_the_overflow() {
        // The overflows of the server take 200.
        let table = bounded(100, 350);
        let first = table.id_of(HTTP, MethodLabel::Get, "/a");
        assert_eq!(table.id_of(HTTP, MethodLabel::Get, "/b"), table.overflow(HTTP));
        assert_eq!(table.id_of(HTTP, MethodLabel::Get, "/a"), first);
        assert_eq!(table.overflow_of(first), table.overflow(HTTP));
    }

    #[test]
    fn threads_that_race_agree_on_the_ids() {
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
    fn each_dependency_has_a_side_of_its_own_until_there_are_too_many() {
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
            "and says so"
        );
    }
}
