use super::{ExchangeState, resolve_unknown};
use crate::{
    observe::exchange::{
        core::Core,
        local::{self, Write},
        operation_ref::OperationRef,
        response_flags::ResponseFlags,
    },
    outcome::Ending,
    series::{Ages, End, OptionalHistogram, RawSpan, RawTime, Shard, Store, StreamKind},
};

/// Records the time to the head and returns it. The time of the body depends on the client.
#[inline(never)]
pub(super) fn record_head(
    began: RawTime,
    operation: OperationRef,
    flags: ResponseFlags,
    head: RawSpan,
) -> Option<RawSpan> {
    local::write(operation.lookout(), Head(ExchangeState { began, operation, flags, head }))
}

/// The write for a response's head that was sent.
#[derive(Clone, Copy)]
struct Head(ExchangeState);

impl Write for Head {
    type Written = RawSpan;

    #[inline(always)]
    fn write(self, core: &Core, store: &Store, shard: &Shard) -> RawSpan {
        let ExchangeState { began, operation, flags, .. } = self.0;
        let now = store.clock.now();
        let cells = shard.operation(operation.id());
        let took = store.clock.nanos(began, now);
        if !flags.is_long_poll() {
            self.0.close_age(took, core, store, shard);
        }
        if store.has_heads {
            let head = if flags.is_long_poll() { 0 } else { took };
            match cells.optional(OptionalHistogram::Head) {
                Some(heads) => heads.record(store.bounds.cell_of(head), head),
                None => shard.record_optional(operation.id(), OptionalHistogram::Head, store, head),
            }
        }
        if flags.is_stream_after_head() {
            cells.stream_opened(StreamKind::UnknownLength);
        }
        RawSpan::between(began, now)
    }
}

/// Records the most common end: a response that completed with its head.
#[inline(never)]
pub(super) fn record_complete(began: RawTime, operation: OperationRef, flags: ResponseFlags) {
    local::write(operation.lookout(), Complete { began, operation, flags });
}

/// The write for a response that completed with its head.
#[derive(Clone, Copy)]
struct Complete {
    began: RawTime,
    operation: OperationRef,
    flags: ResponseFlags,
}

impl Write for Complete {
    type Written = ();

    #[inline(always)]
    fn write(self, core: &Core, store: &Store, shard: &Shard) {
        let Self { began, operation, flags } = self;
        let now = store.clock.now();
        let took = store.clock.nanos(began, now);
        if let Some(cells) = shard.get(operation.id())
            && Ages::is_young(took)
            && let Some(duration) = cells.get_complete(flags.status(), operation.labels())
        {
            cells.ages.closed_young(flags.slot());
            cells.end(duration, store.bounds.cell_of(took), took);
        } else {
            record_first(core, store, shard, began, operation, flags, now);
        }
    }
}

/// Like [`Complete`], for an operation or status that this thread has not recorded before. It is a
/// separate function, so that the common path need not keep the state.
#[cold]
#[inline(never)]
fn record_first(
    core: &Core,
    store: &Store,
    shard: &Shard,
    began: RawTime,
    operation: OperationRef,
    flags: ResponseFlags,
    now: RawTime,
) {
    let state = ExchangeState { began, operation, flags, head: RawSpan::default() };
    Recorded { state, ending: Ending::Complete }.write_at(core, store, shard, now);
}

#[inline(never)]
pub(super) fn record_special(
    began: RawTime,
    operation: OperationRef,
    flags: ResponseFlags,
    head: RawSpan,
    ending: Ending,
) {
    let (operation, flags) = if flags.is_unknown() {
        resolve_unknown(began, operation, flags, head, false)
    } else {
        (operation, flags)
    };
    let state = ExchangeState { began, operation, flags, head };
    local::write(state.lookout(), Recorded { state, ending });
}

/// The write for an exchange that ended in any way.
#[derive(Clone, Copy)]
struct Recorded {
    state: ExchangeState,
    ending: Ending,
}

impl Write for Recorded {
    type Written = ();

    #[inline(always)]
    fn write(self, core: &Core, store: &Store, shard: &Shard) {
        self.write_at(core, store, shard, store.clock.now());
    }
}

impl Recorded {
    #[inline(always)]
    fn write_at(self, core: &Core, store: &Store, shard: &Shard, now: RawTime) {
        let Self { state, ending } = self;
        let ExchangeState { began, operation, flags, .. } = state;
        let stream_latency = state.stream_latency(store, now);
        let took = stream_latency.unwrap_or_else(|| store.clock.nanos(began, now));
        let cells = shard.operation(operation.id());
        let is_head_recorded = flags.is_head_recorded();
        if flags.is_long_poll() {
            cells.stream_closed(flags.long_poll_kind());
        } else if !is_head_recorded {
            state.close_age(took, core, store, shard);
        }
        if stream_latency.is_some() {
            let life = store.clock.nanos(began, now);
            shard.record_optional(operation.id(), OptionalHistogram::Stream, store, life);
        }
        let is_stream_after_head = is_head_recorded && flags.is_stream_after_head();
        let after_head = is_stream_after_head.then_some(StreamKind::UnknownLength);
        if let Some(kind) = flags.stream_kind().or(after_head) {
            cells.stream_closed(kind);
        }
        let end =
            End { status: flags.status(), ending, labels: operation.labels(), is_head_recorded };
        shard.end(cells, operation.id(), end, store, took);
    }
}
