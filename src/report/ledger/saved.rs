use std::{
    borrow::Cow,
    mem,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use super::{Evidence, Group, GroupKey, Ledger, MAX_GROUPS};
use crate::{
    alert::{Failure, Origin, SavedTexts, fields},
    report::CallSite,
    rule::Severity,
};

/// A group of reports in the state file. It has no time of the last alert, since the next process
/// has another clock.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SavedGroup {
    name: Arc<str>,
    error_type: Cow<'static, str>,
    file: Cow<'static, str>,
    line: u32,
    group: Cow<'static, str>,
    #[serde(with = "fields::SeverityWord")]
    severity: Severity,
    causes: Vec<String>,
    fields: Vec<(Cow<'static, str>, String)>,
    #[serde(with = "fields::instant")]
    first_at: SystemTime,
    total: u64,
    unsent: u64,
    texts: SavedTexts,
    is_alerted: bool,
    #[serde(with = "fields::origin")]
    origin: Arc<Origin>,
}

impl SavedGroup {
    /// Removes the details of the reports, for a file without room for them.
    pub(crate) fn shorten(&mut self) {
        let mut evidence = Failure {
            causes: mem::take(&mut self.causes),
            count: self.unsent,
            ..Failure::default()
        };
        evidence.shorten();
        self.causes = evidence.causes;
        self.texts = evidence.texts.into();
        self.fields = Vec::new();
    }
}

impl Ledger {
    pub(in crate::report) fn saved(&self, origin: &Arc<Origin>) -> Vec<SavedGroup> {
        let saved = self.groups.iter().map(|(key, group)| SavedGroup {
            name: Arc::clone(&key.name),
            error_type: key.error_type.clone(),
            file: key.call_site.parts().0.clone(),
            line: key.call_site.parts().1,
            group: key.group.clone(),
            severity: group.last.severity,
            causes: group.last.causes.clone(),
            fields: group.last.fields.clone(),
            first_at: group.first_at,
            total: group.total,
            unsent: group.unsent,
            texts: group.texts.clone().into(),
            is_alerted: group.alerted_at.is_some(),
            origin: Arc::clone(group.origin.as_ref().unwrap_or(origin)),
        });
        saved.collect()
    }

    /// Restores the groups of an earlier process. Groups with an alert continue as if their last
    /// report had just arrived; the others get an alert.
    pub(in crate::report) fn restore(&mut self, saved: Vec<SavedGroup>) {
        let start = Duration::ZERO;
        self.groups = saved
            .into_iter()
            .take(MAX_GROUPS)
            .map(|saved| {
                let SavedGroup { name, error_type, file, line, group, .. } = saved;
                let SavedGroup { severity, causes, fields, .. } = saved;
                let restored = Group {
                    last: Evidence { severity, causes, fields },
                    first_at: saved.first_at,
                    last_at: start,
                    // This process has started the task again.
                    is_lasting: false,
                    total: saved.total,
                    unsent: saved.unsent,
                    texts: saved.texts.into(),
                    alerted_at: saved.is_alerted.then_some(start),
                    is_worse: false,
                    origin: Some(saved.origin),
                };
                let call_site = CallSite::new(file, line);
                (GroupKey { name, error_type, call_site, group }, restored)
            })
            .collect();
    }

    /// The number of groups, and of those without an alert yet.
    pub(in crate::report) fn group_counts(&self) -> (usize, usize) {
        let new = self.groups.values().filter(|group| group.alerted_at.is_none());
        (self.groups.len(), new.count())
    }

    /// The number of reports that no alert contains yet.
    pub(in crate::report) fn unsent(&self) -> u64 {
        self.groups.values().map(|group| group.unsent).fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{alert::Alert, report::Report};

    /// A report from a fixed call site.
    fn report(name: &str) -> Report {
        Report::new(name.to_owned(), "no broker answers").field("order", 4711)
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn origin(instance: &str) -> Arc<Origin> {
        Arc::new(Origin { instance: instance.to_owned(), ..Origin::default() })
    }

    /// The ledger of the next process, restored from the file.
    fn restarted(ledger: &Ledger) -> Ledger {
        let text = serde_json::to_string(&ledger.saved(&origin("old"))).unwrap();
        let mut next = Ledger::default();
        next.restore(serde_json::from_str(&text).unwrap());
        next
    }

    fn changes(ledger: &mut Ledger, at: u64) -> Vec<Alert> {
        let wall = SystemTime::UNIX_EPOCH + seconds(1_000 + at);
        ledger.changes(seconds(at), wall, &origin("new"))
    }

    #[test]
    fn the_unsent_reports_are_counted_until_an_alert_contains_them() {
        let mut ledger = Ledger::default();
        for name in ["NoStock", "NoBroker", "NoStock"] {
            ledger.record(report(name), seconds(0), SystemTime::UNIX_EPOCH);
        }
        assert_eq!(ledger.unsent(), 3);
        assert_eq!(changes(&mut ledger, 1).len(), 2);
        assert_eq!(ledger.unsent(), 0);
    }

    #[test]
    fn after_a_restart_a_report_is_a_repeat_and_the_resolve_names_the_old_instance() {
        let (mut ledger, wall) = (Ledger::default(), SystemTime::UNIX_EPOCH + seconds(900));
        ledger.record(report("Lost"), seconds(100), wall);
        let alerts = changes(&mut ledger, 100);
        let mut next = restarted(&ledger);
        assert!(changes(&mut next, 1).is_empty());
        assert!(!next.record(report("Lost"), seconds(2), wall), "it is a repeat");
        assert!(changes(&mut next, 59).is_empty());
        let [repeat] = &changes(&mut next, 60)[..] else { panic!("one alert") };
        assert_eq!(repeat.failure().unwrap().count, 1);
        assert_eq!(repeat.failure().unwrap().total, 2);
        let [resolved] = &changes(&mut next, 302)[..] else { panic!("one alert") };
        assert_eq!(resolved.title().split(' ').next(), Some("[RESOLVED]"));
        for alert in [repeat, resolved] {
            assert_eq!((alert.starts_at, &*alert.origin.instance), (wall, "old"));
            let of = |alert: &Alert| (alert.name.clone(), alert.target.clone(), alert.severity);
            assert_eq!(of(alert), of(&alerts[0]));
            assert_eq!(alert.measured(), alerts[0].measured());
            assert_eq!(alert.summary, alerts[0].summary);
        }
        assert!(next.groups.is_empty());
    }

    #[test]
    fn an_unsent_report_alerts_after_the_restart() {
        let mut ledger = Ledger::default();
        ledger.record(report("Lost"), seconds(100), SystemTime::UNIX_EPOCH);
        assert_eq!(ledger.group_counts(), (1, 1));
        let mut next = restarted(&ledger);
        assert_eq!(changes(&mut next, 1)[0].title().split(' ').next(), Some("[FIRING]"));
        assert_eq!(next.group_counts(), (1, 0));
    }

    #[test]
    fn the_texts_and_the_group_of_unsent_reports_survive_the_restart() {
        let mut ledger = Ledger::default();
        for text in ["no stock", "no broker", "no stock"] {
            let report = Report::new("Lost", text).grouped_by("POST /orders");
            ledger.record(report.at(CallSite::unknown()), seconds(100), SystemTime::UNIX_EPOCH);
        }
        let [alert] = &changes(&mut restarted(&ledger), 1)[..] else { panic!("one alert") };
        assert_eq!(alert.title(), "[FIRING] Lost · POST /orders");
        assert_eq!(alert.text_counts(), ["2× no stock", "1× no broker"]);
    }

    #[test]
    fn a_shortened_group_keeps_its_identity_and_its_counts() {
        let mut ledger = Ledger::default();
        for text in ["no stock", "no broker"] {
            let report = Report::new("Lost", text.repeat(100)).field("order", 4711);
            ledger.record(report.at(CallSite::unknown()), seconds(100), SystemTime::UNIX_EPOCH);
        }
        let mut saved = ledger.saved(&origin("old"));
        saved.iter_mut().for_each(SavedGroup::shorten);
        let mut next = Ledger::default();
        next.restore(saved);
        let (whole, short) = (changes(&mut ledger, 101), changes(&mut next, 1));
        assert_eq!(whole[0].identity().0, short[0].identity().0);
        let failure = short[0].failure().unwrap();
        assert_eq!((failure.count, failure.texts.others, failure.total), (2, 2, 2));
        assert!(failure.fields.is_empty() && failure.causes[0].len() < 210);
    }

    #[test]
    fn counts_at_their_maximum_do_not_overflow() {
        let mut ledger = Ledger::default();
        ledger.record(report("Lost"), seconds(100), SystemTime::UNIX_EPOCH);
        let mut saved = ledger.saved(&origin("old"));
        (saved[0].total, saved[0].unsent) = (u64::MAX, u64::MAX);
        let mut next = Ledger::default();
        next.restore(saved);
        next.record(report("Lost"), seconds(1), SystemTime::UNIX_EPOCH);
        assert_eq!(changes(&mut next, 1)[0].failure().unwrap().total, u64::MAX);
    }
}
