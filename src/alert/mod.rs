//! Alerts, from the first breach or report to the resolve.

mod cause;
mod construct;
mod evaluator;
mod failure;
mod labels;
mod notice;
mod origin;
mod reported;
mod rule_status;
#[cfg(feature = "state")]
mod saved;
mod size;
mod state;
mod suppression;
mod texts;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt::{self, Write},
    sync::Arc,
    time::{Duration, SystemTime},
};

#[cfg(test)]
pub(crate) use self::evaluator::tests::{MS, Play};
#[cfg(test)]
#[allow(unused_imports, reason = "the notifiers are features")]
pub(crate) use self::failure::test_report;
#[cfg(feature = "state")]
pub(crate) use self::saved::{SavedAlert, SavedTexts, fields, is_same_in_file};
pub use self::{
    cause::{Breach, Cause, Contribution},
    failure::Failure,
    notice::Notice,
    origin::Origin,
    rule_status::{RuleState, RuleStatus},
    suppression::{Acknowledgement, Suppression, SuppressionKind},
    texts::{DistinctTexts, TextCount},
};
pub(crate) use self::{
    evaluator::{Evaluator, Replaced, rule_label, target_labels},
    failure::InOneLine,
    state::{Change, State, Timing},
};
#[cfg(test)]
use crate::rule::{Comparison, Signal};
use crate::{
    operation::Operation,
    rule::Severity,
    stable_hash::stable_hash,
    text::{OneLine, one_line, whole_seconds},
};

/// One change of an alert: it fires, or it is resolved.
///
/// [`cause`](Self::cause) holds the data of the rule, the report or the notice that raised the
/// alert; all alerts have the other fields. [`Display`](fmt::Display) writes one line and escapes
/// control characters, so a terminal or a log can show any route and any error.
///
/// # Examples
///
/// In the test of a notifier:
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_lookout::{Rule, alert::{Alert, AlertStatus, Target}};
///
/// // The notifier under test.
/// fn text(alert: &Alert) -> String {
///     format!("{}: {}", alert.title(), alert.measured())
/// }
///
/// let rule = Rule::error_ratio().above(0.01).named("HighErrorRatio");
/// let firing = Alert::of_rule(&rule)
///     .with_target(Target::Route("POST /orders".to_owned()))
///     .with_value(0.203)
///     .with_requests(1_800, 412);
/// assert_eq!(text(&firing), "[FIRING] HighErrorRatio · POST /orders: error ratio 20.3%");
///
/// let resolved = firing.with_value(0.002).resolved_at(SystemTime::now() + Duration::from_secs(34));
/// assert_eq!(resolved.status, AlertStatus::Resolved);
/// assert_eq!(resolved.tally(), "peak 20.3% · 412 of 1800 requests failed during the incident");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Alert {
    /// Whether the alert fires or is resolved.
    pub status: AlertStatus,
    /// The name of the rule, of the report, or of the notice.
    pub name: Arc<str>,
    /// How urgent the alert is.
    pub severity: Severity,
    /// The service, operation, route, dependency or source location that has the problem.
    pub target: Target,
    /// The rule, the report or the notice that raised the alert, with its figures or its evidence.
    pub cause: Cause,
    /// When the rule's condition first held, or the first report arrived.
    pub starts_at: SystemTime,
    /// When the alert was resolved; `None` while it fires.
    pub ends_at: Option<SystemTime>,
    /// The rule's labels. Empty for reports and notices.
    pub labels: BTreeMap<String, String>,
    /// The rule's summary, or the fields of a report, one per line.
    pub summary: Option<String>,
    /// The URL of the rule's runbook.
    pub runbook: Option<String>,
    /// The URL of the rule's dashboard.
    pub dashboard: Option<String>,
    /// The service and instance that raised the alert.
    pub origin: Arc<Origin>,
    /// The start of this process, if alerts from before it may have ended without a resolve.
    ///
    /// Set on the first alert that a notifier receives within an hour of a start without a
    /// [state file](crate::LookoutBuilder::state_path), or after a start that could not use its
    /// file.
    pub unknown_before: Option<SystemTime>,
    /// Why this alert is not sent; in a message, why an earlier change of it was not sent.
    pub suppressed: Option<Suppression>,
    /// Who handles the alert; `None` if nobody has acknowledged it.
    pub acknowledged: Option<Acknowledgement>,
    /// Whether the severity or the labels changed while the alert was firing.
    pub(crate) is_relabelled: bool,
}

