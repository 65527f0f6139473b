//! Alerts on faults that a process cannot see itself: its death, failed scrapes and notifications,
//! and a difference to the other replicas.

use std::time::Duration;

use super::{
    counts::Counts,
    template,
    yaml::{Alert, Entry},
};
use crate::{
    facade::{DROPPED, FAILED, REPORTS, SENT, UNROUTED},
    generate::{
        count_kind::CountKind,
        promql::{Matcher, duration, indented, selector},
    },
    rule::{Scope, Severity},
};

/// The parts of an alert that differ from the others.
struct Outside {
    name: &'static str,
    severity: Severity,
    hold_for: Option<Duration>,
    expr: String,
    summary: &'static str,
    description: String,
}

const MINUTE: Duration = Duration::from_secs(60);

/// Returns all of these alerts.
pub(super) fn alerts(counts: &mut Counts<'_>) -> Vec<Entry> {
    let mut all = reachability(counts);
    all.push(stopped(counts));
    all.extend(notifications(counts));
    all.extend(replicas(counts));
    all.push(reports(counts));
    all.into_iter().map(|outside| Entry::Alert(Box::new(outside.alert(counts)))).collect()
}

impl Outside {
    fn alert(self, counts: &Counts<'_>) -> Alert {
        let mut alert = Alert {
            name: self.name.to_owned(),
            expr: self.expr,
            hold_for: self.hold_for.map(duration),
            annotations: vec![
                ("summary", self.summary.to_owned()),
                ("description", self.description),
            ],
            ..Alert::default()
        };
        alert.label("severity", self.severity.as_str());
        alert.label("service", &counts.exports.service);
        alert
    }
}

fn reachability(counts: &Counts<'_>) -> Vec<Outside> {
    let up = selector("up", &[Matcher::equal("job", counts.job)]);
    let age = counts.age();
    let lookback = duration(counts.lookback());
    let instance = template::label("instance");
    vec![
        Outside {
            name: "LookoutTargetsAbsent",
            severity: Severity::Critical,
            hold_for: Some(5 * MINUTE),
            expr: format!("absent({up})"),
            summary: "Prometheus scrapes no instance of the service.",
            description: format!(
                "No target has the job {}. The service is gone, or the scrape configuration has another \
                 job: then none of these rules can fire.",
                template::literal(counts.job)
            ),
        },
        Outside {
            name: "LookoutInstanceDown",
            severity: Severity::Critical,
            hold_for: Some(MINUTE),
            expr: format!("{up} == 0"),
            summary: "An instance does not answer the scrape.",
            description: format!(
                "{instance} has crashed, hangs or is not reachable. It cannot alert by itself."
            ),
        },
        Outside {
            name: "LookoutScrapesFail",
            severity: Severity::Warning,
            hold_for: Some(5 * MINUTE),
            expr: format!("avg_over_time({up}[10m]) < 0.9\nand {up} == 1"),
            summary: "Some scrapes of an instance fail.",
            description: format!(
                "Prometheus reached {instance} in {} of the scrapes of 10 minutes. The other rules see \
                 gaps.",
                "{{ $value | humanizePercentage }}"
            ),
        },
        Outside {
            name: "LookoutMetricsAbsent",
            severity: Severity::Warning,
            hold_for: Some(5 * MINUTE),
            expr: format!("{up} == 1\nunless on (job, instance) last_over_time({age}[{lookback}])"),
            summary: "An instance exports no metrics of the lookout.",
            description: format!(
                "{instance} answers the scrape without them. No recorder is installed, or the metrics \
                 have another prefix or other labels."
            ),
        },
    ]
}

/// Returns the alert for a lookout's thread that has ended, or hangs.
fn stopped(counts: &Counts<'_>) -> Outside {
    let (age, lookback) = (counts.age(), duration(counts.lookback()));
    let instance = template::label("instance");
    Outside {
        name: "LookoutStopped",
        severity: Severity::Critical,
        hold_for: Some(MINUTE),
        expr: format!("{age} - last_over_time({age}[{lookback}] offset {lookback}) == 0"),
        summary: "The lookout of an instance evaluates no rules.",
        description: format!(
            "The lookout of {instance} counts no ticks, while the process answers the scrape. It has \
             shut down, or its thread hangs."
        ),
    }
}

