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
    kinds: HashMap<GroupKey, Group>,
    /// The times of the last minute's immediate alerts.
    at_once: Vec<Duration>,
    /// When the other alerts were last sent.
    told_rest: Duration,
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
    lasts: bool,
    total: u64,
    untold: u64,
    /// The texts of the untold reports.
    texts: DistinctTexts,
    /// When the last alert was sent.
    told_at: Option<Duration>,
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
pub(super) const MOST_KINDS: usize = 500;

/// The name of the group for reports past the maximum.
pub(super) const OVERFLOW: &str = "OtherFailures";

/// The maximum number of immediate alerts per minute.
const AT_ONCE: usize = 10;

const MINUTE: Duration = Duration::from_secs(60);

/// The interval of the other alerts.
const REST: Duration = Duration::from_secs(10);

/// An alert resolves after this time without a report.
const RESOLVED_AFTER: Duration = Duration::from_secs(5 * 60);

impl Ledger {
    /// Records a report. Returns whether its group needs an alert at once.
    pub(super) fn note(&mut self, report: Report, now: Duration, wall: SystemTime) -> bool {
        let kind = self.kind_of(&report);
        let is_overflow = *kind.name == *OVERFLOW;
        let Report { name, severity, causes, fields, lasts, count, .. } = report;
        let last = Evidence { severity, causes, fields: fields.into_vec() };
        let entry = self.kinds.entry(kind).or_insert_with(|| Group {
            last: last.clone(),
            first_at: wall,
            last_at: now,
            lasts: false,
            total: 0,
            untold: 0,
            texts: DistinctTexts::default(),
            told_at: None,
            is_worse: false,
            origin: None,
        });
        entry.is_worse |= severity > entry.last.severity;
        entry.lasts |= lasts && !is_overflow;
        // The severity never falls while the alert fires, since receivers know the alert by it.
        entry.last = Evidence { severity: severity.max(entry.last.severity), ..last };
        entry.last_at = now;
        entry.total = entry.total.saturating_add(count);
        entry.untold = entry.untold.saturating_add(count);
        match is_overflow {
            true => {
                entry.texts.add(format_args!("{name}: {}", InOneLine(&entry.last.causes)), count)
            }
            false => entry.texts.add(InOneLine(&entry.last.causes), count),
        }
        entry.is_news()
    }

    /// Lets the alerts of a task that runs again resolve after five minutes without a report.
    pub(super) fn revived(&mut self, name: &str, call_site: &CallSite) {
        for (kind, entry) in &mut self.kinds {
            entry.lasts &= *kind.name != *name || kind.call_site != *call_site;
        }
    }

    fn kind_of(&self, report: &Report) -> GroupKey {
        let kind = GroupKey {
            name: report.name.as_ref().into(),
            error_type: report.error_type.into(),
            call_site: report.call_site.clone(),
            group: report.group.clone().unwrap_or_default(),
        };
        if self.kinds.contains_key(&kind) || self.kinds.len() < MOST_KINDS - 1 {
            return kind;
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
        self.at_once.retain(|told| now < *told + MINUTE);
        let is_time_for_rest = now >= self.told_rest + REST;
        let mut changes = Vec::new();
        let mut has_rest = false;
        for (kind, entry) in &mut self.kinds {
            let is_due = entry.told_at.is_none_or(|told| now >= told + MINUTE);
            if entry.is_news() && self.at_once.len() < AT_ONCE {
                self.at_once.push(now);
            } else if is_time_for_rest && (is_due || entry.is_news()) && entry.untold > 0 {
                has_rest = true;
            } else {
                continue;
            }
            changes.push(entry.tell(kind, now, origin));
        }
        if is_time_for_rest {
            self.kinds.retain(|kind, entry| {
                let is_silent = now >= entry.last_at + RESOLVED_AFTER;
                let is_over = entry.untold == 0 && is_silent && !entry.lasts;
                if is_over {
                    changes.push(entry.resolved(kind, wall, origin));
                    has_rest = true;
                }
                !is_over
            });
        }
        if has_rest {
            self.told_rest = now;
        }
        changes
    }

    /// The alerts of all untold reports, at the end of the process.
    pub(super) fn rest(&mut self, now: Duration, origin: &Arc<Origin>) -> Vec<Alert> {
        let untold = self.kinds.iter_mut().filter(|(_, entry)| entry.untold > 0);
        untold.map(|(kind, entry)| entry.tell(kind, now, origin)).collect()
    }
}

impl Group {
    /// Whether there is no alert yet, or the severity rose since the last one.
    fn is_news(&self) -> bool {
        self.told_at.is_none() || self.is_worse
    }

