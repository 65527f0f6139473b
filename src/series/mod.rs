//! The cells that the request path adds to, and their sums.
//!
//! Each thread has a [`Shard`] of its own, which only it writes: plain loads and stores on atomics,
//! no read-modify-write. What it writes most is aligned to cache lines of its own. Nothing is ever
//! reset, so that no increment can be lost to a reader; readers sum the shards and take differences.

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

/// Adds without a read-modify-write: right only where one thread alone writes the cell.
#[inline]
fn add(cell: &AtomicU64, by: u64, order: Ordering) {
    cell.store(cell.load(Ordering::Relaxed).wrapping_add(by), order);
}
