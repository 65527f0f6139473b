//! Alerts of reports and notices.

use std::{sync::Arc, time::SystemTime};

use super::{Alert, Cause, Failure, Notice, Origin, Target};
use crate::rule::Severity;

impl Alert {
    /// A firing alert of reports.
    pub(crate) fn of_failure(
        name: &Arc<str>,
        severity: Severity,
        failure: Failure,
        starts_at: SystemTime,
        origin: &Arc<Origin>,
    ) -> Self {
        let fields: Vec<_> =
            failure.fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let target = Target::CallSite(failure.call_site.clone());
        let (name, origin) = (Arc::clone(name), Arc::clone(origin));
        let cause = Cause::Report(Arc::new(failure));
        let alert = Self::new(name, severity, target, cause, starts_at, origin);
        Self { summary: (!fields.is_empty()).then(|| fields.join("\n")), ..alert }
    }

    pub(crate) fn failure_mut(&mut self) -> Option<&mut Failure> {
        match &mut self.cause {
            Cause::Report(failure) => Some(Arc::make_mut(failure)),
            _ => None,
        }
    }

    /// Adds the reports of an earlier change that was not delivered.
    pub(crate) fn merge_earlier(&mut self, earlier: &Self) {
        if let (Some(failure), Some(earlier)) = (self.failure_mut(), earlier.failure()) {
            failure.merge_earlier(earlier);
        }
    }

    /// Shortens a reported error, for a state file without room for all of it.
    #[cfg(feature = "state")]
    pub(crate) fn shorten(&mut self) {
        if let Some(failure) = self.failure_mut() {
            failure.shorten();
            self.summary = None;
        }
    }

    /// The type of the reported error; empty if it is unknown, or if no report raised this alert.
    pub fn error_type(&self) -> &str {
        self.failure().map_or("", |failure| &failure.error_type)
    }

    /// The group of the reports; empty if there is none, or if no report raised this alert.
    pub fn group(&self) -> &str {
        self.failure().map_or("", |failure| &failure.group)
    }

    /// One line per distinct text of the reports of this change, such as `12× no broker answers`,
    /// the most frequent first. Empty if all reports had the same text. See [`Failure::texts`].
    pub fn text_counts(&self) -> Vec<String> {
        self.failure().map_or_else(Vec::new, |failure| failure.texts.lines())
    }
}

impl Alert {
    /// A notice that fires since `starts_at`.
    pub(crate) fn notice_at(notice: Notice, starts_at: SystemTime, origin: Arc<Origin>) -> Self {
        let (name, cause) = (notice.name().into(), Cause::Notice(notice));
        Self::new(name, Severity::Info, Target::Service, cause, starts_at, origin)
    }
}
