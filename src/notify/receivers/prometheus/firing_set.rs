use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use super::labels::labels;
use crate::alert::{Alert, AlertStatus};
use crate::notify::Notification;

/// What a receiver that knows alerts by their labels was told fires.
#[derive(Clone, Debug, Default)]
pub(crate) struct FiringSet(Arc<Mutex<Vec<Alert>>>);

impl FiringSet {
    /// Learns what an earlier process has told.
    pub(crate) fn restore(&self, notification: &Notification) {
        let mut known = self.lock();
        for alert in &notification.restored {
            if !known.iter().any(|known| known.identity() == alert.identity()) {
                known.push(alert.clone());
            }
        }
    }

    /// The resolves of what is among the changes under other labels, such as another severity: to the
    /// receiver that is another alert, and the one that it knows would fire on.
    pub(crate) fn renamed(&self, changes: &[Alert]) -> Vec<Alert> {
        let now = SystemTime::now();
        let known = self.lock();
        let renamed = known.iter().filter(|known| {
            let newer = changes.iter().find(|change| change.identity() == known.identity());
            newer.is_some_and(|newer| labels(newer) != labels(known))
        });
        renamed.map(|alert| alert.clone().resolved(now.max(alert.starts_at))).collect()
    }

    /// What fires and is not among the changes.
    #[cfg(feature = "webhook")]
    pub(crate) fn besides(&self, changes: &[Alert]) -> Vec<Alert> {
        let known = self.lock();
        let others = known
            .iter()
            .filter(|known| !changes.iter().any(|change| change.identity() == known.identity()));
        others.cloned().collect()
    }

    /// The receiver has taken these changes.
    pub(crate) fn taken(&self, changes: &[Alert]) {
        let mut known = self.lock();
        known.retain(|known| !changes.iter().any(|change| change.identity() == known.identity()));
        let firing = changes.iter().filter(|change| change.status == AlertStatus::Firing);
        known.extend(firing.cloned());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Alert>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{alert::test_alert, rule::Severity};

    #[test]
    fn what_fires_under_other_labels_is_resolved_under_those_it_was_known_by() {
        let (known, firing) = (FiringSet::default(), test_alert("A", AlertStatus::Firing));
        known.taken(std::slice::from_ref(&firing));
        let still = Alert { value: Some(0.5), ..firing.clone() };
        assert!(known.renamed(&[still, test_alert("B", AlertStatus::Firing)]).is_empty());
        for status in [AlertStatus::Firing, AlertStatus::Resolved] {
            let milder = Alert { severity: Severity::Info, ..test_alert("A", status) };
            let renamed = known.renamed(&[milder]);
            assert_eq!(renamed.len(), 1);
            assert_eq!(renamed[0].title(), "[RESOLVED] A · orders");
            assert_eq!(labels(&renamed[0]), labels(&firing));
        }
        known.taken(&[test_alert("A", AlertStatus::Resolved)]);
        let milder = Alert { severity: Severity::Info, ..firing };
        assert!(known.renamed(&[milder]).is_empty(), "nothing is known of what is over");
    }
}
