use metrics::{KeyName, Label, Level, Metadata};

use super::{Facade, handle::Handle};
use crate::series::{Buckets, Tally};

const METADATA: Metadata<'static> =
    Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// A counter that takes a total and increments the recorder's by the difference to the last one.
///
/// It does not use `absolute`, which takes the greater of two totals: so several lookouts may share a
/// recorder, also one after the other, and their counts add up.
#[derive(Debug)]
pub(crate) struct Counter {
    handle: Handle<metrics::Counter>,
    carried: u64,
    /// The last increment may have raced with the recorder's removal of the series.
    is_unsettled: bool,
}

impl Counter {
    pub(crate) fn new(name: &'static str, labels: Vec<Label>) -> Self {
        Self { handle: Handle::new(name, labels), carried: 0, is_unsettled: false }
    }

    pub(crate) fn set(&mut self, facade: &Facade, total: u64) {
        facade.guard(|| {
            let is_due = total > self.carried || self.is_unsettled;
            let (handle, is_from_zero) = self
                .handle
                .take(facade, is_due, |recorder, key| recorder.register_counter(key, &METADATA));
            if is_from_zero {
                self.carried = 0;
            }
            let new = total - self.carried;
            // At first also by 0, so that a counter shows from the start. Later not: a recorder may drop
            // a series that nobody writes to.
            if is_from_zero || new > 0 {
                handle.increment(new);
            }
            self.is_unsettled = new > 0;
            self.carried = total;
        });
    }

    /// Raises it to a total that is the process's, and so the same from all lookouts.
    #[cfg(feature = "process")]
    pub(crate) fn raise(&mut self, facade: &Facade, total: u64) {
        facade.guard(|| {
            self.handle
                .take(facade, true, |recorder, key| recorder.register_counter(key, &METADATA))
                .0
                .absolute(total);
        });
    }
}

/// A gauge. A state is set at each tick for as long as it is more than rest: so the recorder does not
/// take it for idle.
#[derive(Debug)]
pub(crate) struct Gauge(Handle<metrics::Gauge>);

impl Gauge {
    pub(crate) fn new(name: &'static str, labels: Vec<Label>) -> Self {
        Self(Handle::new(name, labels))
    }

    pub(crate) fn set(&mut self, facade: &Facade, value: f64) {
        facade.guard(|| {
            self.0
                .take(facade, true, |recorder, key| recorder.register_gauge(key, &METADATA))
                .0
                .set(value);
        });
    }
}

/// A histogram that is told the sums of its cells, and hands on what came since the last time.
#[derive(Debug)]
pub(crate) struct Histogram {
    handle: Handle<metrics::Histogram>,
    /// By bucket, the durations that the recorder has.
    carried: Vec<Tally>,
    /// As a [`Counter`]'s.
    is_unsettled: bool,
}

impl Histogram {
    pub(crate) fn new(name: impl Into<KeyName>, labels: Vec<Label>) -> Self {
        Self { handle: Handle::new(name, labels), carried: Vec::new(), is_unsettled: false }
    }

    /// One sample, for a histogram that has no cells.
    pub(crate) fn record(&mut self, facade: &Facade, value: f64) {
        facade.guard(|| self.take(facade, true).record(value));
    }

    /// Carries over what `cells` hold beyond the last time.
    ///
    /// Each bucket's new durations go as so many times their mean: it lies in the bucket, and its
    /// multiple is their sum, so counts and `_sum` stay exact.
    ///
    /// Gives whether that was all: at most [`AT_ONCE`] of a bucket go at once, since recorders keep
    /// each of them for a while, and there may be a billion where the recorder came late.
    #[must_use]
    pub(crate) fn carry(&mut self, facade: &Facade, buckets: &Buckets, cells: &[Tally]) -> bool {
        let mut is_all = true;
        facade.guard(|| is_all = self.carry_some(facade, buckets, cells));
        is_all
    }

