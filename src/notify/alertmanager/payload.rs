use std::time::SystemTime;

use serde::Serialize;

use crate::{
    alert::Alert,
    notify::{
        annotations::{annotations, ended, instant},
        labels::{Labels, labels},
    },
};

/// An alert as `POST /api/v2/alerts` takes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    labels: Labels,
    annotations: Labels,
    starts_at: String,
    ends_at: String,
}

impl Entry {
    /// A firing alert ends at `expires`, unless it is told again before.
    pub(super) fn new(alert: &Alert, expires: SystemTime) -> Self {
        let ends_at = ended(alert).unwrap_or_else(|| expires.max(alert.starts_at));
        Self {
            labels: labels(alert),
            annotations: annotations(alert),
            starts_at: instant(alert.starts_at),
            ends_at: instant(ends_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::alert::{AlertStatus, test_alert};

    #[test]
    fn a_firing_alert_ends_ahead_and_a_resolved_one_when_it_did() {
        let firing = test_alert("HighErrorRatio", AlertStatus::Firing);
        let expires = firing.starts_at + Duration::from_secs(240);
        let labels = json!({
            "alertname": "HighErrorRatio",
            "instance": "host-1:42",
            "service": "orders",
            "severity": "critical",
        });
        assert_eq!(
            json!(Entry::new(&firing, expires)),
            json!({
                "labels": labels,
                "annotations": {
                    "description": "error ratio 20.3 % (threshold: above 1 %)",
                    "summary": "error ratio 20.3 %",
                },
                "startsAt": "2026-11-18T11:06:40Z",
                "endsAt": "2026-11-18T11:10:40Z",
            })
        );
        let resolved =
            json!(Entry::new(&test_alert("HighErrorRatio", AlertStatus::Resolved), expires));
        assert_eq!(resolved["labels"], labels, "it is the same alert");
        assert_eq!(resolved["endsAt"], "2026-11-18T11:07:14Z");
    }

    #[test]
    fn no_end_is_before_the_beginning_whatever_the_clock_does() {
        let firing = test_alert("R", AlertStatus::Firing);
        let entry = json!(Entry::new(&firing, firing.starts_at - Duration::from_secs(60)));
        assert_eq!(entry["endsAt"], entry["startsAt"]);
    }
}
