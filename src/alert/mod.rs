//! Alerts: what a rule found, from the first breach to the recovery.

mod evaluator;
mod failure;
mod notice;
mod origin;
mod rule_status;
#[cfg(feature = "state")]
mod saved;
mod size;
mod state;
mod texts;

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    sync::Arc,
    time::{Duration, SystemTime},
};

#[cfg(test)]
#[allow(unused_imports, reason = "the notifiers are features")]
pub(crate) use self::failure::test_report;
#[cfg(feature = "state")]
pub(crate) use self::saved::{SavedAlert, SavedTexts, fields, is_same_in_file};
pub(crate) use self::{
    evaluator::{Evaluator, Replaced},
    failure::InOneLine,
    notice::Notice,
    state::{Change, State, Timing},
};
pub use self::{
    failure::Failure,
    origin::Origin,
    rule_status::{RuleState, RuleStatus},
    texts::{DistinctTexts, TextCount},
};
use crate::{
    operation::Operation,
    rule::{Comparison, Severity, Signal},
    text::{OneLine, one_line},
};

/// A change of an alert: it fires, or it is resolved.
///
/// Values are in the signal's base unit: seconds, a ratio from 0 to 1, requests per second,
/// requests. A burn rate is a multiple. Its [`Display`](fmt::Display) is one line with control
/// characters escaped, so that a terminal and a log can show it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Alert {
    /// Whether it fires or is resolved.
    pub status: AlertStatus,
    /// The rule's name, or that of what was reported.
    pub rule: Arc<str>,
    /// How urgent it is.
    pub severity: Severity,
    /// What the rule judged.
    pub target: Target,
    /// The value at this change; after a resolve, the one that recovered. `None` if it is resolved
    /// because there are too few requests to judge by, or the runtime or the rule is gone.
    pub value: Option<f64>,
    /// The worst value since it began.
    pub peak: f64,
    /// What the value is compared with; of several burn rates, that which decided.
    pub threshold: f64,
    /// On which side of the threshold it fires.
    pub comparison: Comparison,
    /// The window that decided, and the requests in it; `None` for a signal of the moment.
    pub window: Option<(Duration, u64)>,
    /// When the condition held first.
    pub starts_at: SystemTime,
    /// When it was resolved; `None` while it fires.
    pub ends_at: Option<SystemTime>,
    /// Requests that have ended since the window that first breached began; of a failure, how often it
    /// was reported.
    pub requests: u64,
    /// Those of them that failed; of a failure all.
    pub errors: u64,
    /// What adds the most to the value, at most three, the greatest share first.
    pub top: Vec<Contribution>,
    /// The rule's labels.
    pub labels: BTreeMap<String, String>,
    /// The rule's summary; of a failure its fields, a line each.
    pub summary: Option<String>,
    /// The rule's runbook.
    pub runbook: Option<String>,
    /// The rule's dashboard.
    pub dashboard: Option<String>,
    /// Where it comes from.
    pub origin: Arc<Origin>,
    /// When this process began to watch, on the first alert that a notifier gets from it where the alerts
    /// of the process before are unknown: within an hour of a start without a
    /// [state file](crate::LookoutBuilder::state_path), or after a start that could not use its file. No
    /// resolve is sent for those alerts.
    pub unknown_before: Option<SystemTime>,
    /// What was reported, of an alert that no rule raised; then value, peak and requests count the
    /// reports, and there is no threshold.
    pub failure: Option<Arc<Failure>>,
    /// What the lookout itself says; then there is no value, and figures are 0.
    pub(crate) notice: Option<Notice>,
    pub(crate) signal: Signal,
    /// Whether it is resolved because nobody judges it any more.
    pub(crate) is_rule_gone: bool,
    /// Whether it fires on under another severity or other labels than it was told by first.
    pub(crate) is_retold: bool,
}

/// Whether an alert fires or is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "what Alertmanager knows on the wire")]
pub enum AlertStatus {
    /// The rule's condition holds.
    Firing,
    /// It holds no more.
    Resolved,
}

/// What a rule judged: the service, an operation, or a route.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// All that is watched.
    Service,
    /// One operation, under a rule for each route.
    Operation(Operation),
    /// The route that the rule names.
    Route(String),
    /// The dependency that the rule names.
    Dependency(String),
    /// Nothing was judged: it was reported here, as `src/orders.rs:42`.
    CallSite(String),
}

/// What one operation adds to an alert's value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Contribution {
    /// The operation.
    pub operation: Operation,
    /// Its share of the errors, the time, or the requests, as the signal is; 0 to 1. For the oldest
    /// request it is the age, relative to the oldest.
    pub share: f64,
    /// In words, with the share where there is a whole: `3 of 30 failed (10 %), 75 % of all failures`.
    pub detail: String,
}

impl Alert {
    /// State, rule and operation, such as `[FIRING] HighErrorRatio · POST /orders`; where the rule
    /// judges the whole service, the service's name stands for the operation. Control characters are
    /// escaped.
    pub fn title(&self) -> String {
        one_line(format_args!("[{}] {} · {}", self.status, self.rule, self.target_name()))
    }

    /// Whether it is no alert, but what [`send_test`](crate::Lookout::send_test) says: for who does more
    /// than to tell people.
    pub fn is_test(&self) -> bool {
        self.notice == Some(Notice::Test)
    }

    /// The operation, the route, the group of a report, or the service's name.
    pub fn target_name(&self) -> String {
        match &self.target {
            Target::CallSite(_) if !self.group().is_empty() => self.group().to_owned(),
            Target::Service | Target::CallSite(_) => self.origin.service.clone(),
            Target::Operation(operation) => operation.to_string(),
            Target::Route(name) | Target::Dependency(name) => name.clone(),
        }
    }