fn notifications(counts: &Counts<'_>) -> Vec<Outside> {
    // Each counter exists from the start of the lookout, so `increase` misses no first value.
    let increase = |name| format!("increase({}[10m])", counts.own(name, &[]));
    let [instance, notifier] = ["instance", "notifier"].map(template::label);
    vec![
        Outside {
            name: "LookoutNotificationsFail",
            severity: Severity::Critical,
            hold_for: None,
            expr: format!("{} > 0\nunless {} > 0", increase(FAILED), increase(SENT)),
            summary: "A notifier delivers no messages.",
            description: format!(
                "Each delivery of {notifier} on {instance} failed in the last 10 minutes."
            ),
        },
        Outside {
            name: "LookoutNotificationsDropped",
            severity: Severity::Critical,
            hold_for: None,
            expr: format!("{} > 0", increase(DROPPED)),
            summary: "A notifier dropped alerts.",
            description: format!(
                "{notifier} on {instance} dropped changes of alerts in the last 10 minutes. The log \
                 names each of them."
            ),
        },
        Outside {
            name: "LookoutNotificationsUnrouted",
            severity: Severity::Warning,
            hold_for: None,
            expr: format!("{} > 0", increase(UNROUTED)),
            summary: "No notifier accepts an alert.",
            description: format!(
                "Alerts of {instance} match no notifier in the last 10 minutes: add one, or widen its \
                 matcher."
            ),
        },
    ]
}

/// The window in which replicas are compared.
const COMPARED: Duration = Duration::from_secs(5 * 60);

fn replicas(counts: &mut Counts<'_>) -> Vec<Outside> {
    let job = counts.job_labels();
    let mut of = |kind| counts.of(kind, &Scope::Service, COMPARED);
    let (errors, requests) = (of(CountKind::Errors), of(CountKind::Requests));
    let (seconds, durations) = (of(CountKind::Seconds), of(CountKind::Durations));
    // The ratio of all other replicas.
    let others = |hits: &str, total: &str| {
        let rest =
            |count: &str| format!("(sum by ({job}) ({count}) - on ({job}) group_right () {count})");
        format!("({} / {})", rest(hits), rest(total))
    };
    let (ratio, mean) = (format!("{errors} / {requests}"), format!("{seconds} / {durations}"));
    let (other_ratio, other_mean) = (others(&errors, &requests), others(&seconds, &durations));
    let instance = template::label("instance");
    vec![
        Outside {
            name: "LookoutReplicaFailsMore",
            severity: Severity::Warning,
            hold_for: Some(2 * MINUTE),
            expr: format!("{ratio} > 0.01\nand {errors} >= 10\nand {ratio} > 3 * {other_ratio}"),
            summary: "One replica fails more than the others.",
            description: format!(
                "{} of the requests of {instance} fail, more than three times the share of the other \
                 replicas. Look at its host, its configuration and its version.",
                "{{ $value | humanizePercentage }}"
            ),
        },
        Outside {
            name: "LookoutReplicaSlower",
            severity: Severity::Warning,
            hold_for: Some(2 * MINUTE),
            expr: format!("{mean} > 2 * {other_mean}\nand {mean} > 0.1\nand {durations} >= 20"),
            summary: "One replica is slower than the others.",
            description: format!(
                "The mean response time of {instance} is {}, more than twice that of the other \
                 replicas. Look at its host, its configuration and its version.",
                "{{ $value | humanizeDuration }}"
            ),
        },
    ]
}

/// Returns the alert for failures that the application reports. The lookout alerts on them at once.
fn reports(counts: &Counts<'_>) -> Outside {
    let reports = counts.own(REPORTS, &[Matcher::equal("severity", Severity::Critical.as_str())]);
    Outside {
        name: "LookoutCriticalReport",
        severity: Severity::Critical,
        hold_for: None,
        expr: format!("(\n{}\n) > 0", indented(&counts.increase(&reports, COMPARED))),
        summary: "The application reported a critical failure.",
        description: format!(
            "{} reported {} in the last 5 minutes. The log of the lookout has the error.",
            template::label("instance"),
            template::label("report")
        ),
    }
}