    fn carry_some(&mut self, facade: &Facade, buckets: &Buckets, cells: &[Tally]) -> bool {
        let mut is_all = true;
        let mut totals = vec![Tally::default(); buckets.count()];
        for (cell, tally) in cells.iter().enumerate().filter(|(_, tally)| tally.count > 0) {
            totals[buckets.of(cell)].add(*tally);
        }
        let is_due = self.is_unsettled || self.carried != totals;
        let handle = self.take(facade, is_due).clone();
        self.is_unsettled = self.carried != totals;
        self.carried.resize(buckets.count(), Tally::default());
        for (bucket, (carried, total)) in self.carried.iter_mut().zip(totals).enumerate() {
            let new = total.since(*carried);
            let some = new.first(AT_ONCE);
            if some.count > 0 {
                let mean = buckets.in_unit(mean(some, buckets.range(bucket)));
                handle.record_many(mean, some.count as usize);
                carried.add(some);
            }
            is_all &= some == new;
        }
        is_all
    }

    fn take(&mut self, facade: &Facade, is_due: bool) -> &metrics::Histogram {
        let (handle, is_from_zero) = self
            .handle
            .take(facade, is_due, |recorder, key| recorder.register_histogram(key, &METADATA));
        if is_from_zero {
            self.carried.clear();
        }
        handle
    }
}

/// How many durations of a bucket are carried over at once.
const AT_ONCE: u64 = 1_000_000;

/// The mean, kept off the bucket's lower bound, which rounding could put it on.
fn mean(tally: Tally, (lower, upper): (u64, u64)) -> f64 {
    let mean = tally.nanos as f64 / tally.count as f64;
    let lowest = if lower == 0 { 0 } else { lower + 1 };
    mean.clamp(lowest as f64, upper as f64)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    use super::*;
    use crate::{facade::MetricNaming, series::Bounds};

    fn tally(count: u64, nanos: u64) -> Tally {
        Tally { count, nanos }
    }

    #[test]
    fn a_histogram_hands_on_only_what_is_new() {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let mut facade = Facade::new(Some(Arc::new(recorder)), MetricNaming::default());
        facade.resolve();
        let bounds = Bounds::new(&[std::time::Duration::from_millis(5)], &[]);
        let mut cells = vec![Tally::default(); bounds.cells()];
        let mut histogram = Histogram::new("h", Vec::new());
        let samples = || match snapshotter.snapshot().into_vec().pop().unwrap().3 {
            DebugValue::Histogram(samples) => {
                samples.into_iter().map(|sample| sample.into_inner()).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        };

        cells[bounds.cell_of(5_000_000)] = tally(2, 10_000_000);
        assert!(histogram.carry(&facade, bounds.buckets(None), &cells));
        assert_eq!(samples(), [0.005, 0.005]);

        cells[bounds.cell_of(6_000_000)] = tally(1, 6_000_000);
        assert!(histogram.carry(&facade, bounds.buckets(None), &cells));
        assert!(histogram.carry(&facade, bounds.buckets(None), &cells));
        assert_eq!(samples(), [0.006]);

        cells[bounds.cell_of(1_000_000)] = tally(AT_ONCE + 1, (AT_ONCE + 1) * 1_000_000);
        assert!(
            !histogram.carry(&facade, bounds.buckets(None), &cells),
            "there is more than goes at once"
        );
        assert_eq!(samples().len() as u64, AT_ONCE);
        assert!(histogram.carry(&facade, bounds.buckets(None), &cells));
        assert_eq!(samples(), [0.001]);
    }

    #[test]
    fn two_that_share_a_counter_add_up() {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let mut facade = Facade::new(Some(Arc::new(recorder)), MetricNaming::default());
        facade.resolve();
        let [mut one, mut other] = [(); 2].map(|()| Counter::new("c_total", Vec::new()));
        one.set(&facade, 5);
        other.set(&facade, 2);
        one.set(&facade, 6);
        let value = snapshotter.snapshot().into_vec().pop().unwrap().3;
        assert_eq!(value, DebugValue::Counter(8));
    }

    #[test]
    fn another_recorder_is_told_everything_from_the_start() {
        let mut facade =
            Facade::new(Some(Arc::new(DebuggingRecorder::new())), MetricNaming::default());
        facade.resolve();
        let mut counter = Counter::new("c_total", Vec::new());
        counter.set(&facade, 5);

        let second = DebuggingRecorder::new();
        let snapshotter = second.snapshotter();
        facade.given = Some(Arc::new(second));
        facade.resolve();
        counter.set(&facade, 6);
        let value = snapshotter.snapshot().into_vec().pop().unwrap().3;
        assert_eq!(value, DebugValue::Counter(6));
    }
}
