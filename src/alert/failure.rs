use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{Alert, AlertStatus, DistinctTexts, Origin, Target, whole_seconds};
use crate::{
    rule::{Comparison, Severity, Signal},
    text::limited,
};

/// What business code or a background task reported: the evidence of an alert that no rule raised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The error and its causes, the outermost first.
    pub causes: Vec<String>,
    /// The error's type, such as `orders::EventError`.
    pub error_type: Cow<'static, str>,
    /// Where it was reported, such as `src/orders.rs:42`; in a dependency, its crate and file.
    pub call_site: String,
    /// What [`Report::grouped_by`](crate::Report::grouped_by) set, or the operation where a layer's observer
    /// sent the report, such as `POST /orders`; else empty.
    pub group: Cow<'static, str>,
    /// The context that was given with the last of these reports.
    pub fields: Vec<(Cow<'static, str>, String)>,
    /// How many reports this change tells, which the last one did not.
    pub count: u64,
    /// Their distinct texts, each with its count.
    pub texts: DistinctTexts,
    /// How long it took for them to come; nothing for the first.
    pub over: Duration,
    /// How many came since the alert began.
    pub total: u64,
}

/// The length of the causes in one line, in characters and in bytes.
const LONGEST: usize = 1_000;
const LONGEST_BYTES: usize = 4_000;

/// The length of a shortened text, in characters and in bytes.
#[cfg(feature = "state")]
const SHORT: usize = 200;

impl Failure {
    /// The error with its causes in one line; a cause that its error repeats is told once.
    pub(super) fn text(&self) -> String {
        limited(InOneLine(&self.causes), LONGEST, LONGEST_BYTES)
    }

    /// How often, and where.
    pub(super) fn condition(&self) -> String {
        let Self { count, call_site, .. } = self;
        match (count, self.over.is_zero()) {
            (1, true) => format!("reported at {call_site}"),
            (count, true) => format!("×{count} · reported at {call_site}"),
            _ => format!("×{count} in {} · reported at {call_site}", whole_seconds(self.over)),
        }
    }

    /// Adds the reports of the change before, which was not delivered.
    fn tell_also(&mut self, untold: &Self) {
        self.count = self.count.saturating_add(untold.count);
        self.over = self.over.saturating_add(untold.over);
        self.texts.merge_earlier(&untold.texts);
    }

    /// Keeps the start of the error alone, for a state file that has no room for more.
    #[cfg(feature = "state")]
    pub(crate) fn shorten(&mut self) {
        self.causes = vec![limited(InOneLine(&self.causes), SHORT, SHORT)];
        self.fields = Vec::new();
        self.texts = DistinctTexts { others: self.count, ..DistinctTexts::default() };
    }
}

impl Alert {
    /// Of a failure that was reported.
    pub(crate) fn of_failure(
        name: &Arc<str>,
        severity: Severity,
        failure: Failure,
        starts_at: SystemTime,
        origin: &Arc<Origin>,
    ) -> Self {
        let total = failure.total;
        let fields: Vec<_> =
            failure.fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        Self {
            status: AlertStatus::Firing,
            rule: Arc::clone(name),
            severity,
            target: Target::CallSite(failure.call_site.clone()),
            value: Some(total as f64),
            peak: total as f64,
            threshold: 0.0,
            comparison: Comparison::Above,
            window: None,
            starts_at,
            ends_at: None,
            requests: total,
            errors: total,
            top: Vec::new(),
            labels: BTreeMap::new(),
            summary: (!fields.is_empty()).then(|| fields.join("\n")),
            runbook: None,
            dashboard: None,
            origin: Arc::clone(origin),
            unknown_before: None,
            failure: Some(Arc::new(failure)),
            notice: None,
            signal: Signal::Reports,
            is_rule_gone: false,
            is_retold: false,
        }
    }

    /// Adds the reports of the change before, which was not delivered.
    pub(crate) fn tell_also(&mut self, untold: &Self) {
        if let (Some(failure), Some(untold)) = (&mut self.failure, &untold.failure) {
            Arc::make_mut(failure).tell_also(untold);
        }
    }

    /// Keeps of a report no more than the start of its error, for a state file that has no room for more.
    #[cfg(feature = "state")]
    pub(crate) fn shorten(&mut self) {
        if let Some(failure) = &mut self.failure {
            Arc::make_mut(failure).shorten();
            self.summary = None;
        }
    }

    /// The type of the error that was reported; empty where it is not known, or a rule raised this.
    pub(crate) fn error_type(&self) -> &str {
        self.failure.as_ref().map_or("", |failure| &failure.error_type)
    }

    /// The group of what was reported; empty where there is none, or a rule raised this.
    pub(crate) fn group(&self) -> &str {
        self.failure.as_ref().map_or("", |failure| &failure.group)
    }

    /// A line for each distinct text of the reports that this change stands for, such as
    /// `×12 no broker answers`, the most frequent first; none where they all had the same text. See
    /// [`Failure::texts`].
    pub fn text_counts(&self) -> Vec<String> {
        self.failure.as_ref().map_or_else(Vec::new, |failure| failure.texts.lines())
    }
}

/// An error with its causes in one line; a cause that its error repeats is left out.
pub(crate) struct InOneLine<'a>(pub(crate) &'a [String]);

impl fmt::Display for InOneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = "";
        for cause in self.0 {
            if last.is_empty() {
                f.write_str(cause)?;
            } else if !last.ends_with(cause.as_str()) {
                write!(f, ": {cause}")?;
            } else {
                continue;
            }
            last = cause;
        }
        Ok(())
    }
}

/// An alert of three reports with two texts, for the tests of notifiers.
#[cfg(test)]
#[allow(dead_code, reason = "the notifiers are features")]
pub(crate) fn test_report() -> Alert {
    let mut texts = DistinctTexts::default();
    texts.add("no stock", 1);
    texts.add("not sent: <no broker>", 2);
    let failure = Failure {
        causes: vec!["not sent".to_owned(), "<no broker>".to_owned()],
        error_type: "orders::EventError".into(),
        call_site: "src/orders.rs:42".to_owned(),
        group: "POST /orders".into(),
        fields: vec![("order".into(), "4711".to_owned())],
        count: 3,
        texts,
        over: Duration::from_secs(60),
        total: 4,
    };
    let alert = super::test_alert("R", AlertStatus::Firing);
    let name = "OrderEventLost".into();
    Alert::of_failure(&name, alert.severity, failure, alert.starts_at, &alert.origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_in_one_line_and_none_of_them_twice() {
        let text = |causes: &[&str]| {
            let causes = causes.iter().map(|cause| (*cause).to_owned()).collect();
            Failure { causes, ..Failure::default() }.text()
        };
        assert_eq!(text(&["not sent", "no broker", "refused"]), "not sent: no broker: refused");
        assert_eq!(text(&["not sent: no broker", "no broker"]), "not sent: no broker");
        assert_eq!(text(&[&"é".repeat(2_000)]).chars().count(), LONGEST + 1);
    }
}
