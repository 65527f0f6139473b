use std::{
    borrow::Cow,
    mem,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use super::{Evidence, Group, GroupKey, Ledger, MOST_KINDS};
use crate::{
    alert::{Alert, Failure, Origin, SavedTexts, fields},
    report::CallSite,
    rule::Severity,
};

/// A group of reports in the state file. It has no time of the last alert, since the next process has
/// another clock.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SavedKind {
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
    untold: u64,
    texts: SavedTexts,
    is_told: bool,
    #[serde(with = "fields::origin")]
    origin: Arc<Origin>,
}

impl SavedKind {
    /// Removes the details of the reports, for a file without room for them.
    pub(crate) fn shorten(&mut self) {
        let mut evidence = Failure {
            causes: mem::take(&mut self.causes),
            count: self.untold,
            ..Failure::default()
        };
        evidence.shorten();
        self.causes = evidence.causes;
        self.texts = evidence.texts.into();
        self.fields = Vec::new();
    }
}

impl Ledger {
    pub(in crate::report) fn saved(&self, origin: &Arc<Origin>) -> Vec<SavedKind> {
        let saved = self.kinds.iter().map(|(kind, entry)| SavedKind {
            name: Arc::clone(&kind.name),
            error_type: kind.error_type.clone(),
            file: kind.call_site.parts().0.clone(),
            line: kind.call_site.parts().1,
            group: kind.group.clone(),
            severity: entry.last.severity,
            causes: entry.last.causes.clone(),
            fields: entry.last.fields.clone(),
            first_at: entry.first_at,
            total: entry.total,
            untold: entry.untold,
            texts: entry.texts.clone().into(),
            is_told: entry.told_at.is_some(),
            origin: Arc::clone(entry.origin.as_ref().unwrap_or(origin)),
        });
        saved.collect()
    }

    /// Restores the groups of an earlier process. Groups with an alert continue as if their last report
    /// had just arrived; the others get an alert.
    pub(in crate::report) fn restore(&mut self, saved: Vec<SavedKind>) {
        let start = Duration::ZERO;
        self.kinds = saved
            .into_iter()
            .take(MOST_KINDS)
            .map(|saved| {
                let SavedKind { name, error_type, file, line, group, .. } = saved;
                let SavedKind { severity, causes, fields, .. } = saved;
                let entry = Group {
                    last: Evidence { severity, causes, fields },
                    first_at: saved.first_at,
                    last_at: start,
                    // This process has started the task again.
                    lasts: false,
                    total: saved.total,
                    untold: saved.untold,
                    texts: saved.texts.into(),
                    told_at: saved.is_told.then_some(start),
                    is_worse: false,
                    origin: Some(saved.origin),
                };
                (GroupKey { name, error_type, call_site: CallSite::new(file, line), group }, entry)
            })
            .collect();
    }

    /// The alerts that fire.
    pub(in crate::report) fn told(&self, origin: &Arc<Origin>) -> Vec<Alert> {
        let told = self.kinds.iter().filter(|(_, entry)| entry.told_at.is_some());
        told.map(|(kind, entry)| entry.told(kind, origin)).collect()
    }

    /// How many kinds there are, and how many of them were not told yet.
    pub(in crate::report) fn kinds(&self) -> (usize, usize) {
        let untold = self.kinds.values().filter(|entry| entry.told_at.is_none());
        (self.kinds.len(), untold.count())
    }

