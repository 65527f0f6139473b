use std::{fmt, sync::Arc, time::Duration};

use super::{Alert, AlertStatus, Failure, Notice};
use crate::{
    operation::Operation,
    rule::{Comparison, Signal},
    text::{OneLine, count},
};

/// The cause of an alert.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Cause {
    /// A [`Rule`](crate::Rule) whose condition held.
    Rule(Breach),
    /// [Reports](crate::Report) from business code, background tasks, panics or the log.
    Report(Arc<Failure>),
    /// The lookout itself, for a test or a heartbeat.
    Notice(Notice),
}

/// The figures of an alert that a rule raised.
///
/// Values are in the signal's base unit: seconds, a ratio from 0 to 1, requests per second, a
/// number of requests, or a burn rate as a multiple of the allowed rate. [`show`](Self::show) adds
/// the unit.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Breach {
    /// The value at this change; after a resolve, the recovered value. `None` if the alert was
    /// resolved because there were too few requests, the runtime stopped, or the rule was removed.
    pub value: Option<f64>,
    /// The worst value since the alert began.
    pub peak: f64,
    /// The threshold; for a rule with several burn rates, the one that decided.
    pub threshold: f64,
    /// Whether the rule fires above or below the threshold.
    pub comparison: Comparison,
    /// The length of the window that decided, and the requests in it; `None` for a signal without a
    /// window, such as the requests in flight.
    pub window: Option<(Duration, u64)>,
    /// Requests that ended since the start of the first window in breach.
    pub requests: u64,
    /// The number of those requests that failed.
    pub errors: u64,
    /// The operations that contribute most to the value, at most three, the largest share first.
    pub top: Vec<Contribution>,
    pub(crate) signal: Signal,
    /// Whether the alert was resolved because its rule was removed or changed.
    pub(crate) is_rule_removed: bool,
}

/// The share of one operation in an alert's value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Contribution {
    /// The operation.
    pub operation: Operation,
    /// The operation's share of the errors, the time or the requests, from 0 to 1. For the oldest
    /// request in flight, its age relative to the oldest.
    pub share: f64,
    /// The share as text, such as `3 of 30 failed (10%), 75% of all failures`.
    pub detail: String,
}

impl Alert {
    /// The figures, if a rule raised the alert.
    pub fn breach(&self) -> Option<&Breach> {
        match &self.cause {
            Cause::Rule(breach) => Some(breach),
            _ => None,
        }
    }

    pub(crate) fn breach_mut(&mut self) -> Option<&mut Breach> {
        match &mut self.cause {
            Cause::Rule(breach) => Some(breach),
            _ => None,
        }
    }

    /// The evidence, if reports raised the alert.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.cause {
            Cause::Report(failure) => Some(failure),
            _ => None,
        }
    }

    /// The operations that contribute most to the value of a rule, at most three.
    pub fn top(&self) -> &[Contribution] {
        self.breach().map_or(&[], |breach| &breach.top)
    }
}

impl Breach {
    /// Formats a value with the signal's unit, such as `20.3%`.
    pub fn show(&self, value: f64) -> String {
        self.signal.unit().show(value)
    }

    /// The signal, such as `error ratio`.
    pub fn signal(&self) -> String {
        self.signal.to_string()
    }

    pub(super) fn measured(&self, status: AlertStatus) -> String {
        let Some(value) = self.value else {
            let reason = if self.is_rule_removed {
                "the rule was removed or changed"
            } else {
                self.signal.unknown()
            };
            return format!("{} unknown: {reason}", self.signal);
        };
        let measured = format!("{} {}", self.signal, self.show(value));
        match self.signal.outlook(value) {
            Some(outlook) if status == AlertStatus::Firing => format!("{measured}, {outlook}"),
            _ => measured,
        }
    }

    pub(super) fn condition(&self) -> String {
        format!("threshold: {} {}", self.comparison, self.show(self.threshold))
    }

    pub(super) fn tally(&self) -> String {
        format!("peak {} · {}", self.show(self.peak), self.failed())
    }

    /// The requests that failed while the alert fired.
    pub(super) fn failed(&self) -> String {
        match self.requests {
            0 => "no request ended during the incident".to_owned(),
            all => {
                format!("{} of {} failed during the incident", self.errors, count(all, "request"))
            }
        }
    }

    /// Removes the details of the value at an earlier change.
    pub(super) fn clear_details(&mut self) {
        self.window = None;
        self.top = Vec::new();
    }
}

impl fmt::Display for Contribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;

        write!(OneLine(f), "{}: {}", self.operation, self.detail)
    }
}
