use std::time::{Duration, SystemTime};

use super::text::{clean, cut, one_line};
use crate::{
    alert::{Alert, AlertStatus, whole_seconds},
    notify::{
        Notification,
        notification::{TOLD_AGAIN, still, unknown_before},
    },
};

/// A user's own words, each, in characters.
const WORDS: usize = 600;

/// An address that is longer is shown, and no link.
const LINK: usize = 2_000;

/// How many alerts a mail tells in full, and how many labels of each: far less than the 100 kB at which
/// mail programs begin to fold a message away, unless users' words are very long.
pub(super) const IN_FULL: usize = 20;
const LABELS: usize = 20;

/// What a mail says of one alert, in words; text and HTML are made from it.
pub(super) struct Facts {
    pub(super) status: AlertStatus,
    pub(super) title: String,
    pub(super) measured: String,
    /// What it is compared with, and what it was measured over.
    pub(super) condition: String,
    pub(super) summary: Option<String>,
    pub(super) when: String,
    /// The distinct texts of the reports, each with its count.
    pub(super) texts: Vec<String>,
    /// Operations, and what each adds.
    pub(super) top: Vec<(String, String)>,
    /// What waited, was told before, or can't be known.
    pub(super) remarks: Vec<String>,
    /// Labels and addresses.
    pub(super) links: Vec<(&'static str, String)>,
    /// Where it comes from, and the labels.
    pub(super) origin: Vec<(String, String)>,
}

/// Those of the first alerts, and the titles of the others.
pub(super) fn facts(notification: &Notification, now: SystemTime) -> (Vec<Facts>, Vec<String>) {
    let told = notification.iter().take(IN_FULL);
    let rest = notification.iter().skip(IN_FULL).map(|(alert, changes)| title(alert, changes));
    (told.map(|(alert, changes)| Facts::new(alert, changes, now)).collect(), rest.collect())
}

impl Facts {
    fn new(alert: &Alert, changes: u32, now: SystemTime) -> Self {
        let is_firing = alert.status == AlertStatus::Firing;
        let condition = match alert.window.filter(|_| is_firing) {
            Some((over, requests)) => {
                format!("{} · {requests} requests in {}", alert.condition(), whole_seconds(over))
            }
            None => alert.condition(),
        };
        let merged = match changes {
            0 if is_firing => Some(TOLD_AGAIN.to_owned()),
            0 | 1 => None,
            _ => Some(format!("{changes} changes while this message waited; this is the last.")),
        };
        let unknown = alert.unknown_before.map(|start| unknown_before(&date(start)));
        Self {
            status: alert.status,
            title: title(alert, changes),
            // Of a report these are its causes, which have a bound of their own.
            measured: clean(&alert.measured()),
            condition,
            // It says what is wrong, and nothing is any more once it is resolved.
            summary: alert
                .summary
                .as_ref()
                .filter(|_| is_firing)
                .map(|text| cut(&clean(text), WORDS)),
            when: when(alert, now),
            texts: alert.text_counts().iter().map(|text| words(text)).collect(),
            top: alert
                .top
                .iter()
                .map(|top| (words(&top.operation.to_string()), top.detail.clone()))
                .collect(),
            remarks: merged.into_iter().chain(unknown).collect(),
            links: [("Runbook", &alert.runbook), ("Dashboard", &alert.dashboard)]
                .into_iter()
                .filter_map(|(label, url)| Some((label, cut(&one_line(url.as_ref()?), LINK))))
                .collect(),
            origin: origin(alert),
        }
    }
}

fn words(text: &str) -> String {
    cut(&one_line(text), WORDS)
}

fn title(alert: &Alert, changes: u32) -> String {
    words(&still(alert.title(), changes))
}

fn when(alert: &Alert, now: SystemTime) -> String {
    let since = date(alert.starts_at);
    let lasted = alert.lasted(now);
    match alert.status {
        AlertStatus::Firing if lasted < Duration::from_secs(1) => format!("since {since}"),
        AlertStatus::Firing => format!("since {since} ({})", whole_seconds(lasted)),
        AlertStatus::Resolved => {
            format!("lasted {} from {since} · {}", whole_seconds(lasted), alert.tally())
        }
    }
}

/// A moment as people read it; whose time zone that is, a mail can't know.
fn date(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string().replace('T', " ").replace('Z', " UTC")
}

fn origin(alert: &Alert) -> Vec<(String, String)> {
    let origin = &alert.origin;
    let mut parts =
        vec![("service", words(&origin.service)), ("instance", words(&origin.instance))];
    parts.extend(origin.version.as_ref().map(|version| ("version", words(version))));
    parts.push(("severity", alert.severity.to_string()));
    let labels = alert.labels.iter().take(LABELS).map(|(name, value)| (words(name), words(value)));
    parts.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(labels).collect()
}
