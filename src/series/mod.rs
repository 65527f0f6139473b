//! The counters and histograms that the request path writes.
//!
//! Each thread writes to its own [`Shard`] with plain loads and stores of atomics, without a
//! read-modify-write. Frequently written cells have their own cache lines. Counts are never reset,
//! so a reader can't lose an increment: readers sum the shards and take differences.

mod ages;
mod bounds;
mod buckets;
mod classifier;
mod clock;
mod family;
mod histogram;
mod key;
mod label;
mod optional_histogram;
mod record;
mod shard;
mod store;

pub use self::buckets::BUCKETS;
pub(crate) use self::{
    ages::{AgeSlot, Ages, OldestStart},
    bounds::Bounds,
    buckets::{MESSAGES, SIZES, bucket_problem},
    classifier::{Classifier, FailureFn},
    clock::{RawClock, RawSpan, RawTime},
    family::{Buckets, Family},
    histogram::{Histogram, Tally},
    key::{SeriesKey, StatusKey, Statuses},
    label::{LabelSet, LabelTable},
    optional_histogram::{OptionalHistogram, StreamKind},
    shard::{End, OperationCells, Shard},
    store::{Limits, Store},
};

use std::sync::atomic::{AtomicU64, Ordering};

use self::shard::ShardLayout;

/// Adds without a read-modify-write. Only one thread may write the cell.
#[inline]
fn add(cell: &AtomicU64, by: u64, order: Ordering) {
    cell.store(cell.load(Ordering::Relaxed).wrapping_add(by), order);
}
