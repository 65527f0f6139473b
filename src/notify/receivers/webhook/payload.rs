use serde::Serialize;

use crate::{
    alert::{Alert, AlertStatus},
    notify::receivers::prometheus::annotations::{Labels, annotations, ended, instant},
};

/// The body of Alertmanager's webhook, version 4, with the fields in Alertmanager's order:
/// <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payload {
    receiver: &'static str,
    status: &'static str,
    alerts: Vec<AlertPayload>,
    group_labels: Labels,
    common_labels: Labels,
    common_annotations: Labels,
    #[serde(rename = "externalURL")]
    external_url: &'static str,
    version: &'static str,
    group_key: String,
    truncated_alerts: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertPayload {
    status: &'static str,
    labels: Labels,
    annotations: Labels,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'static str,
    fingerprint: String,
}

/// The labels that alerts are grouped by. Each replica is a group of its own, so none resolves
/// another's.
const GROUPED_BY: [&str; 2] = ["instance", "service"];

/// Go's zero time.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

impl Payload {
    pub(super) fn new(alerts: &[Alert]) -> Self {
        let is_firing = alerts.iter().any(|alert| alert.status == AlertStatus::Firing);
        let alerts: Vec<_> = alerts.iter().map(AlertPayload::new).collect();
        let common_labels = common(alerts.iter().map(|alert| &alert.labels));
        let mut group_labels = common_labels.clone();
        group_labels.retain(|name, _| GROUPED_BY.contains(&&**name));
        Self {
            receiver: "tower-lookout",
            status: word(if is_firing { AlertStatus::Firing } else { AlertStatus::Resolved }),
            group_key: format!("{{}}:{}", written(&group_labels)),
            group_labels,
            common_labels,
            common_annotations: common(alerts.iter().map(|alert| &alert.annotations)),
            alerts,
            external_url: "",
            version: "4",
            truncated_alerts: 0,
        }
    }
}

impl AlertPayload {
    fn new(alert: &Alert) -> Self {
        let labels = alert.identifying_labels();
        Self {
            status: word(alert.status),
            fingerprint: format!("{:016x}", fingerprint(&labels)),
            labels,
            annotations: annotations(alert),
            starts_at: instant(alert.starts_at),
            ends_at: ended(alert).map_or_else(|| NO_TIME.to_owned(), instant),
            generator_url: "",
        }
    }
}

fn word(status: AlertStatus) -> &'static str {
    match status {
        AlertStatus::Firing => "firing",
        AlertStatus::Resolved => "resolved",
    }
}

/// The labels that all sets have with the same value.
fn common<'a>(mut all: impl Iterator<Item = &'a Labels>) -> Labels {
    let mut common = all.next().cloned().unwrap_or_default();
    for labels in all {
        common.retain(|name, value| labels.get(name) == Some(value));
    }
    common
}

/// A label set in Prometheus's notation.
fn written(labels: &Labels) -> String {
    let pairs: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// FNV-1a of the sorted labels, as Prometheus's `LabelSet.Fingerprint`.
fn fingerprint(labels: &Labels) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    const SEPARATOR: u8 = 0xff;

    let parts = labels.iter().flat_map(|(name, value)| [name, value]);
    let bytes = parts.flat_map(|part| part.bytes().chain([SEPARATOR]));
    bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::alert::{Target, test_alert};

    fn payload_of(alerts: &[Alert]) -> Value {
        serde_json::to_value(Payload::new(alerts)).unwrap()
    }

    fn set(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_payload_equals_alertmanagers_byte_for_byte() {
        let mut alert = test_alert("HighErrorRatio", AlertStatus::Firing);
        alert.summary = Some("Too many fail.".to_owned());
        let labels = r#"{"alertname":"HighErrorRatio","instance":"host-1:42","service":"orders","severity":"critical"}"#;
        let annotations = r#"{"description":"error ratio 20.3% (threshold: above 1%)","summary":"Too many fail."}"#;
        let alerts = [
            format!(r#"[{{"status":"firing","labels":{labels},"annotations":{annotations},"#),
            r#""startsAt":"2026-11-18T11:06:40Z","endsAt":"0001-01-01T00:00:00Z","#.to_owned(),
            format!(
                r#""generatorURL":"","fingerprint":"{:016x}"}}]"#,
                fingerprint(&alert.identifying_labels())
            ),
        ]
        .concat();
        let group = r#"{"instance":"host-1:42","service":"orders"}"#;
        let key = r#""{}:{instance=\"host-1:42\", service=\"orders\"}""#;
        let expected = [
            format!(r#"{{"receiver":"tower-lookout","status":"firing","alerts":{alerts},"#),
            format!(r#""groupLabels":{group},"commonLabels":{labels},"#),
            format!(r#""commonAnnotations":{annotations},"externalURL":"","version":"4","#),
            format!(r#""groupKey":{key},"truncatedAlerts":0}}"#),
        ]
        .concat();
        assert_eq!(serde_json::to_string(&Payload::new(&[alert])).unwrap(), expected);
    }

    #[test]
    fn common_labels_have_equal_values_and_one_firing_alert_makes_the_group_fire() {
        let resolved = test_alert("A", AlertStatus::Resolved);
        let mut firing = test_alert("B", AlertStatus::Firing);
        firing.target = Target::Route("GET /a".to_owned());
        let both = payload_of(&[resolved.clone(), firing]);
        assert_eq!(both["status"], "firing");
        assert_eq!(
            both["commonLabels"],
            json!({"instance": "host-1:42", "service": "orders", "severity": "critical"})
        );
        assert_eq!(both["commonAnnotations"], json!({}));
        assert_eq!(both["alerts"][0]["status"], "resolved");
        assert_eq!(both["alerts"][0]["endsAt"], "2026-11-18T11:07:14Z");
        assert_eq!(payload_of(&[resolved])["status"], "resolved");
    }

    #[test]
    fn user_text_is_escaped() {
        let mut alert = test_alert("Quote\"\\\n", AlertStatus::Firing);
        alert.runbook = Some("<script>\u{0}é".to_owned());
        let payload = payload_of(&[alert]);
        let read = &payload["alerts"][0];
        assert_eq!(read["labels"]["alertname"], "Quote\"\\\n");
        assert_eq!(read["annotations"]["runbook_url"], "<script>\u{0}é");
    }

    /// The expected values are from the tests of `github.com/prometheus/common/model`.
    #[test]
    fn a_fingerprint_equals_prometheuss() {
        assert_eq!(fingerprint(&set(&[])), 14_695_981_039_346_656_037);
        let garland = set(&[("name", "garland, briggs"), ("fear", "love is not enough")]);
        assert_eq!(fingerprint(&garland), 5_799_056_148_416_392_346);
        assert_ne!(
            fingerprint(&set(&[("ab", "c")])),
            fingerprint(&set(&[("a", "bc")])),
            "name and value are separated"
        );
    }
}
