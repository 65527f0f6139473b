#[cfg(feature = "state")]
pub(super) mod saved;

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{CallSite, Report};
use crate::{
    alert::{Alert, DistinctTexts, Failure, InOneLine, Origin},
    rule::Severity,
};

/// Groups reports, and decides when each group gets an alert. It reads no clock.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    groups: HashMap<GroupKey, Group>,
    /// The times of the immediate alerts of the last minute.
    immediate_at: Vec<Duration>,
    /// The time of the last batch of other alerts.
    last_batch_at: Duration,
}

/// Identifies a group: reports with the same key are one alert.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct GroupKey {
    name: Arc<str>,
    error_type: Cow<'static, str>,
    call_site: CallSite,
    group: Cow<'static, str>,
}

#[derive(Debug)]
struct Group {
    last: Evidence,
    first_at: SystemTime,
    last_at: Duration,
    /// Whether the alert fires until the task runs again, instead of for five minutes.
    is_lasting: bool,
    total: u64,
    /// The number of reports that no alert contains yet.
    unsent: u64,
    /// The texts of those reports.
    texts: DistinctTexts,
    /// The time of the last alert.
    alerted_at: Option<Duration>,
    /// Whether the severity rose since the last alert.
    is_worse: bool,
    /// The earlier process that received the first report, if any.
    origin: Option<Arc<Origin>>,
}

/// The last report of a group.
#[derive(Clone, Debug)]
struct Evidence {
    /// The highest severity of all reports of the group.
    severity: Severity,
    causes: Vec<String>,
    fields: Vec<(Cow<'static, str>, String)>,
}

/// The maximum number of groups. Further reports share the group [`OVERFLOW`].
pub(super) const MAX_GROUPS: usize = 500;

/// The name of the group for reports past the maximum.
pub(super) const OVERFLOW: &str = "OtherFailures";

/// The maximum number of immediate alerts per minute.
const MAX_IMMEDIATE: usize = 10;

const MINUTE: Duration = Duration::from_secs(60);

/// The interval between batches of other alerts.
const BATCH_INTERVAL: Duration = Duration::from_secs(10);

/// An alert resolves after this time without reports.
const RESOLVED_AFTER: Duration = Duration::from_secs(5 * 60);

impl Ledger {
    /// Records a report. Returns whether its group needs an alert at once.
    pub(super) fn record(&mut self, report: Report, now: Duration, wall: SystemTime) -> bool {
        let key = self.key_of(&report);
        let is_overflow = *key.name == *OVERFLOW;
        let Report { name, severity, causes, fields, is_lasting, count, .. } = report;
        let last = Evidence { severity, causes, fields: fields.into_vec() };
        let group = self.groups.entry(key).or_insert_with(|| Group {
            last: last.clone(),
            first_at: wall,
            last_at: now,
            is_lasting: false,
            total: 0,
            unsent: 0,
            texts: DistinctTexts::default(),
            alerted_at: None,
            is_worse: false,
            origin: None,
        });
        group.is_worse |= severity > group.last.severity;
        group.is_lasting |= is_lasting && !is_overflow;
        // The severity never falls while the alert fires, since receivers know the alert by it.
        group.last = Evidence { severity: severity.max(group.last.severity), ..last };
        group.last_at = now;
        group.total = group.total.saturating_add(count);
        group.unsent = group.unsent.saturating_add(count);
        match is_overflow {
            true => {
                group.texts.add(format_args!("{name}: {}", InOneLine(&group.last.causes)), count)
            }
            false => group.texts.add(InOneLine(&group.last.causes), count),
        }
        group.needs_alert()
    }

    /// Lets the alerts of a task that runs again resolve after five minutes without a report.
    pub(super) fn task_resumed(&mut self, name: &str, call_site: &CallSite) {
        for (key, group) in &mut self.groups {
            group.is_lasting &= *key.name != *name || key.call_site != *call_site;
        }
    }

