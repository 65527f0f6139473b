use std::time::SystemTime;

use serde_json::{Map, Value, json};

use crate::{
    alert::{Alert, AlertStatus},
    notify::receivers::{
        chat::text::cut,
        incident::{dedup_key, summary},
    },
    rule::Severity,
    text::{count, whole_seconds},
};

/// PagerDuty's limits, in characters: <https://developer.pagerduty.com/docs/send-alert-event>.
const SUMMARY: usize = 1_024;
const DEDUP_KEY: usize = 255;

/// The longest text from a user, in characters, and the most labels. They keep an event below
/// PagerDuty's limit of 512 KB.
const MAX_TEXT: usize = 1_000;
const LABELS: usize = 50;

/// The event of a change. An alert that resolved before it was delivered has two, a trigger and a
/// resolve: PagerDuty ignores a resolve without a trigger.
pub(super) fn events(routing_key: &str, alert: &Alert, changes: u32) -> Vec<String> {
    let undelivered = alert.as_it_fired().filter(|_| changes > 1);
    let trigger = undelivered.map(|fired| event(routing_key, &fired, 1));
    let events = trigger.into_iter().chain([event(routing_key, alert, changes)]);
    events.map(|event| event.to_string()).collect()
}

fn event(routing_key: &str, alert: &Alert, changes: u32) -> Value {
    let (action, time) = match alert.status {
        AlertStatus::Firing => ("trigger", alert.starts_at),
        AlertStatus::Resolved => ("resolve", alert.ends_at.unwrap_or(alert.starts_at)),
    };
    let mut event = json!({
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": dedup_key(alert, DEDUP_KEY),
        "client": "tower-lookout",
        "payload": {
            "summary": cut(&summary(alert), SUMMARY),
            "source": cut(&alert.origin.instance, MAX_TEXT),
            "severity": severity(alert.severity),
            "timestamp": humantime::format_rfc3339_millis(time).to_string(),
            "component": cut(&alert.target_name(), MAX_TEXT),
            "group": cut(&alert.origin.service, MAX_TEXT),
            "class": cut(&alert.name, MAX_TEXT),
            "custom_details": details(alert, changes, time),
        },
    });
    let links: Vec<_> = [("Runbook", &alert.runbook), ("Dashboard", &alert.dashboard)]
        .into_iter()
        .filter_map(|(text, url)| Some((text, url.as_ref().filter(|url| is_link(url))?)))
        .map(|(text, url)| json!({"href": url, "text": text}))
        .collect();
    if !links.is_empty() {
        event["links"] = links.into();
    }
    event
}

/// Whether PagerDuty accepts this URL. It rejects an event with an invalid link.
fn is_link(url: &str) -> bool {
    let is_address = url.starts_with("http://") || url.starts_with("https://");
    is_address && url.len() <= MAX_TEXT && url.bytes().all(|byte| byte.is_ascii_graphic())
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

/// The details, which PagerDuty shows as a table.
fn details(alert: &Alert, changes: u32, time: SystemTime) -> Value {
    let mut details = Map::new();
    let mut add = |name: &str, value: &str| {
        details.insert(cut(name, MAX_TEXT), cut(value, MAX_TEXT).into());
    };
    for (name, value) in alert.labels.iter().take(LABELS) {
        add(name, value);
    }
    // Added after the labels, so that a label can't replace them.
    if let Some(summary) = &alert.summary {
        add("summary", summary);
    }
    add("measured", &alert.measured());
    add("condition", &alert.condition());
    if let Some((over, requests)) = alert.breach().and_then(|breach| breach.window) {
        add("window", &format!("{} in {}", count(requests, "request"), whole_seconds(over)));
    }
    if alert.status == AlertStatus::Resolved {
        add("lasted", &whole_seconds(alert.lasted(time)).to_string());
        add("impact", &alert.tally());
    }
    for (number, text) in alert.text_counts().iter().enumerate() {
        add(&format!("text_{}", number + 1), text);
    }
    for (number, top) in alert.top().iter().enumerate() {
        add(&format!("top_{}", number + 1), &top.to_string());
    }
    if changes > 1 {
        add("changes", &format!("{changes} were merged into this event"));
    }
    for (name, url) in [("runbook", &alert.runbook), ("dashboard", &alert.dashboard)] {
        if let Some(url) = url {
            add(name, url);
        }
    }
    add("service", &alert.origin.service);
    add("instance", &alert.origin.instance);
    if let Some(version) = &alert.origin.version {
        add("version", version);
    }
    details.into()
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
