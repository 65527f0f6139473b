//! Constructors and setters for the tests of notifiers.

use std::{sync::Arc, time::SystemTime};

use super::{Alert, AlertStatus, Breach, Cause, Notice, Origin, Target};
use crate::rule::{Comparison, Rule, Scope, Severity};

impl Alert {
    /// Creates a firing alert of this rule, to test a notifier.
    ///
    /// Name, severity, labels, summary, runbook, dashboard and threshold are the rule's. The target
    /// is the rule's route or dependency, or otherwise [`Target::Service`]. The value and the peak
    /// equal the threshold until [`with_value`](Self::with_value) sets others; a rule without a
    /// threshold has no value. The alert starts now, and its origin is this process.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_lookout::{Alert, Rule};
    ///
    /// let rule = Rule::mean_latency().above(Duration::from_millis(500)).label("team", "payments");
    /// let alert = Alert::of_rule(&rule).with_value(0.9);
    /// assert_eq!(alert.measured(), "mean response time 900 ms");
    /// assert_eq!(alert.labels["team"], "payments");
    /// ```
    pub fn of_rule(rule: &Rule) -> Self {
        let condition = rule.condition();
        let (comparison, threshold) = condition.unwrap_or((Comparison::Above, 0.0));
        let breach = Breach {
            value: condition.map(|(_, threshold)| threshold),
            peak: threshold,
            threshold,
            comparison,
            window: None,
            requests: 0,
            errors: 0,
            top: Vec::new(),
            signal: rule.signal,
            is_rule_removed: false,
        };
        let target = match &rule.scope {
            Scope::Service | Scope::EachRoute => Target::Service,
            Scope::Route(route) => Target::Route(route.clone()),
            Scope::Dependency(name) => Target::Dependency(name.clone()),
        };
        let (name, cause) = (rule.name().into(), Cause::Rule(breach));
        let (now, origin) = (SystemTime::now(), Arc::default());
        Self::new(name, rule.severity, target, cause, now, origin).annotated_by(rule)
    }

    /// Creates a firing alert of the lookout itself, to test a notifier. It starts now, and its
    /// origin is this process.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::alert::{Alert, Notice};
    ///
    /// let test = Alert::of_notice(Notice::Test);
    /// assert!(test.is_test());
    /// ```
    pub fn of_notice(notice: Notice) -> Self {
        Self::notice_at(notice, SystemTime::now(), Arc::default())
    }

    /// Sets the target.
    pub fn with_target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// Sets the severity.
    pub fn with_severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Adds a label.
    pub fn with_label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// Sets the value, in the signal's base unit, and the peak if the value is worse.
    ///
    /// Has no effect on an alert that no rule raised.
    pub fn with_value(mut self, value: f64) -> Self {
        if let Some(breach) = self.breach_mut() {
            breach.value = Some(value);
            breach.peak = breach.comparison.worse(breach.peak, value);
        }
        self
    }

    /// Sets the number of requests since the alert began, and the failures among them.
    ///
    /// Has no effect on an alert that no rule raised.
    pub fn with_requests(mut self, requests: u64, errors: u64) -> Self {
        if let Some(breach) = self.breach_mut() {
            (breach.requests, breach.errors) = (requests, errors);
        }
        self
    }

    /// Sets the service, its instance and its version.
    pub fn with_origin(mut self, origin: Origin) -> Self {
        self.origin = Arc::new(origin);
        self
    }

    /// Sets the start of the alert.
    pub fn started_at(mut self, starts_at: SystemTime) -> Self {
        self.starts_at = starts_at;
        self
    }

    /// Returns the resolve of this alert at `ends_at`.
    pub fn resolved_at(mut self, ends_at: SystemTime) -> Self {
        self.status = AlertStatus::Resolved;
        self.ends_at = Some(ends_at);
        self
    }

    /// Sets labels, summary and links to those of this rule.
    pub(super) fn annotated_by(mut self, rule: &Rule) -> Self {
        self.annotate(rule);
        self
    }

    /// Sets severity, labels, summary and links to those of this rule.
    pub(super) fn annotate(&mut self, rule: &Rule) {
        self.severity = rule.severity;
        self.labels.clone_from(&rule.labels);
        self.summary.clone_from(&rule.summary);
        self.runbook.clone_from(&rule.runbook);
        self.dashboard.clone_from(&rule.dashboard);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_alert_of_a_rule_has_the_rules_texts_and_threshold() {
        let rule = Rule::throughput().below(10.0).route("GET /orders").severity(Severity::Warning);
        let rule = rule.label("team", "shop").summary("Few orders.").named("FewOrders");
        let alert = Alert::of_rule(&rule);
        assert_eq!(alert.title(), format!("[FIRING] FewOrders · {}", "GET /orders"));
        assert_eq!((alert.severity, &*alert.labels["team"]), (Severity::Warning, "shop"));
        assert_eq!(alert.summary.as_deref(), Some("Few orders."));
        assert_eq!(alert.condition(), "threshold: below 10/s");
        let breach = alert.with_value(4.0).with_value(7.0).breach().cloned().unwrap();
        assert_eq!((breach.value, breach.peak), (Some(7.0), 4.0), "the lower value is worse");
    }

    #[test]
    fn the_setters_of_figures_do_not_change_a_notice() {
        let notice = Alert::of_notice(Notice::Watchdog);
        assert_eq!(notice.clone().with_value(1.0).with_requests(1, 1), notice);
    }

    #[test]
    fn a_resolved_alert_has_an_end() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(60);
        let alert = Alert::of_rule(&Rule::in_flight().above(5)).started_at(start);
        let resolved = alert.resolved_at(start + Duration::from_secs(34));
        assert_eq!(resolved.status, AlertStatus::Resolved);
        assert_eq!(resolved.lasted(start), Duration::from_secs(34));
    }
}
