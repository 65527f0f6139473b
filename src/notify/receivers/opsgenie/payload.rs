use std::time::SystemTime;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::{
    alert::{Alert, AlertStatus},
    notify::receivers::{
        chat::{
            render::{Markup, joined, lines, origin},
            text::{cut, utc},
        },
        incident::{dedup_key, summary},
    },
    rule::Severity,
};

/// Opsgenie's limits, in characters: <https://docs.opsgenie.com/docs/alert-api#create-alert>.
const MESSAGE: usize = 130;
const ALIAS: usize = 512;
const DESCRIPTION: usize = 15_000;
const SOURCE: usize = 100;
const ENTITY: usize = 512;
const NOTE: usize = 25_000;
const TAG: usize = 50;

/// The most tags of an alert.
const TAGS: usize = 20;

/// The part of a description for the origin and the labels.
const ORIGIN: usize = 4_000;

/// A request, with its body.
#[derive(Debug)]
pub(super) enum Action {
    Create(Value),
    /// With the path from the folder of the resource `alerts`.
    Close(String, Value),
}

/// The requests for a change. An alert that resolved before it was delivered is created and closed:
/// Opsgenie ignores the close of an unknown alert.
pub(super) fn actions(alert: &Alert, changes: u32, now: SystemTime) -> Vec<Action> {
    let undelivered = alert.as_it_fired().filter(|_| changes > 1);
    let created = undelivered.map(|fired| create(&fired, 1, now));
    let last = match alert.status {
        AlertStatus::Firing => create(alert, changes, now),
        AlertStatus::Resolved => close(alert, changes, now),
    };
    created.into_iter().chain([last]).collect()
}

fn create(alert: &Alert, changes: u32, now: SystemTime) -> Action {
    let tags = alert.labels.iter().take(TAGS);
    let tags: Vec<_> = tags.map(|(name, value)| cut(&format!("{name}:{value}"), TAG)).collect();
    Action::Create(json!({
        "message": cut(&summary(alert), MESSAGE),
        "alias": dedup_key(alert, ALIAS),
        "description": description(alert, changes, now, DESCRIPTION),
        "priority": priority(alert.severity),
        "source": cut(&alert.origin.instance, SOURCE),
        "entity": cut(&alert.origin.service, ENTITY),
        "tags": tags,
    }))
}

fn close(alert: &Alert, changes: u32, now: SystemTime) -> Action {
    let alias = dedup_key(alert, ALIAS);
    let alias = utf8_percent_encode(&alias, NON_ALPHANUMERIC);
    let body = json!({
        "source": cut(&alert.origin.instance, SOURCE),
        "note": description(alert, changes, now, NOTE),
    });
    Action::Close(format!("alerts/{alias}/close?identifierType=alias"), body)
}

fn description(alert: &Alert, changes: u32, now: SystemTime, most: usize) -> String {
    let mut lines = lines::<PlainText>(alert, changes, now);
    lines.push(origin::<PlainText>(alert, ORIGIN));
    joined::<PlainText>(lines, "\n", most)
}

fn priority(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "P1",
        Severity::Warning => "P3",
        Severity::Info => "P5",
    }
}

/// Opsgenie shows a description as it is.
struct PlainText;

impl Markup for PlainText {
    fn escape(character: char, into: &mut String) {
        into.push(character);
    }

    fn bold(escaped: &str) -> String {
        escaped.to_owned()
    }

    fn italic(escaped: &str) -> String {
        escaped.to_owned()
    }

    fn code(escaped: &str) -> String {
        escaped.to_owned()
    }

    fn escape_address(character: char, into: &mut String) {
        into.push(character);
    }

    fn link(address: &str, label: &str) -> String {
        format!("{label}: {address}")
    }

    fn date(time: SystemTime) -> String {
        utc(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::test_alert;

    fn only(alert: &Alert) -> Action {
        let mut actions = actions(alert, 1, alert.starts_at);
        assert_eq!(actions.len(), 1);
        actions.remove(0)
    }

    #[test]
    fn a_firing_alert_creates_an_alert_with_its_alias_and_priority() {
        let mut alert = test_alert("HighErrorRatio", AlertStatus::Firing);
        alert.labels.insert("team".to_owned(), "shop".to_owned());
        let Action::Create(body) = only(&alert) else { panic!("no create") };
        assert_eq!(body["alias"], "orders host-1:42 HighErrorRatio orders 6be83f99f9bc8014");
        assert_eq!(body["priority"], "P1");
        assert_eq!((&body["source"], &body["entity"]), (&json!("host-1:42"), &json!("orders")));
        assert_eq!(body["tags"], json!(["team:shop"]));
        assert_eq!(
            body["message"],
            "orders: HighErrorRatio: error ratio 20.3% (threshold: above 1%)"
        );
        let description = body["description"].as_str().unwrap();
        assert!(
            description.starts_with("error ratio 20.3% · threshold: above 1%"),
            "{description}"
        );
        assert!(description.contains("service orders · instance host-1:42"), "{description}");
    }

    #[test]
    fn a_resolve_closes_the_alert_with_the_same_alias() {
        let alert = test_alert("HighErrorRatio", AlertStatus::Resolved);
        let Action::Close(path, body) = only(&alert) else { panic!("no close") };
        assert_eq!(
            path,
            "alerts/orders%20host%2D1%3A42%20HighErrorRatio%20orders%206be83f99f9bc8014/close\
             ?identifierType=alias"
        );
        assert!(body["note"].as_str().unwrap().contains("lasted"), "{body}");
    }

    #[test]
    fn an_alert_that_resolved_before_its_delivery_is_created_and_closed() {
        let alert = test_alert("HighErrorRatio", AlertStatus::Resolved);
        let actions = actions(&alert, 2, alert.starts_at);
        assert!(matches!(&actions[..], [Action::Create(_), Action::Close(..)]), "{actions:?}");
    }

    #[test]
    fn each_field_keeps_to_its_limit() {
        let mut alert = test_alert(&"R".repeat(20_000), AlertStatus::Firing);
        alert.summary = Some("s".repeat(20_000));
        for number in 0..100 {
            alert.labels.insert(format!("label-{number}"), "v".repeat(1_000));
        }
        let Action::Create(body) = only(&alert) else { panic!("no create") };
        let length = |field: &str| body[field].as_str().unwrap().chars().count();
        assert!(length("message") <= MESSAGE && length("alias") <= ALIAS);
        assert!(length("description") <= DESCRIPTION);
        let tags = body["tags"].as_array().unwrap();
        assert_eq!(tags.len(), TAGS);
        assert!(tags.iter().all(|tag| tag.as_str().unwrap().chars().count() <= TAG));
    }
}
