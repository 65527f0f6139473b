use std::{fmt, sync::Arc, time::Duration};

use super::Target;
use crate::rule::{Comparison, Reason, Severity, Signal};
use crate::text::whole_seconds;

/// The result of a rule at the last tick, and the reason why it does not fire.
///
/// Its [`Display`](fmt::Display) is one line, such as `HighErrorRatio: inactive, error ratio 0.4%
/// (threshold: above 1%), 500 requests in 10s`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RuleStatus {
    /// The rule's name.
    pub rule: Arc<str>,
    /// How urgent its alerts are.
    pub severity: Severity,
    /// The evaluated service, route, dependency or operation. A rule for each route has a status
    /// for each of its 20 worst operations, or one for the service if no operation has a verdict.
    pub target: Target,
    /// Whether the alert is inactive, pending or firing.
    pub state: RuleState,
    /// The value in the signal's base unit: seconds, a ratio from 0 to 1, requests per second,
    /// requests, or a multiple. `None` without a verdict.
    pub value: Option<f64>,
    /// The threshold, in the unit of the value.
    pub threshold: f64,
    /// Whether the rule fires above or below the threshold.
    pub comparison: Comparison,
    /// The window of the verdict, or the longest window without one. `None` for a signal without a
    /// window, such as requests in flight.
    pub window: Option<Duration>,
    /// The requests in that window.
    pub requests: Option<u64>,
    /// The reason for no verdict, or for a value past the threshold that does not fire.
    pub reason: Option<Reason>,
    pub(crate) signal: Signal,
}

/// The state of a rule's alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "the states of Prometheus's alerts")]
pub enum RuleState {
    /// The condition does not hold.
    Inactive,
    /// The condition holds, but not for long enough ([`hold_for`](crate::Rule::hold_for)).
    Pending,
    /// The alert fires.
    Firing,
}

impl RuleStatus {
    /// Returns the name of the signal, such as `error ratio`.
    pub fn signal(&self) -> String {
        self.signal.to_string()
    }

    /// Formats a value with the signal's unit, such as `2.4%`.
    pub fn show(&self, value: f64) -> String {
        self.signal.unit().show(value)
    }
}

impl RuleState {
    /// Returns the state's name, such as `firing`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }
}

impl fmt::Display for RuleState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for RuleStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rule)?;
        if let Some(target) = self.target.text() {
            write!(f, " · {target}")?;
        }
        write!(f, ": {}, {} ", self.state, self.signal)?;
        match self.value {
            Some(value) => f.write_str(&self.show(value))?,
            None => f.write_str("unknown")?,
        }
        write!(f, " (threshold: {} {})", self.comparison, self.show(self.threshold))?;
        if let (Some(window), Some(requests)) = (self.window, self.requests) {
            write!(f, ", {requests} requests in {}", whole_seconds(window))?;
        }
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

impl Target {
    /// The name of the operation, route, dependency or call site; `None` for the service.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Service => None,
            Self::Operation(operation) => Some(operation.to_string()),
            Self::Route(text) | Self::Dependency(text) | Self::CallSite(text) => Some(text.clone()),
        }
    }
}