    fn tell(&mut self, kind: &GroupKey, now: Duration, origin: &Arc<Origin>) -> Alert {
        let over = self.told_at.map_or(Duration::ZERO, |told| now.saturating_sub(told));
        let texts = std::mem::take(&mut self.texts);
        let alert = self.alert(kind, self.untold, texts, over, origin);
        self.untold = 0;
        self.told_at = Some(now);
        self.is_worse = false;
        alert
    }

    fn resolved(&self, kind: &GroupKey, wall: SystemTime, origin: &Arc<Origin>) -> Alert {
        self.told(kind, origin).resolved_at(wall)
    }

    /// The alert without new reports.
    fn told(&self, kind: &GroupKey, origin: &Arc<Origin>) -> Alert {
        self.alert(kind, 0, DistinctTexts::default(), Duration::ZERO, origin)
    }

    fn alert(
        &self,
        kind: &GroupKey,
        count: u64,
        texts: DistinctTexts,
        over: Duration,
        origin: &Arc<Origin>,
    ) -> Alert {
        let Evidence { severity, causes, fields } = &self.last;
        let origin = self.origin.as_ref().unwrap_or(origin);
        // The key's type and place, not the last report's: in the overflow group these differ.
        let failure = Failure {
            causes: causes.clone(),
            error_type: kind.error_type.clone(),
            call_site: kind.call_site.to_string(),
            group: kind.group.clone(),
            fields: fields.clone(),
            count,
            texts,
            over,
            total: self.total,
        };
        Alert::of_failure(&kind.name, *severity, failure, self.first_at, origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: SystemTime = SystemTime::UNIX_EPOCH;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Always from the same call site.
    fn report(name: &str, text: &str) -> Report {
        Report::new(name.to_owned(), text)
    }

    struct Play(Ledger);

    impl Play {
        fn note(&mut self, name: &str, at: u64) -> bool {
            self.0.note(report(name, &format!("at {at}")), seconds(at), WALL)
        }

        /// Title and condition of each change.
        fn told(&mut self, at: u64) -> Vec<String> {
            let origin = Arc::new(Origin { service: "orders".to_owned(), ..Origin::default() });
            let changes = self.0.changes(seconds(at), WALL, &origin);
            let mut told: Vec<_> = changes
                .iter()
                .map(|alert| {
                    let condition = alert.condition();
                    let times = condition.split(" · ").next().filter(|text| text.contains('×'));
                    format!("{} {}", alert.title(), times.unwrap_or_default())
                })
                .collect();
            told.sort();
            told
        }
    }

    #[test]
    fn the_first_is_told_at_once_the_rest_each_minute_with_its_number_until_none_comes() {
        let mut play = Play(Ledger::default());
        assert!(play.note("Lost", 100));
        assert_eq!(play.told(100), ["[FIRING] Lost · orders "]);
        for second in 101..161 {
            assert!(!play.note("Lost", second));
            if second < 160 {
                assert_eq!(play.told(second), [""; 0]);
            }
        }
        assert_eq!(play.told(160), ["[FIRING] Lost · orders ×60 in 1m"]);
        play.note("Lost", 165);
        assert_eq!(play.told(219), [""; 0]);
        assert_eq!(play.told(220), ["[FIRING] Lost · orders ×1 in 1m"]);
        assert_eq!(play.told(464), [""; 0]);
        assert_eq!(play.told(465), ["[RESOLVED] Lost · orders "]);
        assert_eq!(play.told(600), [""; 0]);
        play.note("Lost", 700);
        assert_eq!(play.told(700), ["[FIRING] Lost · orders "], "it begins anew");
    }

    #[test]
    fn of_many_kinds_ten_a_minute_are_told_at_once_and_the_rest_together() {
        let mut play = Play(Ledger { told_rest: seconds(100), ..Ledger::default() });
        for kind in 0..400 {
            play.note(&format!("Kind{kind}"), 101);
        }
        assert_eq!(play.told(101).len(), 10);
        for second in 102..110 {
            assert_eq!(play.told(second).len(), 0);
        }
        assert_eq!(play.told(110).len(), 390);
        play.note("Late", 115);
        assert_eq!(play.told(115).len(), 0);
        assert_eq!(play.told(120), ["[FIRING] Late · orders "]);
    }

    #[test]
    fn the_worst_severity_of_a_kind_is_that_of_its_alert_until_it_is_over() {
        let (mut ledger, origin) = (Ledger::default(), Arc::new(Origin::default()));
        let mut tell = |severity: Option<Severity>, at| {
            if let Some(severity) = severity {
                ledger.note(report("Lost", "x").severity(severity), seconds(at), WALL);
            }
            let changes = ledger.changes(seconds(at), WALL, &origin);
            changes.iter().map(|alert| alert.severity).collect::<Vec<_>>()
        };
        assert_eq!(tell(Some(Severity::Warning), 100), [Severity::Warning]);
        assert_eq!(tell(Some(Severity::Warning), 101), []);
        assert_eq!(tell(Some(Severity::Critical), 102), [Severity::Critical], "at once");
        assert_eq!(tell(Some(Severity::Critical), 103), []);
        assert_eq!(tell(None, 170), [Severity::Critical]);
        assert_eq!(tell(Some(Severity::Info), 230), [Severity::Critical]);
        assert_eq!(tell(None, 530), [Severity::Critical], "it is over");
        assert_eq!(tell(Some(Severity::Info), 540), [Severity::Info], "it begins anew");
    }

    #[test]
    fn a_message_lists_the_distinct_texts_of_its_reports_with_their_counts() {
        let (mut ledger, origin) = (Ledger::default(), Arc::new(Origin::default()));
        let mut lines = |texts: &[&str], at| {
            for text in texts {
                ledger.note(report("Lost", text), seconds(at), WALL);
            }
            let changes = ledger.changes(seconds(at), WALL, &origin);
            changes.iter().map(Alert::text_counts).collect::<Vec<_>>()
        };
        assert_eq!(lines(&["no stock"], 100), [[""; 0]]);
        assert!(lines(&["no broker", "no stock", "no broker"], 130).is_empty());
        assert_eq!(lines(&[], 160), [["×2 no broker", "×1 no stock"]]);
        assert!(lines(&["no stock"], 161).is_empty());
        assert_eq!(lines(&[], 220), [[""; 0]], "the texts of earlier messages are not repeated");
    }

    #[test]
    fn groups_are_alerts_of_their_own() {
        let (mut ledger, origin) = (Ledger::default(), Arc::new(Origin::default()));
        for group in ["GET /a", "GET /b", "GET /a"] {
            ledger.note(report("Lost", "x").grouped_by(group), seconds(100), WALL);
        }
        let mut told = ledger.changes(seconds(100), WALL, &origin);
        told.sort_by_key(Alert::title);
        let titles: Vec<_> = told.iter().map(Alert::title).collect();
        assert_eq!(titles, ["[FIRING] Lost · GET /a", "[FIRING] Lost · GET /b"]);
        assert_ne!(told[0].identity(), told[1].identity());
        let counts: Vec<_> = told.iter().map(|alert| alert.failure().unwrap().total).collect();
        assert_eq!(counts, [2, 1]);
    }

    #[test]
    fn what_lasts_is_not_over_by_silence() {
        let mut play = Play(Ledger::default());
        play.0.note(Report { lasts: true, ..report("Relay", "died") }, seconds(100), WALL);
        assert_eq!(play.told(100), ["[FIRING] Relay · orders "]);
        assert_eq!(play.told(100_000), [""; 0]);
        play.0.revived("Relay", &report("", "").call_site);
        assert_eq!(play.told(100_010), ["[RESOLVED] Relay · orders "]);
    }

    #[test]
    fn past_the_bound_all_kinds_are_one_and_every_report_counts() {
        let mut play = Play(Ledger::default());
        for kind in 0..10_000 {
            play.note(&format!("Kind{kind}"), 100);
        }
        assert_eq!(play.0.kinds.len(), MOST_KINDS);
        let total: u64 = play.0.kinds.values().map(|entry| entry.total).sum();
        assert_eq!(total, 10_000);
        let overflow = play.0.kinds.iter().find(|(kind, _)| &*kind.name == OVERFLOW).unwrap().1;
        assert_eq!(overflow.texts.listed[0].text, "Kind499: at 100");
        let origin = Arc::new(Origin::default());
        let told = play.0.rest(seconds(100), &origin);
        let counted: u64 = told.iter().filter_map(|alert| Some(alert.failure()?.count)).sum();
        assert_eq!(counted, 10_000);
        assert!(play.0.rest(seconds(100), &origin).is_empty());
    }
}
