use std::time::SystemTime;

use crate::{
    alert::{Alert, AlertStatus},
    notify::{
        Notification,
        receivers::chat::text::{cut, cut_line, impact, time_line, utc},
    },
    text::{count, whole_seconds},
};

/// The longest text of a user, in characters.
const LONGEST_TEXT: usize = 600;

/// The longest address of a link, in characters. A longer one is cut and is not a link.
const LONGEST_LINK: usize = 2_000;

/// How many alerts have a section, and how many labels a section shows. Such a mail stays far below
/// the 100 kB at which mail programs begin to clip a message, unless users' texts are very long.
const SECTIONS: usize = 20;
const LABELS: usize = 20;

/// One alert in a mail. Plain text and HTML are both made from it.
pub(super) struct Section {
    pub(super) status: AlertStatus,
    pub(super) title: String,
    pub(super) measured: String,
    /// The threshold, and what the value was measured over.
    pub(super) condition: String,
    pub(super) summary: Option<String>,
    pub(super) when: String,
    /// The peak and the failed requests, or the number of reports.
    pub(super) impact: Option<String>,
    /// The distinct texts of the reports, each with its count.
    pub(super) texts: Vec<String>,
    /// The operations that contribute most, each with its contribution.
    pub(super) top: Vec<(String, String)>,
    /// Notes on merged changes, on a repeat, and on alerts before the start.
    pub(super) remarks: Vec<String>,
    /// Labels and addresses.
    pub(super) links: Vec<(&'static str, String)>,
    /// The service, its instance, its version, the severity and the alert's labels.
    pub(super) origin: Vec<(String, String)>,
}

/// The sections of the first alerts, and the titles of the others.
pub(super) fn sections(
    notification: &Notification,
    now: SystemTime,
) -> (Vec<Section>, Vec<String>) {
    let first = notification.iter().take(SECTIONS);
    let rest = notification.iter().skip(SECTIONS).map(|(alert, changes)| title(alert, changes));
    (first.map(|(alert, changes)| Section::new(alert, changes, now)).collect(), rest.collect())
}

impl Section {
    fn new(alert: &Alert, changes: u32, now: SystemTime) -> Self {
        let is_firing = alert.status == AlertStatus::Firing;
        let condition = match alert.breach().and_then(|breach| breach.window).filter(|_| is_firing)
        {
            Some((over, requests)) => {
                let requests = count(requests, "request");
                format!("{} · {requests} in {}", alert.condition(), whole_seconds(over))
            }
            None => alert.condition(),
        };
        // The summary describes the problem, which is over once the alert is resolved.
        let summary = alert.summary.as_ref().filter(|_| is_firing);
        let top = alert.top().iter();
        let links = [("Runbook", &alert.runbook), ("Dashboard", &alert.dashboard)].into_iter();
        Self {
            status: alert.status,
            title: title(alert, changes),
            // A report's causes, which have a bound of their own.
            measured: cut(&alert.measured(), usize::MAX),
            condition,
            summary: summary.map(|text| cut(text, LONGEST_TEXT)),
            when: time_line(alert, now, utc),
            impact: impact(alert),
            texts: alert.text_counts().iter().map(|text| line(text)).collect(),
            top: top.map(|top| (line(&top.operation.to_string()), top.detail.clone())).collect(),
            remarks: remarks(alert, changes),
            links: links
                .filter_map(|(label, url)| Some((label, cut_line(url.as_ref()?, LONGEST_LINK))))
                .collect(),
            origin: origin(alert),
        }
    }
}

fn line(text: &str) -> String {
    cut_line(text, LONGEST_TEXT)
}

fn remarks(alert: &Alert, changes: u32) -> Vec<String> {
    let mut remarks = Notification::notes_on(alert, changes, utc);
    remarks.extend(alert.suppressed.iter().map(|suppressed| suppressed.note(utc, line)));
    remarks.extend(alert.acknowledged.iter().map(|acknowledged| acknowledged.note(utc, line)));
    remarks
}

fn title(alert: &Alert, changes: u32) -> String {
    line(&Notification::title_of(alert, changes))
}

fn origin(alert: &Alert) -> Vec<(String, String)> {
    let origin = &alert.origin;
    let mut parts = vec![("service", line(&origin.service)), ("instance", line(&origin.instance))];
    parts.extend(origin.version.as_ref().map(|version| ("version", line(version))));
    parts.push(("severity", alert.severity.to_string()));
    let labels = alert.labels.iter().take(LABELS).map(|(name, value)| (line(name), line(value)));
    parts.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(labels).collect()
}
