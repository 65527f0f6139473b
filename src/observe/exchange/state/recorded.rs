use super::{ExchangeState, known};
use crate::{
    observe::{
        Core,
        exchange::local::{self, Write},
        head::response_flags::{OperationRef, ResponseFlags},
    },
    outcome::Ending,
    series::{Ages, End, OptionalHistogram, RawSpan, RawTime, Shard, Store, StreamKind},
};

/// What is known of the head is told, because the rest may take as long as the client likes; gives how
/// long it took.
#[inline(never)]
pub(super) fn tell_head(
    began: RawTime,
    place: OperationRef,
    answer: ResponseFlags,
    head: RawSpan,
) -> Option<RawSpan> {
    local::write(place.lookout(), Head(ExchangeState { began, place, answer, head }))
}

/// A head that is out.
#[derive(Clone, Copy)]
struct Head(ExchangeState);

impl Write for Head {
    type Written = RawSpan;

    #[inline(always)]
    fn write(self, core: &Core, store: &Store, shard: &Shard) -> RawSpan {
        let ExchangeState { began, place, answer, .. } = self.0;
        let now = store.clock.now();
        let cells = shard.operation(place.operation());
        let took = store.clock.nanos(began, now);
        if !answer.is_long_poll() {
            self.0.close_age(took, core, store, shard);
        }
        if store.has_heads {
            let head = if answer.is_long_poll() { 0 } else { took };
            match cells.extra(OptionalHistogram::Head) {
                Some(heads) => heads.record(store.bounds.cell_of(head), head),
                None => shard.record_extra(place.operation(), OptionalHistogram::Head, store, head),
            }
        }
        if answer.is_open_by_going_on() {
            cells.stream_opened(StreamKind::UnknownLength);
        }
        RawSpan::between(began, now)
    }
}

/// The commonest end.
#[inline(never)]
pub(super) fn record_complete(began: RawTime, place: OperationRef, answer: ResponseFlags) {
    local::write(place.lookout(), Complete { began, place, answer });
}

/// A response that was complete with its head.
#[derive(Clone, Copy)]
struct Complete {
    began: RawTime,
    place: OperationRef,
    answer: ResponseFlags,
}

impl Write for Complete {
    type Written = ();

    #[inline(always)]
    fn write(self, core: &Core, store: &Store, shard: &Shard) {
        let Self { began, place, answer } = self;
        let now = store.clock.now();
        let took = store.clock.nanos(began, now);
        if let Some(cells) = shard.met(place.operation())
            && Ages::is_young(took)
            && let Some(duration) = cells.met_complete(answer.status(), place.labels())
        {
            cells.ages.closed_young(answer.slot());
            cells.end(duration, store.bounds.cell_of(took), took);
        } else {
            record_first(core, store, shard, began, place, answer, now);
        }
    }
}

/// As [`Complete`] does, where something was not met before. It has a way of its own to the end, so that
/// the common way need not keep for it what is known.
#[cold]
#[inline(never)]
fn record_first(
    core: &Core,
    store: &Store,
    shard: &Shard,
    began: RawTime,
    place: OperationRef,
    answer: ResponseFlags,
    now: RawTime,
) {
    let facts = ExchangeState { began, place, answer, head: RawSpan::default() };
    Recorded { facts, ending: Ending::Complete }.write_at(core, store, shard, now);
}

#[inline(never)]
pub(super) fn record_special(
    began: RawTime,
    place: OperationRef,
    answer: ResponseFlags,
    head: RawSpan,
    ending: Ending,
) {
    let (place, answer) = if answer.is_unknown() {
        known(began, place, answer, head, false)
    } else {
        (place, answer)
    };
    let facts = ExchangeState { began, place, answer, head };
    local::write(facts.lookout(), Recorded { facts, ending });
}

/// An exchange that has ended.
#[derive(Clone, Copy)]
struct Recorded {
    facts: ExchangeState,
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
        let Self { facts, ending } = self;
        let ExchangeState { began, place, answer, .. } = facts;
        let of_stream = facts.latency_of_stream(store, now);
        let took = of_stream.unwrap_or_else(|| store.clock.nanos(began, now));
        let cells = shard.operation(place.operation());
        let is_head_told = answer.is_head_told();
        if answer.is_long_poll() {
            cells.stream_closed(answer.long_poll_kind());
        } else if !is_head_told {
            facts.close_age(took, core, store, shard);
        }
        if of_stream.is_some() {
            let life = store.clock.nanos(began, now);
            shard.record_extra(place.operation(), OptionalHistogram::Stream, store, life);
        }
        let is_open_by_going_on = is_head_told && answer.is_open_by_going_on();
        let by_going_on = is_open_by_going_on.then_some(StreamKind::UnknownLength);
        if let Some(kind) = answer.stream_kind().or(by_going_on) {
            cells.stream_closed(kind);
        }
        let end = End { status: answer.status(), ending, labels: place.labels(), is_head_told };
        shard.end(cells, place.operation(), end, store, took);
    }
}
