use super::{Facts, known};
use crate::{
    observe::{
        Core,
        answer::{Answer, Place},
        local::{self, Write},
    },
    outcome::Ending,
    series::{End, Extra, RawSpan, RawTime, Shard, Store, StreamKind},
};

/// What is known of the head is told, because the rest may take as long as the client likes; gives how
/// long it took.
#[inline(never)]
pub(super) fn tell_head(began: RawTime, place: Place, answer: Answer) -> Option<RawSpan> {
    local::write(place.lookout(), Head { began, place, answer })
}

/// A head that is out.
#[derive(Clone, Copy)]
struct Head {
    began: RawTime,
    place: Place,
    answer: Answer,
}

impl Write for Head {
    type Written = RawSpan;

    #[inline(always)]
    fn write(self, _core: &Core, store: &Store, shard: &Shard) -> RawSpan {
        let Self { began, place, answer } = self;
        let now = store.clock.now();
        let cells = shard.operation(place.operation());
        let took = store.clock.nanos(began, now);
        if answer.is_long_poll() {
            cells.head.record(store.bounds.cell_of(0), 0);
        } else {
            cells.ages.closed(answer.slot(), took, || store.second(began));
            cells.head.record(store.bounds.cell_of(took), took);
        }
        if answer.is_open_by_going_on() {
            cells.stream_opened(StreamKind::UnknownLength);
        }
        RawSpan::between(began, now)
    }
}

/// The commonest end.
#[inline(never)]
pub(super) fn record_complete(began: RawTime, place: Place, answer: Answer) {
    let facts = Facts { began, place, answer, head: RawSpan::default() };
    local::write(facts.lookout(), Recorded::<false> { facts, ending: Ending::Complete });
}

#[inline(never)]
pub(super) fn record_special(
    began: RawTime,
    place: Place,
    answer: Answer,
    head: RawSpan,
    ending: Ending,
) {
    let (place, answer) =
        if answer.is_unknown() { known(began, place, answer, false) } else { (place, answer) };
    let facts = Facts { began, place, answer, head };
    local::write(facts.lookout(), Recorded::<true> { facts, ending });
}

/// An exchange that has ended.
#[derive(Clone, Copy)]
struct Recorded<const SPECIAL: bool> {
    facts: Facts,
    ending: Ending,
}

impl<const SPECIAL: bool> Write for Recorded<SPECIAL> {
    type Written = ();

    #[inline(always)]
    fn write(self, _core: &Core, store: &Store, shard: &Shard) {
        let Self { facts, ending } = self;
        let Facts { began, place, answer, .. } = facts;
        let now = store.clock.now();
        let is_head_told = SPECIAL && answer.is_head_told();
        let is_long_poll = SPECIAL && answer.is_long_poll();
        let of_stream = if SPECIAL { facts.latency_of_stream(store, now) } else { None };
        let took = of_stream.unwrap_or_else(|| store.clock.nanos(began, now));
        let cell = store.bounds.cell_of(took);
        let cells = shard.operation(place.operation());
        if !is_head_told && !is_long_poll {
            cells.ages.closed(answer.slot(), took, || store.second(began));
        }
        if SPECIAL {
            if of_stream.is_some() {
                cells.record_extra(Extra::Stream, store, store.clock.nanos(began, now));
            }
            let is_open_by_going_on = is_head_told && answer.is_open_by_going_on();
            let by_going_on = is_open_by_going_on.then_some(StreamKind::UnknownLength);
            if is_long_poll {
                cells.stream_closed(answer.long_poll_kind());
            }
            if let Some(kind) = answer.stream_kind().or(by_going_on) {
                cells.stream_closed(kind);
            }
        }
        let end = End { status: answer.status(), ending, labels: place.labels(), is_head_told };
        cells.end(end, &store.statuses, cell, took);
    }
}
