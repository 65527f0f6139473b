use super::{
    core::Core,
    local::{self, LookoutId, Write},
};
use crate::{
    observe::head::route::Route,
    operation::{MethodLabel, OTHER, OperationId, Protocol, Side, TrafficId},
    series::{AgeSlot, OperationCells, RawTime, Shard, Store},
};

/// The key of the operation to which an HTTP request belongs.
pub(crate) struct OperationKey<'a> {
    pub(crate) traffic: TrafficId,
    pub(crate) method: MethodLabel,
    pub(crate) route: Route<'a>,
}

/// The start of an exchange: its time and its operation. Functions return it in two registers.
#[derive(Clone, Copy)]
pub(crate) struct Start {
    pub(crate) began: RawTime,
    /// The operation's index, the age slot, and [`UNKNOWN`](Self::UNKNOWN).
    at: u64,
}

impl Start {
    /// Set if the gRPC method is unknown.
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

    /// Starts an HTTP request. Returns `None` once the lookout is closed.
    #[inline(always)]
    pub(super) fn request(lookout: LookoutId, key: &OperationKey<'_>) -> Option<Self> {
        match key.route {
            Route::Unmatched => Self::unmatched(lookout, key.traffic, key.method),
            Route::Template(route) => Self::routed(lookout, key.traffic, key.method, route),
            Route::LookedUp(operation) => Self::looked_up(lookout, operation),
        }
    }

    #[inline(never)]
    fn unmatched(lookout: LookoutId, traffic: TrafficId, method: MethodLabel) -> Option<Self> {
        local::write(lookout, Unmatched { traffic, method })
    }

    /// Starts a gRPC call. Returns `None` once the lookout is closed.
    #[inline(never)]
    pub(super) fn call(lookout: LookoutId, side: Side, name: &str) -> Option<Self> {
        local::write(lookout, Called { side, name })
    }

    #[inline(never)]
    fn routed(
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

    #[inline(never)]
    fn looked_up(lookout: LookoutId, operation: OperationId) -> Option<Self> {
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

/// The start of a request without a route.
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
        let operation = store.operations.get_unmatched(self.traffic, self.method);
        match operation.and_then(|operation| Some((operation, shard.get(operation)?))) {
            Some((operation, cells)) => Start::write_to(cells, store, began, operation),
            None => self.write_first(began, store, shard),
        }
    }
}

impl Unmatched {
    /// Starts a request of an operation that this thread has not used before.
    #[cold]
    #[inline(never)]
    fn write_first(self, began: RawTime, store: &Store, shard: &Shard) -> Start {
        let operation = store.operations.unmatched(self.traffic, self.method);
        Start::write(store, shard, began, operation)
    }
}

/// The start of a gRPC call.
#[derive(Clone, Copy)]
struct Called<'a> {
    side: Side,
    name: &'a str,
}

impl Called<'_> {
    fn traffic(self) -> TrafficId {
        TrafficId::new(self.side, Protocol::Grpc)
    }

    /// Starts a call of an unknown method. Trusts the names that clients in this process use.
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
