use std::{io, iter, time::Duration};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

use super::{Recorder, Scrape};
use crate::{
    causes::debug_as_display,
    facade::{Names, THROUGHPUT, after_prefix, of_family},
    series::{BUCKETS, MESSAGES, SIZES, bucket_problem},
};

/// The settings of the recorder.
#[derive(Debug, Default)]
#[must_use = "nothing is recorded before `install` or `build`"]
pub struct Builder {
    exporter: PrometheusBuilder,
    buckets: Option<Vec<Duration>>,
    families: Vec<(String, Vec<Duration>)>,
}

/// Why there is no recorder.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PrometheusError {
    /// The buckets can't be used.
    #[error("prometheus buckets: {0}")]
    Buckets(String),
    /// The process has a global recorder already.
    #[error(
        "a global metrics recorder is installed already: install this one first, or use \
         prometheus::build() and LookoutBuilder::recorder"
    )]
    Installed,
    /// The exporter refused its settings.
    #[error("the Prometheus exporter refused its settings")]
    Exporter(#[source] metrics_exporter_prometheus::BuildError),
    /// The thread that does the upkeep can't be started.
    #[error("the thread for the recorder's upkeep can't be started")]
    Thread(#[source] io::Error),
}

debug_as_display!(PrometheusError);

/// The bounds of the throughput's histogram, in requests a second.
const THROUGHPUT_BUCKETS: [f64; 18] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5,
    5e5,
];

impl Builder {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The upper bounds of the buckets for durations, ascending. A lookout that uses this recorder
    /// must be given the same ([`LookoutBuilder::buckets`](crate::LookoutBuilder::buckets)), else
    /// its counts are off by what lies between the bounds. Defaults to OpenTelemetry's, 5 ms to
    /// 10 s.
    pub fn buckets(mut self, buckets: impl IntoIterator<Item = Duration>) -> Self {
        self.buckets = Some(buckets.into_iter().collect());
        self
    }

    /// The buckets of a family of routes, which a lookout that uses this recorder must be given as well
    /// ([`LookoutBuilder::buckets_for`](crate::LookoutBuilder::buckets_for)). Defaults to no families.
    pub fn buckets_for(
        mut self,
        family: impl Into<String>,
        buckets: impl IntoIterator<Item = Duration>,
    ) -> Self {
        self.families.push((family.into(), buckets.into_iter().collect()));
        self
    }

    /// Changes the exporter's own settings, such as global labels, or buckets of other histograms. Its type
    /// is that of `metrics-exporter-prometheus` 0.18.
    ///
    /// Where a lookout has a prefix, its histograms are known by the ends of their names: buckets that
    /// are set here for a [`Matcher::Prefix`] or a [`Matcher::Suffix`] must not match them.
    ///
    /// An idle timeout drops a series that nothing was added to for that long. It comes back with its full
    /// total when something is. A gauge of what goes on, such as requests in flight, stays.
    pub fn exporter(mut self, set: impl FnOnce(PrometheusBuilder) -> PrometheusBuilder) -> Self {
        self.exporter = set(self.exporter);
        self
    }

    /// Installs the recorder as the global one, and gives the scrape of it.
    ///
    /// # Errors
    ///
    /// If there is a global recorder already, the buckets are not ascending, or the thread that does the
    /// upkeep can't be started.
    pub fn install(self) -> Result<Scrape, PrometheusError> {
        let (recorder, scrape) = self.build()?;
        metrics::set_global_recorder(recorder).map_err(|_| PrometheusError::Installed)?;
        Ok(scrape)
    }

    /// A recorder that is not global, and the scrape of it.
    ///
    /// # Errors
    ///
    /// If the buckets are not ascending, or the thread that does the upkeep can't be started.
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
        let common = Names::all_durations()
            .map(|name| (name, &buckets[..]))
            .chain(Names::all_sizes().map(|name| (name, &sizes[..])))
            .chain(Names::all_messages().map(|name| (name, &messages[..])))
            .chain([(THROUGHPUT, &THROUGHPUT_BUCKETS[..])])
            .map(|(name, buckets)| (name.to_owned(), buckets));
        let of_families = families.iter().flat_map(|(family, buckets)| {
            Names::all_durations().map(move |name| (of_family(name, family), &buckets[..]))
        });
        let recorder = common
            .chain(of_families)
            .try_fold(self.exporter, |exporter, (name, buckets)| {
                // By its end where a lookout has a prefix.
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

/// A bound as the durations are told to the recorder, so that one that lies on it is not rounded
/// past it.
fn seconds(bound: Duration) -> f64 {
    bound.as_nanos() as f64 / 1e9
}
