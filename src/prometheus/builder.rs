use std::{io, iter, time::Duration};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

use super::{Recorder, Scrape};
use crate::{
    causes::debug_as_display,
    facade::{Presets, THROUGHPUT, after_prefix, of_family},
    series::{BUCKETS, MESSAGES, SIZES, bucket_problem},
};

/// The settings of the recorder. [`install`](Self::install) and [`build`](Self::build) check them.
#[derive(Debug, Default)]
#[must_use = "it does not record before `install` or `build`"]
pub struct Builder {
    exporter: PrometheusBuilder,
    buckets: Option<Vec<Duration>>,
    families: Vec<(String, Vec<Duration>)>,
}

/// An invalid setting of the recorder, or the reason why it could not start.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PrometheusError {
    /// The buckets are not ascending, or not positive.
    #[error("prometheus buckets: {0}")]
    Buckets(String),
    /// The process already has a global recorder.
    #[error(
        "a global metrics recorder is installed already: install this one first, or use \
         prometheus::build() and LookoutBuilder::recorder"
    )]
    Installed,
    /// The exporter rejected its settings.
    #[error("the Prometheus exporter rejected its settings")]
    Exporter(#[source] metrics_exporter_prometheus::BuildError),
    /// The upkeep thread could not start.
    #[error("the upkeep thread of the recorder cannot start")]
    Thread(#[source] io::Error),
}

debug_as_display!(PrometheusError);

/// The bounds of the throughput histogram, in requests per second.
const THROUGHPUT_BUCKETS: [f64; 18] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5,
    5e5,
];

impl Builder {
    /// Returns the default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the upper bounds of the duration buckets, ascending. Give the lookout the same bounds
    /// ([`LookoutBuilder::buckets`](crate::LookoutBuilder::buckets)); otherwise durations between
    /// two different bounds count in the wrong bucket. Defaults to OpenTelemetry's, 5 ms to 10 s.
    pub fn buckets(mut self, buckets: impl IntoIterator<Item = Duration>) -> Self {
        self.buckets = Some(buckets.into_iter().collect());
        self
    }

    /// Sets the buckets of a family of routes. Give the lookout the same
    /// ([`LookoutBuilder::buckets_for`](crate::LookoutBuilder::buckets_for)). Defaults to no
    /// families.
    pub fn buckets_for(
        mut self,
        family: impl Into<String>,
        buckets: impl IntoIterator<Item = Duration>,
    ) -> Self {
        self.families.push((family.into(), buckets.into_iter().collect()));
        self
    }

    /// Changes the settings of the exporter, such as global labels, or buckets of other histograms.
    /// The type is from `metrics-exporter-prometheus` 0.18.
    ///
    /// For a lookout with a prefix, the recorder finds the histograms by the ends of their names.
    /// So a [`Matcher::Prefix`] or a [`Matcher::Suffix`] with buckets of your own must not match
    /// them.
    ///
    /// An idle timeout drops a series that has not changed for that time. The series returns with
    /// its full total at the next change. A gauge of a current state, such as requests in flight,
    /// stays.
    pub fn exporter(mut self, set: impl FnOnce(PrometheusBuilder) -> PrometheusBuilder) -> Self {
        self.exporter = set(self.exporter);
        self
    }

    /// Installs the recorder as the global one, and returns its scrape handler.
    ///
    /// # Errors
    ///
    /// If a global recorder is already installed, the buckets are not ascending, or the upkeep
    /// thread cannot start.
    pub fn install(self) -> Result<Scrape, PrometheusError> {
        let (recorder, scrape) = self.build()?;
        metrics::set_global_recorder(recorder).map_err(|_| PrometheusError::Installed)?;
        Ok(scrape)
    }

    /// Returns a recorder that is not global, and its scrape handler.
    ///
    /// # Errors
    ///
    /// If the buckets are not ascending, or the upkeep thread cannot start.
    pub fn build(self) -> Result<(Recorder, Scrape), PrometheusError> {
        let buckets = self.buckets.unwrap_or_else(|| BUCKETS.to_vec());
        let all = iter::once(&buckets).chain(self.families.iter().map(|(_, buckets)| buckets));
        if let Some(problem) = all.into_iter().find_map(|buckets| bucket_problem(buckets)) {
            return Err(PrometheusError::Buckets(problem));
        }
        let in_seconds =
            |buckets: Vec<Duration>| buckets.into_iter().map(seconds).collect::<Vec<_>>();
        let families = self.families.into_iter();
        let families: Vec<_> =
            families.map(|(family, buckets)| (family, in_seconds(buckets))).collect();
        let buckets = in_seconds(buckets);
        let in_order =
            |bounds: &[u64]| bounds.iter().map(|bound| *bound as f64).collect::<Vec<_>>();
        let (sizes, messages) = (in_order(&SIZES), in_order(&MESSAGES));
        let common = Presets::all_durations()
            .map(|name| (name, &buckets[..]))
            .chain(Presets::all_sizes().map(|name| (name, &sizes[..])))
            .chain(Presets::all_messages().map(|name| (name, &messages[..])))
            .chain([(THROUGHPUT, &THROUGHPUT_BUCKETS[..])])
            .map(|(name, buckets)| (name.to_owned(), buckets));
        let of_families = families.iter().flat_map(|(family, buckets)| {
            Presets::all_durations().map(move |name| (of_family(name, family), &buckets[..]))
        });
        let recorder = common
            .chain(of_families)
            .try_fold(self.exporter, |exporter, (name, buckets)| {
                // A suffix, since a lookout may have a prefix.
                let prefixed = format!("_{}", after_prefix(&name));
                exporter
                    .set_buckets_for_metric(Matcher::Full(name), buckets)?
                    .set_buckets_for_metric(Matcher::Suffix(prefixed), buckets)
            })
            .map_err(PrometheusError::Exporter)?
            .build_recorder();
        let scrape = Scrape::new(recorder.handle());
        Ok((Recorder::new(recorder).map_err(PrometheusError::Thread)?, scrape))
    }
}

/// Converts a bound as the durations are converted, so that a duration equal to the bound is not
/// rounded past it.
fn seconds(bound: Duration) -> f64 {
    bound.as_nanos() as f64 / 1e9
}
