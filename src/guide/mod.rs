//! Guides: one page for each task. These modules contain no code.
//!
//! | you want to | page |
//! |---|---|
//! | watch an axum, tower or hyper service | [`axum`] |
//! | watch a gRPC service | [`grpc`] |
//! | watch calls to other services, databases and queues | [`clients`] |
//! | know what counts as an error, and report errors, panics and dead tasks | [`errors`] |
//! | alert on the error ratio, the latency, an SLO or a hang | [`rules`] |
//! | send alerts to Slack, PagerDuty, mail and others | [`notifiers`] |
//! | scrape the metrics with Prometheus | [`metrics`] |
//! | keep the metric names of your dashboards | [`presets`] |
//! | configure, restart and shut down in production | [`operations`] |
//! | find out why there is no metric or no alert | [`troubleshooting`] |

// The pages are Markdown files, so that they read well in the repository too.

#[doc = include_str!("axum.md")]
pub mod axum {}

#[doc = include_str!("grpc.md")]
pub mod grpc {}

#[doc = include_str!("clients.md")]
pub mod clients {}

#[doc = include_str!("errors.md")]
pub mod errors {}

#[doc = include_str!("rules.md")]
pub mod rules {}

#[doc = include_str!("notifiers.md")]
pub mod notifiers {}

#[doc = include_str!("metrics.md")]
pub mod metrics {}

#[doc = include_str!("presets.md")]
pub mod presets {}

#[doc = include_str!("operations.md")]
pub mod operations {}

#[doc = include_str!("troubleshooting.md")]
pub mod troubleshooting {}
