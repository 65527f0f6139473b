use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use super::Matcher;
use crate::alert::{Alert, AlertStatus, Target};

/// Which changes come to one notifier.
#[derive(Debug)]
pub(super) struct Route {
    /// All, where there is none.
    matcher: Option<Matcher>,
    /// The alerts that fire and came here. What came comes to its end, too: reports of one kind may
    /// differ in severity, and who was told that it begins must hear that it is over.
    firing: Mutex<HashSet<(Arc<str>, Target, String)>>,
}

impl Route {
    pub(super) fn new(matcher: Option<Matcher>) -> Self {
        Self { matcher, firing: Mutex::default() }
    }

    pub(super) fn takes(&self, alert: &Alert) -> bool {
        let Some(matcher) = &self.matcher else { return true };
        let matches = matcher.matches(alert);
        let mut firing = self.firing.lock().unwrap_or_else(PoisonError::into_inner);
        let identity =
            (Arc::clone(&alert.rule), alert.target.clone(), alert.error_type().to_owned());
        match alert.status {
            AlertStatus::Firing if matches => {
                firing.insert(identity);
                true
            }
            AlertStatus::Firing => firing.contains(&identity),
            AlertStatus::Resolved => firing.remove(&identity) || matches,
        }
    }
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
