use std::time::SystemTime;

use serde_json::{Map, Value, json};

use crate::{
    alert::{Alert, AlertStatus, Target, whole_seconds},
    notify::receivers::{chat::text::cut, stable_hash::stable_hash},
    rule::Severity,
};

/// PagerDuty's limits, in characters: <https://developer.pagerduty.com/docs/send-alert-event>.
const SUMMARY: usize = 1_024;
const DEDUP_KEY: usize = 255;

/// A user's own words, each, and how many labels: they keep an event below PagerDuty's 512 KB.
const WORDS: usize = 1_000;
const LABELS: usize = 50;

/// What opens an alert, or closes it; of one that was resolved before it could be told, what opens it, and
/// then what closes it, since a resolve alone is nothing that PagerDuty shows.
pub(super) fn events(routing_key: &str, alert: &Alert, changes: u32) -> Vec<String> {
    let untold = alert.as_it_fired().filter(|_| changes > 1);
    let opens = untold.map(|fired| event(routing_key, &fired, 1));
    opens.into_iter().chain([event(routing_key, alert, changes)]).map(|e| e.to_string()).collect()
}

fn event(routing_key: &str, alert: &Alert, changes: u32) -> Value {
    let (action, time) = match alert.status {
        AlertStatus::Firing => ("trigger", alert.starts_at),
        AlertStatus::Resolved => ("resolve", alert.ends_at.unwrap_or(alert.starts_at)),
    };
    let mut event = json!({
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": dedup_key(alert),
        "client": "tower-lookout",
        "payload": {
            "summary": cut(&summary(alert), SUMMARY),
            "source": cut(&alert.origin.instance, WORDS),
            "severity": severity(alert.severity),
            "timestamp": humantime::format_rfc3339_millis(time).to_string(),
            "component": cut(&alert.target_name(), WORDS),
            "group": cut(&alert.origin.service, WORDS),
            "class": cut(&alert.name, WORDS),
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

/// Whether it leads somewhere; PagerDuty takes no event with another.
fn is_link(url: &str) -> bool {
    let is_address = url.starts_with("http://") || url.starts_with("https://");
    is_address && url.len() <= WORDS && url.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What is read out on the phone: the service, the rule, what it judged, and how bad it is. No state,
/// since it is the title of an alert that is resolved later.
fn summary(alert: &Alert) -> String {
    let target = match &alert.target {
        Target::Service => String::new(),
        Target::CallSite(_) if alert.group().is_empty() => String::new(),
        _ => format!(" · {}", alert.target_name()),
    };
    let (service, rule) = (&alert.origin.service, &alert.name);
    format!("{service}: {rule}{target}: {} ({})", alert.measured(), alert.condition())
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

/// What PagerDuty shows as a table.
fn details(alert: &Alert, changes: u32, time: SystemTime) -> Value {
    let mut details = Map::new();
    let mut say = |name: &str, value: &str| {
        details.insert(cut(name, WORDS), cut(value, WORDS).into());
    };
    for (name, value) in alert.labels.iter().take(LABELS) {
        say(name, value);
    }
    // After the labels, which can't stand in the place of these.
    if let Some(summary) = &alert.summary {
        say("summary", summary);
    }
    say("measured", &alert.measured());
    say("condition", &alert.condition());
    if let Some((over, requests)) = alert.breach().and_then(|breach| breach.window) {
        say("window", &format!("{requests} requests in {}", whole_seconds(over)));
    }
    if alert.status == AlertStatus::Resolved {
        say("lasted", &whole_seconds(alert.lasted(time)).to_string());
        say("impact", &alert.tally());
    }
    for (number, text) in alert.text_counts().iter().enumerate() {
        say(&format!("text_{}", number + 1), text);
    }
    for (number, top) in alert.top().iter().enumerate() {
        say(&format!("top_{}", number + 1), &top.to_string());
    }
    if changes > 1 {
        say("changes", &format!("{changes} while this event waited; this is the last"));
    }
    for (name, url) in [("runbook", &alert.runbook), ("dashboard", &alert.dashboard)] {
        if let Some(url) = url {
            say(name, url);
        }
    }
    say("service", &alert.origin.service);
    say("instance", &alert.origin.instance);
    if let Some(version) = &alert.origin.version {
        say("version", version);
    }
    details.into()
}

/// Service, instance, rule, target, and the type and group of a reported error, as a person may find
/// them; the hash distinguishes what is cut, and where one ends and the next begins.
///
/// The instance is part of it: PagerDuty has one alert a key, and the first of several replicas to
/// recover would resolve it for all of them.
fn dedup_key(alert: &Alert) -> String {
    let target = match &alert.target {
        Target::CallSite(site) => site.clone(),
        _ => alert.target_name(),
    };
    let mut parts = vec![&*alert.origin.service, &alert.origin.instance, &alert.name, &target];
    match (alert.error_type(), alert.group()) {
        ("", "") => {}
        (error_type, "") => parts.push(error_type),
        (error_type, group) => parts.extend([error_type, group]),
    }
    let hash = stable_hash(&parts);
    let is_readable = |character: char| character.is_ascii_graphic() || character == ' ';
    let readable: String = parts
        .join(" ")
        .chars()
        .map(|character| if is_readable(character) { character } else { '_' })
        .take(DEDUP_KEY - " 0123456789abcdef".len())
        .collect();
    format!("{readable} {hash:016x}")
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
