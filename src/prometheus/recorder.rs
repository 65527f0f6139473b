use std::{
    io,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit};
use metrics_exporter_prometheus::{PrometheusHandle, PrometheusRecorder};

/// The exporter's recorder, with a thread that does its upkeep until it is dropped.
///
/// Without upkeep the exporter keeps each sample of a histogram until the next scrape.
#[derive(Debug)]
pub struct Recorder {
    inner: PrometheusRecorder,
    _upkeep: Upkeep,
}

impl Recorder {
    pub(super) fn new(inner: PrometheusRecorder) -> io::Result<Self> {
        let upkeep = Upkeep::start(inner.handle())?;
        Ok(Self { inner, _upkeep: upkeep })
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.inner.register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.inner.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.inner.register_histogram(key, metadata)
    }
}

/// A thread that drains the histograms every few seconds, until the handle is dropped.
#[derive(Debug)]
struct Upkeep {
    _stop: mpsc::Sender<()>,
}

const INTERVAL: Duration = Duration::from_secs(5);

impl Upkeep {
    fn start(handle: PrometheusHandle) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        thread::Builder::new().name("lookout-upkeep".to_owned()).spawn(move || {
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                handle.run_upkeep();
            }
        })?;
        Ok(Self { _stop: stop })
    }
}
