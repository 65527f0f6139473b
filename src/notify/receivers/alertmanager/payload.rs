use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::{
    alert::Alert,
    notify::receivers::prometheus::annotations::{Labels, annotations, ended, instant},
};

/// An alert in the format of `POST /api/v2/alerts`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PostableAlert {
    labels: Labels,
    annotations: Labels,
    starts_at: String,
    ends_at: String,
}

impl PostableAlert {
    /// A firing alert ends after `expires`, unless it is posted again before.
    ///
    /// A resolved alert ends at `now` at the latest. Alertmanager takes an end in the future, if
    /// only by a millisecond, for a firing alert, and keeps the later end of the previous post.
    pub(super) fn new(alert: &Alert, now: SystemTime, expires: Duration) -> Self {
        let ends_at = match ended(alert) {
            Some(ended) => ended.min(now),
            None => now + expires,
        };
        let ends_at = ends_at.max(alert.starts_at);
        Self {
            labels: alert.identifying_labels(),
            annotations: annotations(alert),
            starts_at: instant(alert.starts_at),
            ends_at: instant(ends_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::alert::{AlertStatus, test_alert};

    #[test]
    fn a_firing_alert_ends_in_the_future_and_a_resolved_one_at_its_end() {
        let firing = test_alert("HighErrorRatio", AlertStatus::Firing);
        let (now, expires) = (firing.starts_at + Duration::from_secs(60), Duration::from_secs(180));
        let labels = json!({
            "alertname": "HighErrorRatio",
            "instance": "host-1:42",
            "service": "orders",
            "severity": "critical",
        });
        assert_eq!(
            json!(PostableAlert::new(&firing, now, expires)),
            json!({
                "labels": labels,
                "annotations": {
                    "description": "error ratio 20.3% (threshold: above 1%)",
                    "summary": "error ratio 20.3%",
                },
                "startsAt": "2026-11-18T11:06:40Z",
                "endsAt": "2026-11-18T11:10:40Z",
            })
        );
        let resolved = json!(PostableAlert::new(
            &test_alert("HighErrorRatio", AlertStatus::Resolved),
            now,
            expires
        ));
        assert_eq!(resolved["labels"], labels, "it is the same alert");
        assert_eq!(resolved["endsAt"], "2026-11-18T11:07:14Z");
    }

    #[test]
    fn an_alert_does_not_end_before_it_starts_when_the_clock_is_set_back() {
        let past = Duration::from_secs(60);
        for status in [AlertStatus::Firing, AlertStatus::Resolved] {
            let alert = test_alert("R", status);
            let entry = json!(PostableAlert::new(&alert, alert.starts_at - past, Duration::ZERO));
            assert_eq!(entry["endsAt"], entry["startsAt"]);
        }
    }

    #[test]
    fn a_resolved_alert_does_not_end_in_the_future() {
        let resolved = test_alert("R", AlertStatus::Resolved);
        let now = resolved.ends_at.unwrap() - Duration::from_millis(1);
        let entry = json!(PostableAlert::new(&resolved, now, Duration::ZERO));
        assert_eq!(entry["endsAt"], "2026-11-18T11:07:13.999Z");
    }
}
