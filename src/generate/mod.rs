//! Files for other programs, rendered from the rules and the metric names of a running lookout.

mod count_kind;
mod exports;
mod grafana;
mod json;
mod prometheus_rules;
mod promql;

pub(crate) use self::{
    exports::Exports,
    grafana::{InUse, called},
};
pub use self::{grafana::GrafanaDashboard, prometheus_rules::PrometheusRules};
