use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::alert::{Alert, AlertStatus};
use crate::notify::Matcher;

/// Decides which changes a notifier gets.
#[derive(Debug)]
pub(crate) struct Route {
    /// `None` admits every change.
    matcher: Option<Matcher>,
    /// The firing alerts that were admitted. Their later changes are admitted too: the severity of
    /// an alert can change, and the receiver needs the resolve.
    firing: Mutex<Vec<Alert>>,
}

impl Route {
    pub(crate) fn new(matcher: Option<Matcher>) -> Self {
        Self { matcher, firing: Mutex::default() }
    }

    /// Whether the notifier gets this change. Records it, so call it once for each change.
    pub(crate) fn admit(&self, alert: &Alert) -> bool {
        let Some(matcher) = &self.matcher else { return true };
        let matches = matcher.matches(alert);
        let mut firing = self.firing();
        let known = firing.iter().position(|known| is_same(known, alert));
        match (alert.status, known) {
            (AlertStatus::Firing, None) if matches => firing.push(alert.clone()),
            (AlertStatus::Resolved, Some(index)) => {
                firing.swap_remove(index);
            }
            _ => {}
        }
        matches || known.is_some()
    }

    /// Whether the notifier got this firing alert, perhaps before a restart.
    #[cfg(feature = "state")]
    pub(crate) fn has_admitted(&self, alert: &Alert) -> bool {
        self.matcher.is_none() || self.firing().iter().any(|known| is_same(known, alert))
    }

    fn firing(&self) -> MutexGuard<'_, Vec<Alert>> {
        self.firing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The firing alerts that were admitted, for the state file.
    #[cfg(feature = "state")]
    pub(crate) fn saved(&self) -> Vec<Alert> {
        self.firing().clone()
    }

    #[cfg(feature = "state")]
    pub(crate) fn restore(&self, firing: impl Iterator<Item = Alert>) {
        self.firing().extend(firing);
    }
}

/// Compares identities without the instance, which differs after a restart.
fn is_same(one: &Alert, other: &Alert) -> bool {
    let (rule, target, error_type, group, _) = one.identity();
    let (of_rule, of_target, of_error_type, of_group, _) = other.identity();
    (rule, target, error_type, group) == (of_rule, of_target, of_error_type, of_group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{alert::test_alert, rule::Severity};

    #[test]
    fn a_notifier_gets_the_resolve_of_an_alert_whose_severity_changed() {
        let route = Route::new(Some(Matcher::new().severity(Severity::Critical)));
        let admit = |status, severity| {
            let mut alert = test_alert("R", status);
            alert.severity = severity;
            route.admit(&alert)
        };
        let (firing, resolved) = (AlertStatus::Firing, AlertStatus::Resolved);
        assert!(!admit(firing, Severity::Warning));
        assert!(!admit(resolved, Severity::Warning));
        assert!(admit(firing, Severity::Critical));
        assert!(admit(firing, Severity::Warning));
        assert!(admit(resolved, Severity::Warning));
        assert!(!admit(firing, Severity::Warning), "a new alert that does not match");
        assert!(
            admit(resolved, Severity::Critical),
            "the previous process may have sent the alert"
        );
    }
}
