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
//! | alert from Prometheus too | [`prometheus_rules`] |
//! | see the metrics, the rules and the alerts in Grafana | [`grafana`] |
//! | keep the metric names of your dashboards | [`presets`] |
//! | configure, restart and shut down in production | [`operations`] |
//! | find out why there is no metric or no alert | [`troubleshooting`] |

// The pages are Markdown files, so that they read well in the repository too.

#[doc = include_str!("axum.md")]
#[doc(alias("middleware", "timeout", "websocket", "access log"))]
pub mod axum {}

#[doc = include_str!("grpc.md")]
#[doc(alias("tonic", "interceptor"))]
pub mod grpc {}

#[doc = include_str!("clients.md")]
#[doc(alias("sqlx", "reqwest", "redis", "kafka"))]
pub mod clients {}

#[doc = include_str!("errors.md")]
#[doc(alias("sentry", "panic", "5xx", "408"))]
pub mod errors {}

#[doc = include_str!("rules.md")]
#[doc(alias("alert", "SLO", "burn rate", "threshold"))]
pub mod rules {}

#[doc = include_str!("notifiers.md")]
#[doc = crate::notify::receiver_table!()]
#[doc(alias("slack", "pagerduty", "email", "silence", "receivers"))]
pub mod notifiers {}

#[doc = include_str!("metrics.md")]
#[doc(alias("histogram", "buckets", "cardinality", "labels"))]
pub mod metrics {}

#[doc = include_str!("prometheus_rules.md")]
#[doc(alias("alerting rules", "recording rules", "promtool"))]
pub mod prometheus_rules {}

#[doc = include_str!("grafana.md")]
#[doc(alias("dashboard", "panels", "annotations"))]
pub mod grafana {}

#[doc = include_str!("presets.md")]
#[doc(alias("micrometer", "actuator"))]
pub mod presets {}

#[doc = include_str!("operations.md")]
#[doc(alias("sigterm", "kubernetes", "config", "graceful shutdown"))]
pub mod operations {}

#[doc = include_str!("troubleshooting.md")]
#[doc(alias("unmatched", "debug", "flapping"))]
pub mod troubleshooting {}
