use std::{borrow::Cow, time::Duration};

use super::whole_seconds;

/// What business code or a background task reported: the evidence of an alert that no rule raised.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The error and its causes, the outermost first.
    pub causes: Vec<String>,
    /// The error's type, such as `orders::EventError`.
    pub error_type: Cow<'static, str>,
    /// Where it was reported, such as `src/orders.rs:42`.
    pub call_site: String,
    /// The context that was given with the last of these reports.
    pub fields: Vec<(Cow<'static, str>, String)>,
    /// How many reports this change tells, which the last one did not.
    pub count: u64,
    /// How long it took for them to come; nothing for the first.
    pub over: Duration,
    /// How many came since the alert began.
    pub total: u64,
}

/// As much of the causes as is told, in characters.
const MOST: usize = 1_000;

impl Failure {
    /// The error with its causes in one line; a cause that its error repeats is told once.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for cause in &self.causes {
            if text.is_empty() {
                text.clone_from(cause);
            } else if !text.ends_with(cause.as_str()) {
                text.push_str(": ");
                text.push_str(cause);
            }
        }
        match text.char_indices().nth(MOST) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
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

    /// Tells the reports of the change before, too, which was not delivered.
    pub(super) fn tell_also(&mut self, untold: &Self) {
        self.count += untold.count;
        self.over += untold.over;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_in_one_line_and_none_of_them_twice() {
        let text = |causes: &[&str]| {
            let causes = causes.iter().map(|cause| (*cause).to_owned()).collect();
            let failure = Failure {
                causes,
                error_type: "E".into(),
                call_site: String::new(),
                fields: Vec::new(),
                count: 1,
                over: Duration::ZERO,
                total: 1,
            };
            failure.text()
        };
        assert_eq!(text(&["not sent", "no broker", "refused"]), "not sent: no broker: refused");
        assert_eq!(text(&["not sent: no broker", "no broker"]), "not sent: no broker");
        assert_eq!(text(&[&"é".repeat(2_000)]).chars().count(), MOST + 1);
    }
}
