use std::ops::Not;

use crate::notify::receivers::prometheus::labels::labels;
use crate::{alert::Alert, rule::Severity};

/// Which alerts a notifier is for: those that meet every condition.
///
/// # Examples
///
/// ```
/// use tower_lookout::{notify::Matcher, rule::Severity};
///
/// let wakes_somebody = Matcher::new().min_severity(Severity::Critical);
/// let of_payments = Matcher::new().label("team", "payments");
/// let either = wakes_somebody.clone().or(of_payments);
/// let all_others = !either;
/// ```
#[doc(alias("silence", "routing"))]
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct Matcher {
    all: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq)]
enum Condition {
    Severity(Severity),
    MinSeverity(Severity),
    Label(String, String),
    Reported,
    Either(Matcher, Matcher),
    Not(Matcher),
}

impl Matcher {
    /// Matches every alert, as long as it has no condition.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of this severity and no other.
    pub fn severity(self, severity: Severity) -> Self {
        self.with(Condition::Severity(severity))
    }

    /// Of this severity, or a greater one.
    pub fn min_severity(self, severity: Severity) -> Self {
        self.with(Condition::MinSeverity(severity))
    }

    /// Raised by the rule of this name, or reported under it.
    pub fn rule(self, name: impl Into<String>) -> Self {
        self.label("alertname", name)
    }

    /// With this label and value: one of the rule's, or one that Alertmanager is given, too:
    /// `alertname`, `severity`, `service`, `instance`, and what is judged: `method` and `route`,
    /// `dependency`, or a report's `call_site`, `error_type` and `group`. An empty value matches where there is no
    /// such label, as in Alertmanager.
    pub fn label(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with(Condition::Label(name.into(), value.into()))
    }

    /// [Reported](crate::Reporter) by business code or a background task, and not raised by a rule.
    pub fn reported(self) -> Self {
        self.with(Condition::Reported)
    }

    /// What both of the two match.
    pub fn and(mut self, other: Self) -> Self {
        self.all.extend(other.all);
        self
    }

    /// What either of the two matches.
    pub fn or(self, other: Self) -> Self {
        Self::new().with(Condition::Either(self, other))
    }

    /// Whether an alert meets every condition.
    pub fn matches(&self, alert: &Alert) -> bool {
        self.all.iter().all(|condition| condition.is_met(alert))
    }

    fn with(mut self, condition: Condition) -> Self {
        self.all.push(condition);
        self
    }
}

/// What a matcher does not match.
impl Not for Matcher {
    type Output = Self;

    fn not(self) -> Self {
        Self::new().with(Condition::Not(self))
    }
}

impl Condition {
    fn is_met(&self, alert: &Alert) -> bool {
        match self {
            Self::Severity(severity) => alert.severity == *severity,
            Self::MinSeverity(severity) => alert.severity >= *severity,
            Self::Label(name, value) => {
                labels(alert).get(name).map_or(value.is_empty(), |found| found == value)
            }
            Self::Reported => alert.failure().is_some(),
            Self::Either(one, other) => one.matches(alert) || other.matches(alert),
            Self::Not(matcher) => !matcher.matches(alert),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::alert::{AlertStatus, Failure, Target, test_alert};

    fn alert() -> Alert {
        let mut alert = test_alert("HighErrorRatio", AlertStatus::Firing);
        alert.severity = Severity::Warning;
        alert.labels.insert("team".to_owned(), "payments".to_owned());
        alert.target = Target::Dependency("inventory".to_owned());
        alert
    }

    fn any() -> Matcher {
        Matcher::new()
    }

    #[test]
    fn every_condition_has_to_hold_and_none_is_met_by_all() {
        for (matcher, matches) in [
            (any(), true),
            (any().severity(Severity::Warning), true),
            (any().severity(Severity::Info), false),
            (any().min_severity(Severity::Info), true),
            (any().min_severity(Severity::Warning), true),
            (any().min_severity(Severity::Critical), false),
            (any().rule("HighErrorRatio"), true),
            (any().rule("HighError"), false),
            (any().label("team", "payments"), true),
            (any().label("team", "shop"), false),
            (any().label("tier", ""), true),
            (any().label("team", ""), false),
            (any().label("dependency", "inventory"), true),
            (any().label("service", "orders").label("instance", "host-1:42"), true),
            (any().label("team", "payments").severity(Severity::Info), false),
            (any().rule("HighErrorRatio").and(any().label("team", "payments")), true),
            (any().rule("HighErrorRatio").and(any().severity(Severity::Info)), false),
            (any().reported(), false),
        ] {
            assert_eq!(matcher.matches(&alert()), matches, "{matcher:?}");
            assert_eq!((!matcher.clone()).matches(&alert()), !matches, "not {matcher:?}");
        }
    }

    #[test]
    fn either_of_two_is_enough_and_what_follows_holds_for_both() {
        let either = any().rule("Other").or(any().label("team", "payments"));
        assert!(either.matches(&alert()));
        assert!(!either.clone().severity(Severity::Critical).matches(&alert()));
        assert!(!any().rule("Other").or(any().rule("Third")).matches(&alert()));
        let from_data = ["Other", "HighErrorRatio"].map(|rule| any().rule(rule));
        assert!(from_data.into_iter().reduce(Matcher::or).unwrap().matches(&alert()));
    }

    #[test]
    fn what_was_reported_is_told_from_what_a_rule_raised() {
        let failure = Failure {
            causes: vec!["no broker".to_owned()],
            error_type: "orders::EventError".into(),
            call_site: "src/events.rs:42".to_owned(),
            count: 1,
            total: 1,
            ..Failure::default()
        };
        let name = "OrderEventLost".into();
        let origin = alert().origin;
        let alert = Alert::of_failure(&name, Severity::Critical, failure, UNIX_EPOCH, &origin);
        assert!(any().reported().rule("OrderEventLost").matches(&alert));
        assert!(any().label("error_type", "orders::EventError").matches(&alert));
    }
}