    /// What was measured, such as `error ratio 20.3 %`, or why there is no value; of a burn rate that
    /// fires, how long the budget lasts.
    pub fn measured(&self) -> String {
        if let Some(notice) = self.notice {
            return notice.text().to_owned();
        }
        if let Some(failure) = &self.failure {
            return failure.text();
        }
        let Some(value) = self.value else {
            let why = if self.is_rule_gone { "the rule is gone" } else { self.signal.unknown() };
            return format!("{} unknown: {why}", self.signal);
        };
        let measured = format!("{} {}", self.signal, self.show(value));
        match self.signal.outlook(value) {
            Some(outlook) if self.status == AlertStatus::Firing => format!("{measured}, {outlook}"),
            _ => measured,
        }
    }

    /// The condition, such as `threshold: above 1 %`.
    pub fn condition(&self) -> String {
        if let Some(notice) = self.notice {
            return notice.condition().to_owned();
        }
        if let Some(failure) = &self.failure {
            return match self.status {
                AlertStatus::Firing => failure.condition(),
                AlertStatus::Resolved => "not reported any more".to_owned(),
            };
        }
        format!("threshold: {} {}", self.comparison, self.show(self.threshold))
    }

    /// How bad it was, such as `peak 22.1 % · 1800 requests, 412 failed`, or how often it was reported.
    pub fn tally(&self) -> String {
        if self.notice.is_some() {
            return self.condition();
        }
        match &self.failure {
            Some(failure) => format!("reported {} times", failure.total),
            None => format!(
                "peak {} · {} requests, {} failed",
                self.show(self.peak),
                self.requests,
                self.errors
            ),
        }
    }

    /// How long it has lasted; until `now` while it fires.
    pub fn lasted(&self, now: SystemTime) -> Duration {
        let end = self.ends_at.unwrap_or(now);
        end.duration_since(self.starts_at).unwrap_or_default()
    }

    /// A value with its unit, such as `20.3 %`.
    pub fn show(&self, value: f64) -> String {
        self.signal.unit().show(value)
    }

    /// A resolved alert as it was while it fired, with its peak, for a receiver that takes no resolve of
    /// what it was not told of.
    #[cfg(any(feature = "alertmanager", feature = "pagerduty"))]
    pub(crate) fn as_it_fired(&self) -> Option<Self> {
        let fired = Self {
            status: AlertStatus::Firing,
            value: Some(self.peak),
            window: None,
            ends_at: None,
            top: Vec::new(),
            is_rule_gone: false,
            ..self.clone()
        };
        (self.status == AlertStatus::Resolved).then_some(fired)
    }

    /// The resolve of what no rule judges any more.
    pub(crate) fn of_gone_rule(self, now: SystemTime) -> Self {
        Self {
            status: AlertStatus::Resolved,
            value: None,
            window: None,
            ends_at: Some(now.max(self.starts_at)),
            top: Vec::new(),
            is_rule_gone: true,
            ..self
        }
    }

    /// The parts that two changes of one alert have in common: the rule and its target; for a report also
    /// the error's type and the group, since one place may report several kinds; and the instance, since
    /// receivers distinguish alerts by it, and one may be from before a restart.
    pub(crate) fn identity(&self) -> (&str, &Target, &str, &str, &str) {
        (&self.rule, &self.target, self.error_type(), self.group(), &self.origin.instance)
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = OneLine(f);
        write!(f, "{}: {} ({})", self.title(), self.measured(), self.condition())?;
        if self.status == AlertStatus::Resolved && self.notice.is_none() {
            let lasted = whole_seconds(self.lasted(self.starts_at));
            if let Some(failure) = &self.failure {
                return write!(f, ", lasted {lasted}, reported {} times", failure.total);
            }
            write!(f, ", peak {}, lasted {lasted}", self.show(self.peak))?;
            write!(f, ", {} requests, {} failed", self.requests, self.errors)?;
        }
        Ok(())
    }
}

/// A length of time as people say it, to the second.
pub(crate) fn whole_seconds(duration: Duration) -> impl fmt::Display {
    let seconds = duration.saturating_add(Duration::from_millis(500)).as_secs();
    humantime::format_duration(Duration::from_secs(seconds))
}

impl fmt::Display for AlertStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Firing => "FIRING",
            Self::Resolved => "RESOLVED",
        })
    }
}

impl fmt::Display for Contribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(OneLine(f), "{}: {}", self.operation, self.detail)
    }
}

#[cfg(test)]
#[path = "display_tests.rs"]
mod display_tests;

/// An alert of the error ratio of a service `orders`, for the tests of notifiers.
#[cfg(test)]
pub(crate) fn test_alert(rule: &str, status: AlertStatus) -> Alert {
    let starts_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
    Alert {
        status,
        rule: rule.into(),
        severity: Severity::Critical,
        target: Target::Service,
        value: Some(if status == AlertStatus::Firing { 0.203 } else { 0.002 }),
        peak: 0.221,
        threshold: 0.01,
        comparison: Comparison::Above,
        window: Some((Duration::from_secs(10), 512)),
        starts_at,
        ends_at: (status == AlertStatus::Resolved).then(|| starts_at + Duration::from_secs(34)),
        requests: 1_800,
        errors: 412,
        top: Vec::new(),
        labels: BTreeMap::new(),
        summary: None,
        runbook: None,
        dashboard: None,
        origin: Arc::new(Origin {
            service: "orders".to_owned(),
            instance: "host-1:42".to_owned(),
            version: Some("1.2.3".to_owned()),
        }),
        unknown_before: None,
        failure: None,
        notice: None,
        signal: Signal::ErrorRatio,
        is_rule_gone: false,
        is_retold: false,
    }
}
