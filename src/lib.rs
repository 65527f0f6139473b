//! Tower layers that watch a service exactly, and raise the alarm seconds after a threshold is
//! breached.

pub mod alert;
mod collect;
mod facade;
pub mod observe;
mod operation;
mod outcome;
pub mod rule;
mod series;
mod window;

pub use self::{
    alert::Alert, operation::Operation, outcome::Outcome, rule::Rule, series::BUCKETS,
};
