//! Evaluates a rule: computes its signal from the windows of a scope, and compares it with the
//! threshold.

mod burn_rate;
mod reading;
mod reason;
mod share;

pub(crate) use self::{
    reading::{Reading, weight},
    share::normal_quantile,
};
