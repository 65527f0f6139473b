use std::sync::Arc;

use http::StatusCode;

use super::*;
use crate::{
    operation::{MethodLabel, TrafficId},
    outcome::Ending,
    series::{Bounds, Histogram, LabelTable, Limits, StatusKey, shard::Series},
};

/// Creates a store with one operation, and memory for this number of series.
fn store(series: usize) -> (Store, Arc<Shard>, OperationId) {
    let store = |memory| {
        let limits = Limits { operations: 10, memory, ..Limits::default() };
        let labels = LabelTable::new([("tenant", 10)]);
        let store = Store::new(limits, Bounds::new(&[], &[]), labels);
        store.operations.side(None);
        let shard = store.lease().unwrap();
        let id = store.operations.id_of(TrafficId::HTTP_SERVER, MethodLabel::Get, "/a");
        (store, shard, id)
    };
    let (unbounded, shard, id) = store(usize::MAX);
    let before = unbounded.memory.used();
    end(&unbounded, &shard, id, 200, LabelSet::NONE);
    let one = unbounded.memory.used() - before;
    store(before + one * series)
}

fn end(store: &Store, shard: &Shard, id: OperationId, status: u16, labels: LabelSet) {
    let status = StatusKey::http(StatusCode::from_u16(status).unwrap());
    let end = End { status, ending: Ending::Complete, labels, is_head_recorded: false };
    let cells = shard.operation(id);
    cells.start();
    shard.end(cells, id, end, store, 1_000);
}

fn count(histogram: &Histogram, store: &Store) -> u64 {
    let mut sums = vec![crate::series::Tally::default(); store.bounds.cells()];
    assert!(histogram.add_to(&mut sums, &mut Vec::new()));
    sums.iter().map(|sum| sum.count).sum()
}

/// Returns the statuses of an operation's series, with their counts.
fn statuses(store: &Store, cells: &OperationCells) -> Vec<(String, u64)> {
    let label = |series: &Series| series.key.status.label().unwrap().into_owned();
    cells.all_series().map(|series| (label(series), count(&series.duration, store))).collect()
}

fn pairs(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(status, count)| ((*status).to_owned(), *count)).collect()
}

#[test]
fn without_memory_a_status_is_counted_in_its_class_and_then_in_the_overflow() {
    let (store, shard, id) = store(16);
    let more = [500, 503, 404, 302, 101, 204];
    for status in (200..230).chain(more) {
        end(&store, &shard, id, status, LabelSet::NONE);
    }
    let cells = shard.operation(id);
    let counted = statuses(&store, cells);
    let (own, shared): (Vec<_>, Vec<_>) =
        counted.into_iter().partition(|(status, _)| status != "_OTHER");
    let mut expected: Vec<_> = (200..230).map(|status| (status.to_string(), 1)).collect();
    expected.truncate(own.len());
    expected[4].1 = 2; // 204
    assert_eq!(own, expected);
    let rest = 30 - own.len() as u64;
    assert_eq!(shared[..2], pairs(&[("_OTHER", rest), ("_OTHER", 2)]), "2xx and 5xx");

    let others = shard.operation(store.operations.overflow_of(id));
    let of_others = statuses(&store, others);
    assert_eq!(of_others.len(), 5 - shared.len(), "no memory was left for the last classes");
    assert!(!of_others.is_empty() && of_others.iter().all(|pair| *pair == ("_OTHER".into(), 1)));
    assert_eq!((others.started(), others.ended()), (0, 0));
    assert_eq!(others.changes(), of_others.len() as u64, "a reader sees the change");
    assert_eq!((cells.started(), cells.ended()), (36, 36), "none is in flight");
    assert!(store.memory.is_exhausted());
}

#[test]
fn without_memory_for_a_label_a_request_is_counted_without_the_label() {
    let (store, shard, id) = store(1);
    let tenant = store.labels.with(LabelSet::NONE, 0, "a");
    end(&store, &shard, id, 200, tenant);
    let cells = shard.operation(id);
    assert!(cells.all_series().all(|series| series.key.labels == LabelSet::NONE));
    assert_eq!(statuses(&store, cells), pairs(&[("_OTHER", 1)]));
}

#[test]
fn without_memory_for_a_histogram_values_go_to_the_overflow() {
    let (store, shard, id) = store(0);
    for extra in OptionalHistogram::ALL.into_iter().chain([OptionalHistogram::Head]) {
        shard.record_optional(id, extra, &store, 7);
        assert!(shard.operation(id).optional(extra).is_none());
        let others = shard.operation(store.operations.overflow_of(id));
        let mut sums = vec![crate::series::Tally::default(); store.bounds_of(extra).cells()];
        assert!(others.optional(extra).unwrap().add_to(&mut sums, &mut Vec::new()));
        assert_eq!(sums.iter().map(|sum| sum.count).sum::<u64>(), 1);
    }
    assert_eq!(shard.operation(id).changes(), 0);
}
