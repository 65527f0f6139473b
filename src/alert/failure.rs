use std::{borrow::Cow, fmt, time::Duration};

use super::DistinctTexts;
use crate::text::{limited, whole_seconds};

/// The evidence of an alert that [reports](crate::Report) raised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The error and its causes, the outermost first.
    pub causes: Vec<String>,
    /// The error's type, such as `orders::EventError`; empty if it is unknown.
    pub error_type: Cow<'static, str>,
    /// The source location that sent the report, such as `src/orders.rs:42`. A path in a dependency
    /// starts at its crate.
    pub call_site: String,
    /// The key set by [`Report::grouped_by`](crate::Report::grouped_by), or the operation, such as
    /// `POST /orders`, if a layer sent the report; otherwise empty.
    pub group: Cow<'static, str>,
    /// The fields of the last report.
    pub fields: Vec<(Cow<'static, str>, String)>,
    /// The reports since the previous change.
    pub count: u64,
    /// The distinct texts of those reports, each with its count.
    pub texts: DistinctTexts,
    /// The time since the previous change; zero for the first.
    pub over: Duration,
    /// The reports since the alert began.
    pub total: u64,
}

/// The maximum length of the causes in one line, in characters and in bytes.
const MAX_CHARS: usize = 1_000;
const MAX_BYTES: usize = 4_000;

/// The maximum length of a shortened text, in characters and in bytes.
#[cfg(feature = "state")]
const SHORT: usize = 200;

impl Failure {
    /// The error with its causes in one line; see [`InOneLine`].
    pub(super) fn text(&self) -> String {
        limited(InOneLine(&self.causes), MAX_CHARS, MAX_BYTES)
    }

    /// The number of reports and their call site.
    pub(super) fn condition(&self) -> String {
        let Self { count, call_site, .. } = self;
        match (count, self.over.is_zero()) {
            (1, true) => format!("reported at {call_site}"),
            (_, true) => format!("reported {} at {call_site}", times(*count)),
            _ => {
                let over = whole_seconds(self.over);
                format!("reported {} in {over} at {call_site}", times(*count))
            }
        }
    }

    pub(super) fn tally(&self) -> String {
        format!("reported {} in total", times(self.total))
    }

    pub(super) fn merge_earlier(&mut self, earlier: &Self) {
        self.count = self.count.saturating_add(earlier.count);
        self.over = self.over.saturating_add(earlier.over);
        self.texts.merge_earlier(&earlier.texts);
    }

    /// Shortens the error, and removes its fields and texts.
    #[cfg(feature = "state")]
    pub(crate) fn shorten(&mut self) {
        self.causes = vec![limited(InOneLine(&self.causes), SHORT, SHORT)];
        self.fields = Vec::new();
        self.texts = DistinctTexts { others: self.count, ..DistinctTexts::default() };
    }
}

fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        _ => format!("{count} times"),
    }
}

/// An error with its causes in one line. It skips a cause that the error before it contains.
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
pub(crate) fn test_report() -> super::Alert {
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
    let alert = super::test_alert("R", super::AlertStatus::Firing);
    let name = "OrderEventLost".into();
    super::Alert::of_failure(&name, alert.severity, failure, alert.starts_at, &alert.origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_joined_in_one_line_without_repeats() {
        let text = |causes: &[&str]| {
            let causes = causes.iter().map(|cause| (*cause).to_owned()).collect();
            Failure { causes, ..Failure::default() }.text()
        };
        assert_eq!(text(&["not sent", "no broker", "refused"]), "not sent: no broker: refused");
        assert_eq!(text(&["not sent: no broker", "no broker"]), "not sent: no broker");
        assert_eq!(text(&[&"é".repeat(2_000)]).chars().count(), MAX_CHARS + 1);
    }
}
