#[cfg(feature = "state")]
pub(crate) mod saved;

use std::{
    fmt::{self, Write},
    ops::Not,
};

use crate::{alert::Alert, rule::Severity, text::OneLine};

/// Selects the alerts of a notifier: those that meet every condition.
///
/// # Examples
///
/// ```
/// use tower_lookout::{Severity, notify::Matcher};
///
/// let critical = Matcher::new().min_severity(Severity::Critical);
/// let payments = Matcher::new().label("team", "payments");
/// let pager = critical.or(payments);
/// let chat = !pager.clone();
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
    /// A matcher without conditions, which matches every alert.
    pub fn new() -> Self {
        Self::default()
    }

    /// Matches alerts of this severity.
    pub fn severity(self, severity: Severity) -> Self {
        self.with(Condition::Severity(severity))
    }

    /// Matches alerts of this severity or a higher one.
    pub fn min_severity(self, severity: Severity) -> Self {
        self.with(Condition::MinSeverity(severity))
    }

    /// Matches alerts of the rule or the report of this name.
    pub fn rule(self, name: impl Into<String>) -> Self {
        self.label("alertname", name)
    }

    /// Matches alerts with this label. It is a label of the rule or one of those that the lookout
    /// adds, as in Alertmanager: `alertname`, `severity`, `service`, `instance`, the target's
    /// `method` and `route` or `dependency`, and a report's `call_site`, `error_type` and `group`.
    /// An empty value matches alerts without the label, as in Alertmanager.
    pub fn label(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with(Condition::Label(name.into(), value.into()))
    }

    /// Matches alerts that a [`Reporter`](crate::Reporter) raised, not a rule.
    pub fn reported(self) -> Self {
        self.with(Condition::Reported)
    }

    /// Matches alerts that both matchers match.
    pub fn and(mut self, other: Self) -> Self {
        self.all.extend(other.all);
        self
    }

    /// Matches alerts that at least one of the two matchers matches.
    pub fn or(self, other: Self) -> Self {
        Self::new().with(Condition::Either(self, other))
    }

    /// Whether an alert meets every condition.
    pub fn matches(&self, alert: &Alert) -> bool {
        self.all.iter().all(|condition| condition.is_met(alert))
    }

    /// Whether it has no condition, and so matches every alert.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The number of matchers inside each other.
    pub(crate) fn depth(&self) -> usize {
        let depth = |condition: &Condition| match condition {
            Condition::Either(one, other) => one.depth().max(other.depth()),
            Condition::Not(matcher) => matcher.depth(),
            _ => 0,
        };
        1 + self.all.iter().map(depth).max().unwrap_or_default()
    }

    /// The approximate memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let bytes = |condition: &Condition| {
            size_of::<Condition>()
                + match condition {
                    Condition::Label(name, value) => name.len() + value.len(),
                    Condition::Either(one, other) => one.bytes() + other.bytes(),
                    Condition::Not(matcher) => matcher.bytes(),
                    _ => 0,
                }
        };
        self.all.iter().map(bytes).sum()
    }

    fn with(mut self, condition: Condition) -> Self {
        self.all.push(condition);
        self
    }
}

/// Matches alerts that the matcher does not match.
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
            Self::Label(name, value) => alert
                .identifying_labels()
                .get(name)
                .map_or(value.is_empty(), |found| found == value),
            Self::Reported => alert.failure().is_some(),
            Self::Either(one, other) => one.matches(alert) || other.matches(alert),
            Self::Not(matcher) => !matcher.matches(alert),
        }
    }
}

/// The conditions in one line, such as `alertname="HighErrorRatio" and severity>="warning"`;
/// `every alert` without conditions.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.all.is_empty() {
            return f.write_str("every alert");
        }
        for (number, condition) in self.all.iter().enumerate() {
            let and = if number == 0 { "" } else { " and " };
            write!(f, "{and}{condition}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Severity(severity) => write!(f, "severity=\"{severity}\""),
            Self::MinSeverity(severity) => write!(f, "severity>=\"{severity}\""),
            Self::Label(name, value) => write!(OneLine(f), "{name}=\"{value}\""),
            Self::Reported => f.write_str("reported"),
            Self::Either(one, other) => write!(f, "({one} or {other})"),
            Self::Not(matcher) => write!(f, "not ({matcher})"),
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
    fn a_matcher_matches_if_every_condition_holds() {
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
    fn a_condition_after_or_applies_to_both_matchers() {
        let either = any().rule("Other").or(any().label("team", "payments"));
        assert!(either.matches(&alert()));
        assert!(!either.clone().severity(Severity::Critical).matches(&alert()));
        assert!(!any().rule("Other").or(any().rule("Third")).matches(&alert()));
        let from_data = ["Other", "HighErrorRatio"].map(|rule| any().rule(rule));
        assert!(from_data.into_iter().reduce(Matcher::or).unwrap().matches(&alert()));
    }

    #[test]
    fn the_text_of_a_matcher_shows_each_condition() {
        assert_eq!(any().to_string(), "every alert");
        let named = any().rule("A").or(any().label("team", "a\nb")).reported();
        let text = r#"(alertname="A" or team="a\nb") and reported"#;
        assert_eq!(named.to_string(), text);
        let not = !any().min_severity(Severity::Warning).severity(Severity::Info);
        assert_eq!(not.to_string(), r#"not (severity>="warning" and severity="info")"#);
        assert_eq!((any().depth(), named.depth(), (!not).depth()), (1, 2, 3));
    }

    #[test]
    fn reported_matches_alerts_of_reports_only() {
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