/// Whether an alert fires or is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the two states of Alertmanager's API")]
pub enum AlertStatus {
    /// The rule's condition holds, or reports arrive.
    Firing,
    /// The condition no longer holds, or no report has arrived for five minutes.
    Resolved,
}

/// The service, or the part of it, that has the problem.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// The whole service.
    Service,
    /// One operation, for a rule that evaluates [each route](crate::Rule::each_route).
    Operation(Operation),
    /// The route that the rule names.
    Route(String),
    /// The dependency that the rule names.
    Dependency(String),
    /// The source location that sent a report, such as `src/orders.rs:42`.
    CallSite(String),
}

impl Alert {
    /// A firing alert without labels and links.
    pub(crate) fn new(
        name: Arc<str>,
        severity: Severity,
        target: Target,
        cause: Cause,
        starts_at: SystemTime,
        origin: Arc<Origin>,
    ) -> Self {
        Self {
            status: AlertStatus::Firing,
            name,
            severity,
            target,
            cause,
            starts_at,
            ends_at: None,
            labels: BTreeMap::new(),
            summary: None,
            runbook: None,
            dashboard: None,
            origin,
            unknown_before: None,
            suppressed: None,
            acknowledged: None,
            is_relabelled: false,
        }
    }

    /// Status, name and target, such as `[FIRING] HighErrorRatio · POST /orders`.
    ///
    /// Control characters are escaped.
    pub fn title(&self) -> String {
        one_line(format_args!("[{}] {} · {}", self.status, self.name, self.target_name()))
    }

    /// Whether [`send_test`](crate::Lookout::send_test) sent this alert. A notifier that does more
    /// than inform people, such as one that restarts a service, should ignore it.
    pub fn is_test(&self) -> bool {
        matches!(self.cause, Cause::Notice(Notice::Test))
    }

    /// The operation, the route, the dependency, the group of a report, or otherwise the service.
    pub fn target_name(&self) -> String {
        match &self.target {
            Target::CallSite(_) if !self.group().is_empty() => self.group().to_owned(),
            Target::Service | Target::CallSite(_) => self.origin.service.clone(),
            Target::Operation(operation) => operation.to_string(),
            Target::Route(name) | Target::Dependency(name) => name.clone(),
        }
    }

    /// The value, such as `error ratio 20.3%`, or the reason why there is none; the error of a
    /// report.
    ///
    /// For a burn rate that fires, it includes how long the error budget lasts.
    pub fn measured(&self) -> String {
        match &self.cause {
            Cause::Rule(breach) => breach.measured(self.status),
            Cause::Report(failure) => failure.text(),
            Cause::Notice(notice) => notice.text().to_owned(),
        }
    }

    /// The condition, such as `threshold: above 1%`, or the number of reports and their call site.
    pub fn condition(&self) -> String {
        match &self.cause {
            Cause::Rule(breach) => breach.condition(),
            Cause::Report(failure) => match self.status {
                AlertStatus::Firing => failure.condition(),
                AlertStatus::Resolved => "no further reports".to_owned(),
            },
            Cause::Notice(notice) => notice.condition().to_owned(),
        }
    }

    /// The impact, such as `peak 22.1% · 412 of 1800 requests failed during the incident`, or the
    /// number of reports.
    pub fn tally(&self) -> String {
        match &self.cause {
            Cause::Rule(breach) => breach.tally(),
            Cause::Report(failure) => failure.tally(),
            Cause::Notice(notice) => notice.condition().to_owned(),
        }
    }

    /// The duration of the alert; until `now` while it fires.
    pub fn lasted(&self, now: SystemTime) -> Duration {
        let end = self.ends_at.unwrap_or(now);
        end.duration_since(self.starts_at).unwrap_or_default()
    }

    /// The firing alert before this resolve, at its peak; `None` while the alert fires.
    ///
    /// A notification may replace several changes. A receiver that ignores the resolve of an
    /// unknown alert needs this one first.
    pub fn as_it_fired(&self) -> Option<Self> {
        if self.status == AlertStatus::Firing {
            return None;
        }
        let mut fired = Self { status: AlertStatus::Firing, ends_at: None, ..self.clone() };
        if let Some(breach) = fired.breach_mut() {
            breach.value = Some(breach.peak);
            breach.is_rule_removed = false;
            breach.clear_details();
        }
        Some(fired)
    }

