/// A notice that the lookout itself raises, without a rule or a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Notice {
    /// The test alert of [`send_test`](crate::Lookout::send_test).
    Test,
    /// The heartbeat, which fires as long as the lookout runs; see
    /// [`heartbeat`](crate::LookoutBuilder::heartbeat).
    Watchdog,
}

impl Notice {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Test => "LookoutTest",
            // The usual name of the alert that always fires in Prometheus.
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use std::sync::Arc;

    use super::*;
    use crate::alert::{Alert, AlertStatus, test_alert};

    #[test]
    fn a_test_alert_states_that_nothing_is_wrong() {
        let origin = test_alert("R", AlertStatus::Firing).origin;
        let notice = |notice| Alert::notice_at(notice, UNIX_EPOCH, Arc::clone(&origin));
        let test = notice(Notice::Test);
        let text = "LookoutTest · orders: This is a test: nothing is wrong (sent on demand)";
        assert_eq!(test.to_string(), format!("[FIRING] {text}"));
        assert!(test.is_test());
        assert!(!notice(Notice::Watchdog).is_test());
        let resolved = test.resolved_at(UNIX_EPOCH + Duration::from_secs(1));
        assert_eq!(resolved.to_string(), format!("[RESOLVED] {text}"));
        assert_eq!(resolved.tally(), "sent on demand");
    }
}
