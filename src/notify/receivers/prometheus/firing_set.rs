use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use crate::alert::{Alert, AlertStatus};
use crate::notify::Notification;

/// The alerts that a receiver holds as firing, for receivers that identify alerts by labels.
#[derive(Clone, Debug, Default)]
pub(crate) struct FiringSet(Arc<Mutex<Vec<Alert>>>);

impl FiringSet {
    /// Adds the firing alerts that an earlier process delivered.
    pub(crate) fn restore(&self, notification: &Notification) {
        let mut firing = self.lock();
        let known = fingerprints(&firing);
        let unknown =
            notification.restored.iter().filter(|alert| !known.contains(&alert.fingerprint()));
        firing.extend(unknown.cloned());
    }

    /// Resolves for alerts whose labels differ in `changes`, such as the severity. The receiver
    /// takes the new labels for another alert, and would keep the old one firing.
    pub(crate) fn relabelled(&self, changes: &[Alert]) -> Vec<Alert> {
        let now = SystemTime::now();
        let changes: HashMap<_, _> =
            changes.iter().map(|change| (change.fingerprint(), change)).collect();
        let firing = self.lock();
        let relabelled = firing.iter().filter(|old| {
            let new = changes.get(&old.fingerprint());
            new.is_some_and(|new| new.identifying_labels() != old.identifying_labels())
        });
        relabelled.map(|alert| alert.clone().resolved_at(now.max(alert.starts_at))).collect()
    }

    /// The firing alerts that are not in `changes`.
    #[cfg(feature = "webhook")]
    pub(crate) fn others(&self, changes: &[Alert]) -> Vec<Alert> {
        let changed = fingerprints(changes);
        let firing = self.lock();
        firing.iter().filter(|alert| !changed.contains(&alert.fingerprint())).cloned().collect()
    }

    /// Records that the receiver accepted these changes.
    pub(crate) fn record(&self, changes: &[Alert]) {
        let changed = fingerprints(changes);
        let mut firing = self.lock();
        firing.retain(|alert| !changed.contains(&alert.fingerprint()));
        let new = changes.iter().filter(|change| change.status == AlertStatus::Firing);
        firing.extend(new.cloned());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Alert>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fingerprints(alerts: &[Alert]) -> HashSet<u64> {
    alerts.iter().map(Alert::fingerprint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{alert::test_alert, rule::Severity};

    #[test]
    fn an_alert_whose_labels_change_is_resolved_under_the_old_labels() {
        let (set, firing) = (FiringSet::default(), test_alert("A", AlertStatus::Firing));
        set.record(std::slice::from_ref(&firing));
        let same_labels = firing.clone().with_value(0.5);
        let other = test_alert("B", AlertStatus::Firing);
        assert!(set.relabelled(&[same_labels, other]).is_empty());
        for status in [AlertStatus::Firing, AlertStatus::Resolved] {
            let milder = Alert { severity: Severity::Info, ..test_alert("A", status) };
            let relabelled = set.relabelled(&[milder]);
            assert_eq!(relabelled.len(), 1);
            assert_eq!(relabelled[0].title(), "[RESOLVED] A · orders");
            assert_eq!(relabelled[0].identifying_labels(), firing.identifying_labels());
        }
        set.record(&[test_alert("A", AlertStatus::Resolved)]);
        let milder = Alert { severity: Severity::Info, ..firing };
        assert!(set.relabelled(&[milder]).is_empty(), "a resolved alert is removed");
    }
}
