//! Tower layers that watch a service exactly, and raise the alarm seconds after a threshold is
//! breached.

mod collect;
mod facade;
pub mod observe;
mod operation;
mod outcome;
mod series;
mod window;

pub use self::{operation::Operation, outcome::Outcome, series::BUCKETS};