    /// The resolve of an alert whose rule was removed.
    pub(crate) fn resolved_by_removal(mut self, now: SystemTime) -> Self {
        if let Some(breach) = self.breach_mut() {
            breach.value = None;
            breach.is_rule_removed = true;
            breach.clear_details();
        }
        let ends_at = now.max(self.starts_at);
        self.resolved_at(ends_at)
    }

    /// A number that identifies the alert across its changes, processes and builds.
    ///
    /// It is a hash of the service, the instance, the name and the target; for a report also of the
    /// error's type and the group. Receivers use it as a key for deduplication, or to update the
    /// message of an alert.
    pub fn fingerprint(&self) -> u64 {
        stable_hash(&self.identity_parts())
    }

    /// The texts that [`fingerprint`](Self::fingerprint) hashes: the service, the instance, the name
    /// and the target; for a report also the error's type and the group. Use them for a key that
    /// people can read.
    pub fn identity_parts(&self) -> Vec<Cow<'_, str>> {
        let target = match &self.target {
            Target::CallSite(site) => site.as_str().into(),
            _ => self.target_name().into(),
        };
        let origin = &self.origin;
        let mut parts =
            vec![(*origin.service).into(), (*origin.instance).into(), (*self.name).into(), target];
        match (self.error_type(), self.group()) {
            ("", "") => {}
            (error_type, "") => parts.push(error_type.into()),
            (error_type, group) => parts.extend([error_type.into(), group.into()]),
        }
        parts
    }

    /// Identifies an alert across its changes. One call site may send reports of several error
    /// types and groups. After a restart, an alert may have the instance of the earlier process.
    pub(crate) fn identity(&self) -> (&str, &Target, &str, &str, &str) {
        (&self.name, &self.target, self.error_type(), self.group(), &self.origin.instance)
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = OneLine(f);
        write!(f, "{}: {} ({})", self.title(), self.measured(), self.condition())?;
        if self.status == AlertStatus::Firing {
            return self.write_controls(&mut f);
        }
        let lasted = whole_seconds(self.lasted(self.starts_at));
        match &self.cause {
            Cause::Rule(breach) => {
                write!(f, ", peak {}, lasted {lasted}", breach.show(breach.peak))?;
                write!(f, ", {}", breach.failed())?;
            }
            Cause::Report(failure) => write!(f, ", lasted {lasted}, {}", failure.tally())?,
            Cause::Notice(_) => {}
        }
        self.write_controls(&mut f)
    }
}

impl Alert {
    fn write_controls(&self, f: &mut impl Write) -> fmt::Result {
        self.suppressed.iter().try_for_each(|suppressed| write!(f, ". {suppressed}"))?;
        self.acknowledged.iter().try_for_each(|acknowledged| write!(f, ". {acknowledged}"))
    }
}

impl fmt::Display for AlertStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Firing => "FIRING",
            Self::Resolved => "RESOLVED",
        })
    }
}

#[cfg(test)]
#[path = "display_tests.rs"]
mod display_tests;

/// An alert of the error ratio of a service `orders`, for the tests of notifiers.
#[cfg(test)]
pub(crate) fn test_alert(rule: &str, status: AlertStatus) -> Alert {
    let starts_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
    let breach = Breach {
        value: Some(if status == AlertStatus::Firing { 0.203 } else { 0.002 }),
        peak: 0.221,
        threshold: 0.01,
        comparison: Comparison::Above,
        window: Some((Duration::from_secs(10), 512)),
        requests: 1_800,
        errors: 412,
        top: Vec::new(),
        signal: Signal::ErrorRatio,
        is_rule_removed: false,
    };
    let origin = Origin {
        service: "orders".to_owned(),
        instance: "host-1:42".to_owned(),
        version: Some("1.2.3".to_owned()),
    };
    let (name, target, cause) = (rule.into(), Target::Service, Cause::Rule(breach));
    let alert = Alert::new(name, Severity::Critical, target, cause, starts_at, origin.into());
    match status {
        AlertStatus::Firing => alert,
        AlertStatus::Resolved => alert.resolved_at(starts_at + Duration::from_secs(34)),
    }
}
