use metrics::{KeyName, Label, Level, Metadata};

use super::{Facade, handle::Handle};
use crate::series::{Buckets, Tally};

const METADATA: Metadata<'static> =
    Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// A counter that is set to a total. It adds the increase since the last total to the recorder's
/// counter, so that the counts of several lookouts with one recorder add up. The recorder's
/// `absolute` would keep the greatest total instead.
#[derive(Debug)]
pub(crate) struct Counter {
    handle: Handle<metrics::Counter>,
    exported: u64,
    /// Whether the recorder may have removed the series during the last increment.
    is_unsettled: bool,
}

impl Counter {
    pub(crate) fn new(name: &'static str, labels: Vec<Label>) -> Self {
        Self { handle: Handle::new(name, labels), exported: 0, is_unsettled: false }
    }

    pub(crate) fn set(&mut self, facade: &Facade, total: u64) {
        facade.guard(|| {
            let is_due = total > self.exported || self.is_unsettled;
            let (handle, is_from_zero) = self
                .handle
                .take(facade, is_due, |recorder, key| recorder.register_counter(key, &METADATA));
            if is_from_zero {
                self.exported = 0;
            }
            let new = total - self.exported;
            // Write the first increment even if it is 0, so that the counter is exported from the
            // start. Skip later zeros, so that the recorder can drop an idle series.
            if is_from_zero || new > 0 {
                handle.increment(new);
            }
            self.is_unsettled = new > 0;
            self.exported = total;
        });
    }

    /// Raises the counter to a total that all lookouts of the process share.
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

/// A gauge. Set it at each tick for as long as it is valid, so that the recorder does not drop it
/// as idle.
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

/// A histogram that exports the samples that its cells have gained since the last export.
#[derive(Debug)]
pub(crate) struct Histogram {
    handle: Handle<metrics::Histogram>,
    /// The exported samples, by bucket.
    exported: Vec<Tally>,
    /// Whether the recorder may have removed the series during the last export.
    is_unsettled: bool,
}

impl Histogram {
    pub(crate) fn new(name: impl Into<KeyName>, labels: Vec<Label>) -> Self {
        Self { handle: Handle::new(name, labels), exported: Vec::new(), is_unsettled: false }
    }

    /// Records one sample of a histogram that has no cells.
    pub(crate) fn record(&mut self, facade: &Facade, value: f64) {
        facade.guard(|| self.take(facade, true).record(value));
    }

    /// Exports the samples that `cells` have gained since the last export. Returns whether it
    /// exported all of them.
    ///
    /// Records the new samples of a bucket as the same number of samples of their mean. The mean
    /// lies in the bucket, so the counts and `_sum` stay exact.
    ///
    /// Exports at most [`MAX_SAMPLES`] samples of a bucket at a time. Recorders keep each sample
    /// for a while, and a recorder that is installed late may have to receive a billion.
    #[must_use]
    pub(crate) fn export(&mut self, facade: &Facade, buckets: &Buckets, cells: &[Tally]) -> bool {
        let mut is_all = true;
        facade.guard(|| is_all = self.export_some(facade, buckets, cells));
        is_all
    }

    fn export_some(&mut self, facade: &Facade, buckets: &Buckets, cells: &[Tally]) -> bool {
        let mut is_all = true;
        let mut totals = vec![Tally::default(); buckets.count()];
        for (cell, tally) in cells.iter().enumerate().filter(|(_, tally)| tally.count > 0) {
            totals[buckets.of(cell)].add(*tally);
        }
        let is_due = self.is_unsettled || self.exported != totals;
        let handle = self.take(facade, is_due).clone();
        self.is_unsettled = self.exported != totals;
        self.exported.resize(buckets.count(), Tally::default());
        for (bucket, (exported, total)) in self.exported.iter_mut().zip(totals).enumerate() {
            let new = total.since(*exported);
            let part = new.first(MAX_SAMPLES);
            if part.count > 0 {
                let mean = buckets.in_unit(mean(part, buckets.range(bucket)));
                handle.record_many(mean, part.count as usize);
                exported.add(part);
            }
            is_all &= part == new;
        }
        is_all
    }

    fn take(&mut self, facade: &Facade, is_due: bool) -> &metrics::Histogram {
        let (handle, is_from_zero) = self
            .handle
            .take(facade, is_due, |recorder, key| recorder.register_histogram(key, &METADATA));
        if is_from_zero {
            self.exported.clear();
        }
        handle
    }
}

/// The maximum number of samples of a bucket in one export.
const MAX_SAMPLES: u64 = 1_000_000;

/// Returns the mean, kept above the bucket's lower bound despite rounding.
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
    fn a_histogram_exports_only_new_samples() {
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
        assert!(histogram.export(&facade, bounds.buckets(None), &cells));
        assert_eq!(samples(), [0.005, 0.005]);

        cells[bounds.cell_of(6_000_000)] = tally(1, 6_000_000);
        assert!(histogram.export(&facade, bounds.buckets(None), &cells));
        assert!(histogram.export(&facade, bounds.buckets(None), &cells));
        assert_eq!(samples(), [0.006]);

        cells[bounds.cell_of(1_000_000)] = tally(MAX_SAMPLES + 1, (MAX_SAMPLES + 1) * 1_000_000);
        assert!(
            !histogram.export(&facade, bounds.buckets(None), &cells),
            "there are more samples than one export takes"
        );
        assert_eq!(samples().len() as u64, MAX_SAMPLES);
        assert!(histogram.export(&facade, bounds.buckets(None), &cells));
        assert_eq!(samples(), [0.001]);
    }

    #[test]
    fn the_counts_of_two_lookouts_add_up_in_one_series() {
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
    fn a_new_recorder_receives_the_whole_total() {
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
