//! Tower layers that measure a service exactly and alert Slack within seconds, with no server to run.
//!
//! One `.layer()` in axum, on a tower stack or under hyper counts each request once, whichever way it
//! ends. The lookout exports the metrics, evaluates rules once a second, and notifies Slack, PagerDuty,
//! mail and others. No other program has to run.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use tower_lookout::{Lookout, Rule, prometheus};
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let scrape = prometheus::install()?;
//! let lookout = Lookout::builder()
//!     .service("orders")
//!     .rules(Rule::defaults())
//!     .on_alert(|alert| println!("{alert}"))
//!     .start()?;
//! let app = Router::new()
//!     .route("/orders/{id}", get(|| async { "an order" }))
//!     .layer(lookout.layer())
//!     .route("/metrics", get(scrape)); // added after the layer, so it is not watched
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//! let served = axum::serve(listener, app).await;
//! lookout.shutdown().await; // delivers the queued alerts, also after an error of the server
//! # Ok(served?)
//! # }
//! ```
//!
//! Start with [`Lookout`] and its [builder](LookoutBuilder), [`Rule`], the [notifiers](notify), and
//! [`Reporter`] for failures that no ratio shows.
//!
//! The [guide] has a page for each task: watch [axum](guide::axum), [gRPC](guide::grpc) and
//! [clients](guide::clients); [errors](guide::errors), [rules](guide::rules),
//! [notifiers](guide::notifiers), [metrics](guide::metrics), [presets](guide::presets),
//! [operations](guide::operations), and [troubleshooting](guide::troubleshooting).
//!
//! Each item is in the module of its topic, or here if its topic has no module. [`Alert`], [`Rule`]
//! and [`Severity`] are here too, since functions of several modules take them.
//!
//! # Features
//!
//! By default `axum`, `prometheus` and `tower-http`. Each [receiver](guide::notifiers#all-receivers)
//! has a feature. Items below name the feature they need.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod alert;
#[doc(hidden)]
pub mod bench;
mod catch_panic;
mod causes;
mod collect;
#[cfg(feature = "toml")]
pub mod config;
mod deadline;
#[cfg(feature = "toml")]
#[allow(dead_code, reason = "each kind of notifier needs a part of it")]
mod document;
mod evaluate;
mod facade;
#[cfg(any(feature = "state", feature = "toml"))]
mod files;
mod generate;
pub mod guide;
mod lookout;
mod memory;
pub mod notify;
pub mod observe;
mod operation;
mod outcome;
#[cfg(feature = "prometheus")]
pub mod prometheus;
mod report;
pub mod rule;
mod runtime;
mod series;
pub mod snapshot;
mod stable_hash;
pub mod suppress;
mod task;
mod text;
mod window;

#[cfg(feature = "signal")]
pub use self::lookout::shutdown_signal;
#[cfg(feature = "tracing-layer")]
pub use self::report::ReportLayer;
pub use self::{
    alert::Alert,
    facade::{GrpcType, Preset},
    generate::{GrafanaDashboard, PrometheusRules},
    lookout::{Lookout, LookoutBuilder, ReloadError, Reloaded, StartError},
    operation::Operation,
    outcome::{GrpcStatus, Outcome, Status},
    report::{Report, ReportableError, Reporter, TaskEnd},
    rule::{Rule, Severity},
    series::BUCKETS,
};

// Compiles the code of the README.
#[cfg(all(
    doctest,
    feature = "axum",
    feature = "prometheus",
    feature = "signal",
    feature = "slack"
))]
#[doc = include_str!("../README.md")]
struct Readme;
