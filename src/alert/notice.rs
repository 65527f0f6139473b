use std::{sync::Arc, time::SystemTime};

use super::{Alert, AlertStatus, Origin, Target};
use crate::rule::{Comparison, Severity, Signal};

/// What the lookout itself has to say: no rule raised it, and nobody reported it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Whether a message arrives.
    Test,
    /// That the lookout is alive; see `heartbeat`.
    Watchdog,
}

impl Notice {
    /// Its place in an alert is that of the rule's name.
    fn name(self) -> &'static str {
        match self {
            Self::Test => "LookoutTest",
            // As Prometheus's own such alert is mostly called.
            Self::Watchdog => "Watchdog",
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Test => "This is a test: nothing is wrong",
            Self::Watchdog => "The lookout is alive: alert when this stops",
        }
    }

    pub(super) fn condition(self) -> &'static str {
        match self {
            Self::Test => "sent on demand",
            Self::Watchdog => "always firing",
        }
    }
}

impl Alert {
    /// A notice that fires since `starts_at`.
    pub(crate) fn of_notice(notice: Notice, starts_at: SystemTime, origin: &Arc<Origin>) -> Self {
        Self {
            status: AlertStatus::Firing,
            rule: notice.name().into(),
            severity: Severity::Info,
            target: Target::Service,
            value: None,
            peak: 0.0,
            threshold: 0.0,
            comparison: Comparison::Above,
            window: None,
            starts_at,
            ends_at: None,
            requests: 0,
            errors: 0,
            top: Vec::new(),
            labels: Default::default(),
            summary: None,
            runbook: None,
            dashboard: None,
            origin: Arc::clone(origin),
            unknown_before: None,
            failure: None,
            notice: Some(notice),
            signal: Signal::Reports,
            is_rule_gone: false,
            is_retold: false,
        }
    }

    /// The same, over since `ends_at`.
    pub(crate) fn resolved(self, ends_at: SystemTime) -> Self {
        Self { status: AlertStatus::Resolved, ends_at: Some(ends_at), ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::alert::test_alert;

    #[test]
    fn a_test_says_plainly_that_it_is_one() {
        let origin = test_alert("R", AlertStatus::Firing).origin;
        let test = Alert::of_notice(Notice::Test, UNIX_EPOCH, &origin);
        let text = "LookoutTest · orders: This is a test: nothing is wrong (sent on demand)";
        assert_eq!(test.to_string(), format!("[FIRING] {text}"));
        assert!(test.is_test());
        assert!(!Alert::of_notice(Notice::Watchdog, UNIX_EPOCH, &origin).is_test());
        let resolved = test.resolved(UNIX_EPOCH + Duration::from_secs(1));
        assert_eq!(resolved.to_string(), format!("[RESOLVED] {text}"));
        assert_eq!(resolved.tally(), "sent on demand");
    }
}