    /// The firing alerts.
    pub(super) fn firing(&self, origin: &Arc<Origin>) -> Vec<Alert> {
        let alerted = self.groups.iter().filter(|(_, group)| group.alerted_at.is_some());
        alerted.map(|(key, group)| group.firing(key, origin)).collect()
    }

    fn key_of(&self, report: &Report) -> GroupKey {
        let key = GroupKey {
            name: report.name.as_ref().into(),
            error_type: report.error_type.into(),
            call_site: report.call_site.clone(),
            group: report.group.clone().unwrap_or_default(),
        };
        if self.groups.contains_key(&key) || self.groups.len() < MAX_GROUPS - 1 {
            return key;
        }
        GroupKey {
            name: OVERFLOW.into(),
            error_type: "".into(),
            call_site: CallSite::unknown(),
            group: "".into(),
        }
    }

    /// The alerts that are due.
    pub(super) fn changes(
        &mut self,
        now: Duration,
        wall: SystemTime,
        origin: &Arc<Origin>,
    ) -> Vec<Alert> {
        self.immediate_at.retain(|at| now < *at + MINUTE);
        let is_batch_due = now >= self.last_batch_at + BATCH_INTERVAL;
        let mut changes = Vec::new();
        let mut has_batch = false;
        for (key, group) in &mut self.groups {
            let is_due = group.alerted_at.is_none_or(|at| now >= at + MINUTE);
            if group.needs_alert() && self.immediate_at.len() < MAX_IMMEDIATE {
                self.immediate_at.push(now);
            } else if is_batch_due && (is_due || group.needs_alert()) && group.unsent > 0 {
                has_batch = true;
            } else {
                continue;
            }
            changes.push(group.next_alert(key, now, origin));
        }
        if is_batch_due {
            self.groups.retain(|key, group| {
                let is_silent = now >= group.last_at + RESOLVED_AFTER;
                let is_over = group.unsent == 0 && is_silent && !group.is_lasting;
                if is_over {
                    changes.push(group.resolved(key, wall, origin));
                    has_batch = true;
                }
                !is_over
            });
        }
        if has_batch {
            self.last_batch_at = now;
        }
        changes
    }

    /// The alerts of all unsent reports, at the end of the process.
    pub(super) fn close(&mut self, now: Duration, origin: &Arc<Origin>) -> Vec<Alert> {
        let unsent = self.groups.iter_mut().filter(|(_, group)| group.unsent > 0);
        unsent.map(|(key, group)| group.next_alert(key, now, origin)).collect()
    }
}

impl Group {
    /// Whether there is no alert yet, or the severity rose since the last one.
    fn needs_alert(&self) -> bool {
        self.alerted_at.is_none() || self.is_worse
    }

    /// The alert of all unsent reports.
    fn next_alert(&mut self, key: &GroupKey, now: Duration, origin: &Arc<Origin>) -> Alert {
        let over = self.alerted_at.map_or(Duration::ZERO, |at| now.saturating_sub(at));
        let texts = std::mem::take(&mut self.texts);
        let alert = self.alert(key, self.unsent, texts, over, origin);
        self.unsent = 0;
        self.alerted_at = Some(now);
        self.is_worse = false;
        alert
    }

    fn resolved(&self, key: &GroupKey, wall: SystemTime, origin: &Arc<Origin>) -> Alert {
        self.firing(key, origin).resolved_at(wall)
    }

    /// The alert without new reports.
    fn firing(&self, key: &GroupKey, origin: &Arc<Origin>) -> Alert {
        self.alert(key, 0, DistinctTexts::default(), Duration::ZERO, origin)
    }

