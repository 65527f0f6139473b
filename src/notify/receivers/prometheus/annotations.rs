//! An alert's annotations for Alertmanager.

use std::{collections::BTreeMap, time::SystemTime};

use crate::alert::{Alert, AlertStatus};
use crate::text::whole_seconds;

/// The labels or the annotations of an alert.
pub(crate) type Labels = BTreeMap<String, String>;

/// The annotations: `summary`, `description`, `runbook_url` and `dashboard_url`.
pub(crate) fn annotations(alert: &Alert) -> Labels {
    // A report's error is its summary; its context goes into the description.
    let summary = alert.summary.clone().filter(|_| alert.failure().is_none());
    let summary = summary.unwrap_or_else(|| alert.measured());
    let mut annotations = vec![("summary", summary), ("description", description(alert))];
    let links = [("runbook_url", &alert.runbook), ("dashboard_url", &alert.dashboard)];
    let links = links.into_iter().filter_map(|(name, url)| Some((name, url.clone()?)));
    annotations.extend(links);
    let annotations = annotations.into_iter().map(|(name, value)| (name.to_owned(), value));
    annotations.filter(|(_, value)| !value.is_empty()).collect()
}

/// The measured value and the condition, then the top routes or the impact, the reported
/// errors, a report's context, and the notes on silences and acknowledgements.
fn description(alert: &Alert) -> String {
    let mut text = format!("{} ({})", alert.measured(), alert.condition());
    match alert.status {
        AlertStatus::Firing => {
            for top in alert.top() {
                text.push_str(&format!("; {top}"));
            }
        }
        AlertStatus::Resolved => text.push_str(&format!(
            "; lasted {} · {}",
            whole_seconds(alert.lasted(alert.starts_at)),
            alert.tally()
        )),
    }
    for line in alert.text_counts() {
        text.push('\n');
        text.push_str(&line);
    }
    if let (Some(_), Some(context)) = (alert.failure(), &alert.summary) {
        text.push('\n');
        text.push_str(context);
    }
    if let Some(suppressed) = &alert.suppressed {
        text.push_str(&format!("\n{suppressed}"));
    }
    if let Some(acknowledged) = &alert.acknowledged {
        text.push_str(&format!("\n{acknowledged}"));
    }
    text
}

/// A time in Go's format: RFC 3339, without trailing zeros in the fraction.
pub(crate) fn instant(time: SystemTime) -> String {
    let text = humantime::format_rfc3339_nanos(time).to_string();
    let digits = text.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.');
    format!("{digits}Z")
}

/// When a resolved alert ended, but not before its start, even if the clock was set back.
pub(crate) fn ended(alert: &Alert) -> Option<SystemTime> {
    alert.ends_at.map(|end| end.max(alert.starts_at))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::{
        alert::{Contribution, Failure, test_alert, test_report},
        operation::{MethodLabel, Operation},
        rule::{Severity, Signal},
    };

    fn shown(labels: &Labels) -> String {
        let pairs: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join(" ")
    }

    #[test]
    fn a_change_keeps_the_labels_and_updates_the_annotations() {
        let mut firing = test_alert("R", AlertStatus::Firing);
        firing.breach_mut().unwrap().top = vec![Contribution {
            operation: Operation::of_server(MethodLabel::Post, "/orders"),
            share: 0.83,
            detail: "85 of 410 failed (20.7%), 83% of all failures".to_owned(),
        }];
        firing.summary = Some("Too many requests fail.".to_owned());
        firing.runbook = Some("https://wiki.example.com/errors".to_owned());
        firing.dashboard = Some("https://grafana.example.com/d/1".to_owned());
        let resolved = test_alert("R", AlertStatus::Resolved);
        assert_eq!(firing.identifying_labels(), resolved.identifying_labels());
        assert_eq!(
            shown(&annotations(&firing)),
            "dashboard_url=https://grafana.example.com/d/1 \
             description=error ratio 20.3% (threshold: above 1%); POST /orders: 85 of 410 failed \
             (20.7%), 83% of all failures runbook_url=https://wiki.example.com/errors summary=Too many \
             requests fail."
        );
        assert_eq!(
            shown(&annotations(&resolved)),
            "description=error ratio 0.2% (threshold: above 1%); lasted 34s · peak 22.1% · 412 of \
             1800 requests failed during the incident summary=error ratio 0.2%"
        );
    }

    #[test]
    fn a_firing_burn_rate_shows_how_long_the_budget_lasts() {
        let of = |status| {
            let mut alert = test_alert("ErrorBudgetBurn", status);
            let breach = alert.breach_mut().unwrap();
            breach.signal = Signal::BurnRate { objective: 0.999 };
            (breach.value, breach.peak, breach.threshold) = (Some(21.34), 40.0, 14.4);
            shown(&annotations(&alert))
        };
        assert_eq!(
            of(AlertStatus::Firing),
            "description=burn rate 21.3, which spends the 30-day error budget of the 99.9% objective in 1.4 days \
             (threshold: above 14.4) summary=burn rate 21.3, which spends the 30-day error budget of \
             the 99.9% objective in 1.4 days"
        );
        assert_eq!(
            of(AlertStatus::Resolved),
            "description=burn rate 21.3 (threshold: above 14.4); lasted 34s · peak 40 · 412 of \
             1800 requests failed during the incident summary=burn rate 21.3"
        );
    }

    #[test]
    fn a_report_shows_its_error_and_its_context() {
        let failure = Failure {
            causes: vec!["the event was not sent".to_owned(), "no broker".to_owned()],
            error_type: "orders::EventError".into(),
            call_site: "src/events.rs:42".to_owned(),
            fields: vec![("order".into(), "4711".to_owned())],
            count: 1,
            total: 1,
            ..Failure::default()
        };
        let origin = test_alert("R", AlertStatus::Firing).origin;
        let name = "OrderEventLost".into();
        let alert = Alert::of_failure(&name, Severity::Critical, failure, UNIX_EPOCH, &origin);
        let labels = alert.identifying_labels();
        assert_eq!(labels["call_site"], "src/events.rs:42");
        assert_eq!(labels["error_type"], "orders::EventError");
        assert_eq!(
            shown(&annotations(&alert)),
            "description=the event was not sent: no broker (reported at src/events.rs:42)\norder: \
             4711 summary=the event was not sent: no broker"
        );
    }

    #[test]
    fn several_reports_are_described_by_each_of_their_texts() {
        let alert = test_report();
        assert_eq!(alert.identifying_labels()["group"], "POST /orders");
        assert_eq!(
            annotations(&alert)["description"],
            "not sent: <no broker> (reported 3 times in 1m at src/orders.rs:42)\n2× not sent: <no \
             broker>\n1× no stock\norder: 4711"
        );
    }

    #[test]
    fn a_time_has_no_trailing_zeros() {
        let at = |nanos| instant(UNIX_EPOCH + Duration::from_nanos(nanos));
        assert_eq!(at(20_000_000_000), "1970-01-01T00:00:20Z");
        assert_eq!(at(20_500_000_000), "1970-01-01T00:00:20.5Z");
        assert_eq!(at(1), "1970-01-01T00:00:00.000000001Z");
    }

    #[test]
    fn an_alert_does_not_end_before_it_starts() {
        let mut alert = test_alert("R", AlertStatus::Resolved);
        alert.ends_at = Some(alert.starts_at - Duration::from_secs(5));
        assert_eq!(ended(&alert), Some(alert.starts_at));
        alert.ends_at = None;
        assert_eq!(ended(&alert), None);
    }
}
