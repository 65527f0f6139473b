use super::local::{self, Write};
use crate::observe::{Core, LookoutId};
use crate::{
    operation::{MethodLabel, OTHER, OperationId, Protocol, Side, TrafficId},
    series::{AgeSlot, OperationCells, RawTime, Shard, Store},
};

/// What an exchange begins with: when, and where it counts. It is returned in two registers.
#[derive(Clone, Copy)]
pub(crate) struct Start {
    pub(crate) began: RawTime,
    /// The operation's place, beside it that among the ages, and [`UNKNOWN`](Self::UNKNOWN).
    at: u64,
}

impl Start {
    /// Nobody knows the gRPC method yet.
    const UNKNOWN: u64 = 1 << 40;

    #[inline]
    pub(crate) fn operation(self) -> OperationId {
        OperationId::new(self.at as u32)
    }

    #[inline]
    pub(crate) fn slot(self) -> AgeSlot {
        AgeSlot::from_bits((self.at >> 32) as u8)
    }

    #[inline]
    pub(crate) fn is_unknown(self) -> bool {
        self.at & Self::UNKNOWN != 0
    }

    /// Of a request without a route; `None` once the lookout was closed.
    #[inline(never)]
    pub(crate) fn unmatched(
        lookout: LookoutId,
        traffic: TrafficId,
        method: MethodLabel,
    ) -> Option<Self> {
        local::write(lookout, Unmatched { traffic, method })
    }

    /// Of a gRPC call; like [`unmatched`](Self::unmatched).
    #[inline(never)]
    pub(crate) fn called(lookout: LookoutId, side: Side, name: &str) -> Option<Self> {
        local::write(lookout, Called { side, name })
    }

    /// Of a request whose route is known; like [`unmatched`](Self::unmatched).
    #[inline(never)]
    pub(crate) fn routed(
        lookout: LookoutId,
        traffic: TrafficId,
        method: MethodLabel,
        route: &str,
    ) -> Option<Self> {
        local::with(lookout, move |store, shard| {
            let began = store.clock.now();
            let operation = store.operations.id_of(traffic, method, route);
            Self::write(store, shard, began, operation)
        })
    }

    /// Of a request whose operation was looked up; like [`unmatched`](Self::unmatched).
    #[inline(never)]
    pub(crate) fn looked(lookout: LookoutId, operation: OperationId) -> Option<Self> {
        local::with(lookout, move |store, shard| {
            Self::write(store, shard, store.clock.now(), operation)
        })
    }

    #[inline(always)]
    fn write(store: &Store, shard: &Shard, began: RawTime, operation: OperationId) -> Self {
        Self::write_to(shard.operation(operation), store, began, operation)
    }

    #[inline(always)]
    fn write_to(
        cells: &OperationCells,
        store: &Store,
        began: RawTime,
        operation: OperationId,
    ) -> Self {
        cells.start();
        let slot = cells.ages.opened(store.second(began));
        Self { began, at: u64::from(slot.to_bits()) << 32 | operation.index() as u64 }
    }
}

/// A request without a route.
#[derive(Clone, Copy)]
struct Unmatched {
    traffic: TrafficId,
    method: MethodLabel,
}

impl Write for Unmatched {
    type Written = Start;

    #[inline(always)]
    fn write(self, _core: &Core, store: &Store, shard: &Shard) -> Start {
        let began = store.clock.now();
        let met = store.operations.met_unmatched(self.traffic, self.method);
        match met.and_then(|operation| Some((operation, shard.met(operation)?))) {
            Some((operation, cells)) => Start::write_to(cells, store, began, operation),
            None => self.write_first(began, store, shard),
        }
    }
}

impl Unmatched {
    /// Where the operation was not met before.
    #[cold]
    #[inline(never)]
    fn write_first(self, began: RawTime, store: &Store, shard: &Shard) -> Start {
        let operation = store.operations.unmatched(self.traffic, self.method);
        Start::write(store, shard, began, operation)
    }
}

/// A gRPC call of a method.
#[derive(Clone, Copy)]
struct Called<'a> {
    side: Side,
    name: &'a str,
}

impl Called<'_> {
    fn traffic(self) -> TrafficId {
        TrafficId::new(self.side, Protocol::Grpc)
    }

    /// Of a method that was not met before. What a client asks for is known to be there.
    #[cold]
    #[inline(never)]
    fn write_first(self, began: RawTime, store: &Store, shard: &Shard) -> Start {
        let traffic = self.traffic();
        let (route, unknown) =
            if self.side.is_client() { (self.name, 0) } else { (OTHER, Start::UNKNOWN) };
        let operation = store.operations.id_of(traffic, MethodLabel::Other, route);
        let start = Start::write(store, shard, began, operation);
        Start { at: start.at | unknown, ..start }
    }
}

impl Write for Called<'_> {
    type Written = Start;

    #[inline(always)]
    fn write(self, _core: &Core, store: &Store, shard: &Shard) -> Start {
        let began = store.clock.now();
        match store.operations.known(self.traffic(), MethodLabel::Other, self.name) {
            Some(operation) => Start::write(store, shard, began, operation),
            None => self.write_first(began, store, shard),
        }
    }
}
