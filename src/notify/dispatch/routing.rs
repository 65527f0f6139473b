use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::alert::{Alert, AlertStatus};
use crate::notify::Matcher;

/// Which changes come to one notifier.
#[derive(Debug)]
pub(crate) struct Route {
    /// All, where there is none.
    matcher: Option<Matcher>,
    /// The alerts that fire and came here. What came comes to its end, too: reports of one kind may
    /// differ in severity, a rule may have another after a restart, and who was told that it begins must
    /// hear that it is over.
    firing: Mutex<Vec<Alert>>,
}

impl Route {
    pub(crate) fn new(matcher: Option<Matcher>) -> Self {
        Self { matcher, firing: Mutex::default() }
    }

    pub(crate) fn takes(&self, alert: &Alert) -> bool {
        let Some(matcher) = &self.matcher else { return true };
        let matches = matcher.matches(alert);
        let mut firing = self.firing();
        let known = firing.iter().position(|known| is_same(known, alert));
        match (alert.status, known) {
            (AlertStatus::Firing, None) if matches => firing.push(alert.clone()),
            (AlertStatus::Resolved, Some(place)) => {
                firing.swap_remove(place);
            }
            _ => {}
        }
        matches || known.is_some()
    }

    /// Whether it is one of those that came here, before a restart maybe.
    #[cfg(feature = "state")]
    pub(crate) fn has_taken(&self, alert: &Alert) -> bool {
        self.matcher.is_none() || self.firing().iter().any(|known| is_same(known, alert))
    }

    fn firing(&self) -> MutexGuard<'_, Vec<Alert>> {
        self.firing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What came here and fires, for the next process.
    #[cfg(feature = "state")]
    pub(crate) fn saved(&self) -> Vec<Alert> {
        self.firing().clone()
    }

    #[cfg(feature = "state")]
    pub(crate) fn restore(&self, firing: impl Iterator<Item = Alert>) {
        self.firing().extend(firing);
    }
}

/// Of whichever instance, since one may be from before a restart.
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
    fn what_began_here_comes_to_its_end_here_whatever_its_severity_becomes() {
        let route = Route::new(Some(Matcher::new().severity(Severity::Critical)));
        let change = |status, severity| {
            let mut alert = test_alert("R", status);
            alert.severity = severity;
            route.takes(&alert)
        };
        let (firing, resolved) = (AlertStatus::Firing, AlertStatus::Resolved);
        assert!(!change(firing, Severity::Warning));
        assert!(!change(resolved, Severity::Warning));
        assert!(change(firing, Severity::Critical));
        assert!(change(firing, Severity::Warning));
        assert!(change(resolved, Severity::Warning));
        assert!(!change(firing, Severity::Warning), "it is over, and begins elsewhere");
        assert!(change(resolved, Severity::Critical), "what an earlier process told ends here");
    }
}
