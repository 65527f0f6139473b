//! Prometheus without a thought: a recorder with the right buckets, its upkeep, and the scrape.
//!
//! [`install`] makes it the process's global recorder, for the figures of the lookout as for those
//! of any other code that uses `metrics`. [`build`] leaves the global alone: the recorder goes to
//! [`LookoutBuilder::recorder`](crate::LookoutBuilder::recorder), and so several apps (or tests) in
//! a process keep apart. [`Builder`] has the settings of both.
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

/// Installs the recorder as the global one, and gives the scrape of it.
///
/// # Errors
///
/// If there is a global recorder already, or the thread that does the upkeep can't be started.
#[doc(alias("exporter", "registry"))]
pub fn install() -> Result<Scrape, PrometheusError> {
    Builder::new().install()
}

/// A recorder that is not global, and the scrape of it.
///
/// # Errors
///
/// If the thread that does the upkeep can't be started.
pub fn build() -> Result<(Recorder, Scrape), PrometheusError> {
    Builder::new().build()
}