    fn alert(
        &self,
        key: &GroupKey,
        count: u64,
        texts: DistinctTexts,
        over: Duration,
        origin: &Arc<Origin>,
    ) -> Alert {
        let Evidence { severity, causes, fields } = &self.last;
        let origin = self.origin.as_ref().unwrap_or(origin);
        // The last report's type and call site may differ from the key's in the overflow group.
        let failure = Failure {
            causes: causes.clone(),
            error_type: key.error_type.clone(),
            call_site: key.call_site.to_string(),
            group: key.group.clone(),
            fields: fields.clone(),
            count,
            texts,
            over,
            total: self.total,
        };
        Alert::of_failure(&key.name, *severity, failure, self.first_at, origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: SystemTime = SystemTime::UNIX_EPOCH;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A report from a fixed call site.
    fn report(name: &str, text: &str) -> Report {
        Report::new(name.to_owned(), text)
    }

    struct Play(Ledger);

    impl Play {
        fn record(&mut self, name: &str, at: u64) -> bool {
            self.0.record(report(name, &format!("at {at}")), seconds(at), WALL)
        }

        /// The title and the count of each change.
        fn changes(&mut self, at: u64) -> Vec<String> {
            let origin = Arc::new(Origin { service: "orders".to_owned(), ..Origin::default() });
            let changes = self.0.changes(seconds(at), WALL, &origin);
            let mut lines: Vec<_> = changes
                .iter()
                .map(|alert| {
                    let condition = alert.condition();
                    let times = condition.split(" at ").next().filter(|text| text.contains(" in "));
                    format!("{} {}", alert.title(), times.unwrap_or_default())
                })
                .collect();
            lines.sort();
            lines
        }
    }

    #[test]
    fn the_first_report_alerts_at_once_and_the_others_each_minute_with_their_count() {
        let mut play = Play(Ledger::default());
        assert!(play.record("Lost", 100));
        assert_eq!(play.changes(100), ["[FIRING] Lost · orders "]);
        for second in 101..161 {
            assert!(!play.record("Lost", second));
            if second < 160 {
                assert_eq!(play.changes(second), [""; 0]);
            }
        }
        assert_eq!(play.changes(160), ["[FIRING] Lost · orders reported 60 times in 1m"]);
        play.record("Lost", 165);
        assert_eq!(play.changes(219), [""; 0]);
        assert_eq!(play.changes(220), ["[FIRING] Lost · orders reported once in 1m"]);
        assert_eq!(play.changes(464), [""; 0]);
        assert_eq!(play.changes(465), ["[RESOLVED] Lost · orders "]);
        assert_eq!(play.changes(600), [""; 0]);
        play.record("Lost", 700);
        assert_eq!(play.changes(700), ["[FIRING] Lost · orders "], "it fires again");
    }

    #[test]
    fn ten_alerts_a_minute_are_immediate_and_the_others_wait_for_the_next_batch() {
        let mut play = Play(Ledger { last_batch_at: seconds(100), ..Ledger::default() });
        for kind in 0..400 {
            play.record(&format!("Kind{kind}"), 101);
        }
        assert_eq!(play.changes(101).len(), 10);
        for second in 102..110 {
            assert_eq!(play.changes(second).len(), 0);
        }
        assert_eq!(play.changes(110).len(), 390);
        play.record("Late", 115);
        assert_eq!(play.changes(115).len(), 0);
        assert_eq!(play.changes(120), ["[FIRING] Late · orders "]);
    }

    #[test]
    fn an_alert_keeps_the_highest_severity_of_its_group_until_it_resolves() {
        let (mut ledger, origin) = (Ledger::default(), Arc::new(Origin::default()));
        let mut alerts = |severity: Option<Severity>, at| {
            if let Some(severity) = severity {
                ledger.record(report("Lost", "x").severity(severity), seconds(at), WALL);
            }
            let changes = ledger.changes(seconds(at), WALL, &origin);
            changes.iter().map(|alert| alert.severity).collect::<Vec<_>>()
        };
        assert_eq!(alerts(Some(Severity::Warning), 100), [Severity::Warning]);
        assert_eq!(alerts(Some(Severity::Warning), 101), []);
        assert_eq!(alerts(Some(Severity::Critical), 102), [Severity::Critical], "at once");
        assert_eq!(alerts(Some(Severity::Critical), 103), []);
        assert_eq!(alerts(None, 170), [Severity::Critical]);
        assert_eq!(alerts(Some(Severity::Info), 230), [Severity::Critical]);
        assert_eq!(alerts(None, 530), [Severity::Critical], "it resolves");
        assert_eq!(alerts(Some(Severity::Info), 540), [Severity::Info], "it fires again");
    }

    #[test]
    fn a_message_lists_the_distinct_texts_of_its_reports_with_their_counts() {
        let (mut ledger, origin) = (Ledger::default(), Arc::new(Origin::default()));
        let mut lines = |texts: &[&str], at| {
            for text in texts {
                ledger.record(report("Lost", text), seconds(at), WALL);
            }
            let changes = ledger.changes(seconds(at), WALL, &origin);
            changes.iter().map(Alert::text_counts).collect::<Vec<_>>()
        };
        assert_eq!(lines(&["no stock"], 100), [[""; 0]]);
        assert!(lines(&["no broker", "no stock", "no broker"], 130).is_empty());
        assert_eq!(lines(&[], 160), [["2× no broker", "1× no stock"]]);
        assert!(lines(&["no stock"], 161).is_empty());
        assert_eq!(lines(&[], 220), [[""; 0]], "the texts of earlier messages are not repeated");
    }

    #[test]
    fn each_group_is_a_separate_alert() {
        let (mut ledger, origin) = (Ledger::default(), Arc::new(Origin::default()));
        for group in ["GET /a", "GET /b", "GET /a"] {
            ledger.record(report("Lost", "x").grouped_by(group), seconds(100), WALL);
        }
        let mut alerts = ledger.changes(seconds(100), WALL, &origin);
        alerts.sort_by_key(Alert::title);
        let titles: Vec<_> = alerts.iter().map(Alert::title).collect();
        assert_eq!(titles, ["[FIRING] Lost · GET /a", "[FIRING] Lost · GET /b"]);
        assert_ne!(alerts[0].identity(), alerts[1].identity());
        let counts: Vec<_> = alerts.iter().map(|alert| alert.failure().unwrap().total).collect();
        assert_eq!(counts, [2, 1]);
    }

    #[test]
    fn a_lasting_alert_does_not_resolve_without_reports() {
        let mut play = Play(Ledger::default());
        play.0.record(Report { is_lasting: true, ..report("Relay", "died") }, seconds(100), WALL);
        assert_eq!(play.changes(100), ["[FIRING] Relay · orders "]);
        assert_eq!(play.changes(100_000), [""; 0]);
        play.0.task_resumed("Relay", &report("", "").call_site);
        assert_eq!(play.changes(100_010), ["[RESOLVED] Relay · orders "]);
    }

    #[test]
    fn reports_past_the_maximum_share_a_group_and_each_is_counted() {
        let mut play = Play(Ledger::default());
        for kind in 0..10_000 {
            play.record(&format!("Kind{kind}"), 100);
        }
        assert_eq!(play.0.groups.len(), MAX_GROUPS);
        let total: u64 = play.0.groups.values().map(|group| group.total).sum();
        assert_eq!(total, 10_000);
        let overflow = play.0.groups.iter().find(|(key, _)| &*key.name == OVERFLOW).unwrap().1;
        assert_eq!(overflow.texts.listed[0].text, "Kind499: at 100");
        let origin = Arc::new(Origin::default());
        let alerts = play.0.close(seconds(100), &origin);
        let counted: u64 = alerts.iter().filter_map(|alert| Some(alert.failure()?.count)).sum();
        assert_eq!(counted, 10_000);
        assert!(play.0.close(seconds(100), &origin).is_empty());
    }
}
