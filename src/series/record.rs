use super::{End, LabelSet, OperationCells, OptionalHistogram, Shard, Store, shard::SeriesId};
use crate::{memory::Room, operation::OperationId};

impl Shard {
    /// Records the end of an exchange with its duration in nanoseconds. `cells` belong to its
    /// operation.
    #[inline]
    pub(crate) fn end(
        &self,
        cells: &OperationCells,
        id: OperationId,
        end: End,
        store: &Store,
        nanos: u64,
    ) {
        match cells.get_duration(SeriesId::new(end.status, end)) {
            Some(duration) => cells.end(duration, store.bounds.cell_of(nanos), nanos),
            None => self.first_end(cells, id, end, store, nanos),
        }
    }

    /// Records an end whose series is new to this thread, is shared by a status class, or has user
    /// labels.
    ///
    /// Without memory for a new series, the end goes to the series of its status class. Without
    /// memory for that series either, it goes to the same class of the overflow operation.
    #[cold]
    #[inline(never)]
    fn first_end(
        &self,
        cells: &OperationCells,
        id: OperationId,
        end: End,
        store: &Store,
        nanos: u64,
    ) {
        let status = store.statuses.key(end.status);
        let own = End { status, ..end };
        let shared = End { status: status.of_class(), labels: LabelSet::NONE, ..end };
        let cell = store.bounds.cell_of(nanos);
        let found =
            cells.series(own, |bytes| store.reserve(id, own.key(), bytes, Room::Most)).or_else(
                || cells.series(shared, |bytes| store.reserve(id, shared.key(), bytes, Room::All)),
            );
        if let Some(duration) = found {
            cells.end(duration, cell, nanos);
            return;
        }
        let overflow = store.operations.overflow_of(id);
        let overflow_cells = self.operation(overflow);
        let reserve = |bytes| store.reserve(overflow, shared.key(), bytes, Room::Unlimited);
        if let Some(duration) = overflow_cells.series(shared, reserve) {
            cells.end(duration, cell, nanos);
            // The overflow operation counts no end, so count a change: otherwise its reader would
            // not look.
            overflow_cells.changed();
        }
    }

    /// Records a value in an optional histogram of the operation, or of the overflow operation if
    /// there is no memory for a new histogram.
    #[cold]
    pub(crate) fn record_optional(
        &self,
        id: OperationId,
        kind: OptionalHistogram,
        store: &Store,
        value: u64,
    ) {
        let cells = self.operation(id);
        let bounds = store.bounds_of(kind);
        let found = cells.optional_or_new(kind, bounds.cells(), |bytes| {
            store.reserve_optional(bytes, Room::Most)
        });
        let (cells, histogram) = match found {
            Some(histogram) => (cells, histogram),
            None => {
                let overflow_cells = self.operation(store.operations.overflow_of(id));
                let reserve = |bytes| store.reserve_optional(bytes, Room::Unlimited);
                match overflow_cells.optional_or_new(kind, bounds.cells(), reserve) {
                    Some(histogram) => (overflow_cells, histogram),
                    None => return,
                }
            }
        };
        histogram.record(bounds.cell_of(value), value);
        cells.changed();
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
