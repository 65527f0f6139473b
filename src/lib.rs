#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod alert;
#[doc(hidden)]
pub mod bench;
mod causes;
mod collect;
#[cfg(feature = "toml")]
pub mod config;
mod deadline;
mod facade;
#[cfg(any(feature = "state", feature = "toml"))]
mod files;
mod guard;
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
mod task;
mod text;
mod window;

#[cfg(feature = "signal")]
pub use self::lookout::terminated;
#[cfg(feature = "slack")]
pub use self::notify::Slack;
#[cfg(feature = "tracing-layer")]
pub use self::report::ReportLayer;
pub use self::{
    alert::Alert,
    facade::{GrpcType, Preset},
    lookout::{Lookout, LookoutBuilder, LookoutStatus, ReloadError, Reloaded, StartError},
    operation::Operation,
    outcome::{GrpcStatus, Outcome, Status},
    report::{Report, ReportableError, Reporter, TaskEnd},
    rule::Rule,
    series::BUCKETS,
};
