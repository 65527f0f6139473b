//! A Prometheus recorder with the right buckets, its upkeep, and the scrape. See the
//! [guide](crate::guide::metrics).
//!
//! [`install`] makes it the global recorder of the process, which also receives the metrics of
//! other code that uses `metrics`. [`build`] does not touch the global recorder: give the recorder
//! to [`LookoutBuilder::recorder`](crate::LookoutBuilder::recorder), so that several applications
//! or tests in a process stay separate. [`Builder`] has the settings of both.
//!
//! ```
//! use tower_lookout::{Lookout, prometheus};
//!
//! let (recorder, scrape) = prometheus::build()?;
//! let lookout = Lookout::builder().recorder(recorder).start()?;
//! assert!(scrape.render().contains("lookout_overflowed_requests_total 0"));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod builder;
mod encoding;
mod recorder;
mod scrape;

pub use self::{
    builder::{Builder, PrometheusError},
    recorder::Recorder,
    scrape::Scrape,
};

/// Installs the global recorder, and returns its scrape.
///
/// # Errors
///
/// If a global recorder is installed already, or the thread for the upkeep cannot be started.
#[doc(alias("exporter", "registry"))]
pub fn install() -> Result<Scrape, PrometheusError> {
    Builder::new().install()
}

/// Returns a recorder that is not global, and its scrape.
///
/// # Errors
///
/// If the thread for the upkeep cannot be started.
pub fn build() -> Result<(Recorder, Scrape), PrometheusError> {
    Builder::new().build()
}