    /// How many reports are counted and not told.
    pub(in crate::report) fn untold(&self) -> u64 {
        self.kinds.values().map(|entry| entry.untold).fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;

    /// Always of one call site.
    fn report(name: &str) -> Report {
        Report::new(name.to_owned(), "no broker answers").field("order", 4711)
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn origin(instance: &str) -> Arc<Origin> {
        Arc::new(Origin { instance: instance.to_owned(), ..Origin::default() })
    }

    /// What the next process finds in the file.
    fn restarted(ledger: &Ledger) -> Ledger {
        let text = serde_json::to_string(&ledger.saved(&origin("old"))).unwrap();
        let mut next = Ledger::default();
        next.restore(serde_json::from_str(&text).unwrap());
        next
    }

    fn tell(ledger: &mut Ledger, at: u64) -> Vec<Alert> {
        let wall = SystemTime::UNIX_EPOCH + seconds(1_000 + at);
        ledger.changes(seconds(at), wall, &origin("new"))
    }

    #[test]
    fn what_is_counted_and_not_told_grows_with_each_repeat_and_ends_when_it_is_told() {
        let mut ledger = Ledger::default();
        for name in ["NoStock", "NoBroker", "NoStock"] {
            ledger.note(report(name), seconds(0), SystemTime::UNIX_EPOCH);
        }
        assert_eq!(ledger.untold(), 3);
        assert_eq!(tell(&mut ledger, 1).len(), 2);
        assert_eq!(ledger.untold(), 0);
    }

    #[test]
    fn what_was_told_before_a_restart_is_told_as_a_repeat_and_resolved_by_the_instance_of_old() {
        let (mut ledger, wall) = (Ledger::default(), SystemTime::UNIX_EPOCH + seconds(900));
        ledger.note(report("Lost"), seconds(100), wall);
        let told = tell(&mut ledger, 100);
        let mut next = restarted(&ledger);
        assert!(tell(&mut next, 1).is_empty());
        assert!(!next.note(report("Lost"), seconds(2), wall), "it is no first one");
        assert!(tell(&mut next, 59).is_empty());
        let [repeat] = &tell(&mut next, 60)[..] else { panic!("one alert") };
        assert_eq!(repeat.failure().unwrap().count, 1);
        assert_eq!(repeat.failure().unwrap().total, 2);
        let [resolved] = &tell(&mut next, 302)[..] else { panic!("one alert") };
        assert_eq!(resolved.title().split(' ').next(), Some("[RESOLVED]"));
        for alert in [repeat, resolved] {
            assert_eq!((alert.starts_at, &*alert.origin.instance), (wall, "old"));
            let of = |alert: &Alert| (alert.name.clone(), alert.target.clone(), alert.severity);
            assert_eq!(of(alert), of(&told[0]));
            assert_eq!(alert.measured(), told[0].measured());
            assert_eq!(alert.summary, told[0].summary);
        }
        assert!(next.kinds.is_empty());
    }

    #[test]
    fn what_was_noted_and_not_told_is_told_after_the_restart() {
        let mut ledger = Ledger::default();
        ledger.note(report("Lost"), seconds(100), SystemTime::UNIX_EPOCH);
        assert_eq!(ledger.kinds(), (1, 1));
        let mut next = restarted(&ledger);
        assert_eq!(tell(&mut next, 1)[0].title().split(' ').next(), Some("[FIRING]"));
        assert_eq!(next.kinds(), (1, 0));
    }

    #[test]
    fn texts_and_group_of_untold_reports_are_told_after_the_restart() {
        let mut ledger = Ledger::default();
        for text in ["no stock", "no broker", "no stock"] {
            let report = Report::new("Lost", text).grouped_by("POST /orders");
            ledger.note(report.at(CallSite::unknown()), seconds(100), SystemTime::UNIX_EPOCH);
        }
        let [alert] = &tell(&mut restarted(&ledger), 1)[..] else { panic!("one alert") };
        assert_eq!(alert.title(), "[FIRING] Lost · POST /orders");
        assert_eq!(alert.text_counts(), ["×2 no stock", "×1 no broker"]);
    }

    #[test]
    fn a_shortened_kind_keeps_its_identity_and_its_counts() {
        let mut ledger = Ledger::default();
        for text in ["no stock", "no broker"] {
            let report = Report::new("Lost", text.repeat(100)).field("order", 4711);
            ledger.note(report.at(CallSite::unknown()), seconds(100), SystemTime::UNIX_EPOCH);
        }
        let mut saved = ledger.saved(&origin("old"));
        saved.iter_mut().for_each(SavedKind::shorten);
        let mut next = Ledger::default();
        next.restore(saved);
        let (whole, short) = (tell(&mut ledger, 101), tell(&mut next, 1));
        assert_eq!(whole[0].identity().0, short[0].identity().0);
        let failure = short[0].failure().unwrap();
        assert_eq!((failure.count, failure.texts.others, failure.total), (2, 2, 2));
        assert!(failure.fields.is_empty() && failure.causes[0].len() < 210);
    }

    #[test]
    fn numbers_at_their_end_panic_nowhere() {
        let mut ledger = Ledger::default();
        ledger.note(report("Lost"), seconds(100), SystemTime::UNIX_EPOCH);
        let mut saved = ledger.saved(&origin("old"));
        (saved[0].total, saved[0].untold) = (u64::MAX, u64::MAX);
        let mut next = Ledger::default();
        next.restore(saved);
        next.note(report("Lost"), seconds(1), SystemTime::UNIX_EPOCH);
        assert_eq!(tell(&mut next, 1)[0].failure().unwrap().total, u64::MAX);
    }
}
