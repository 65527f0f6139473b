//! Files for other programs, rendered from the rules and the metric names of a running lookout.

mod exports;
mod prometheus_rules;
mod promql;

pub(crate) use self::exports::Exports;
pub use self::prometheus_rules::PrometheusRules;
