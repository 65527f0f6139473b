use serde::{Deserialize, Serialize};

use super::{Condition, Matcher};
use crate::{alert::fields::SeverityWord, rule::Severity};

/// A matcher in the state file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SavedMatcher(Vec<SavedCondition>);

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SavedCondition {
    Severity(#[serde(with = "SeverityWord")] Severity),
    MinSeverity(#[serde(with = "SeverityWord")] Severity),
    Label(String, String),
    Reported,
    Either(SavedMatcher, SavedMatcher),
    Not(SavedMatcher),
}

impl From<&Matcher> for SavedMatcher {
    fn from(matcher: &Matcher) -> Self {
        let saved = |condition: &Condition| match condition {
            Condition::Severity(severity) => SavedCondition::Severity(*severity),
            Condition::MinSeverity(severity) => SavedCondition::MinSeverity(*severity),
            Condition::Label(name, value) => SavedCondition::Label(name.clone(), value.clone()),
            Condition::Reported => SavedCondition::Reported,
            Condition::Either(one, other) => SavedCondition::Either(one.into(), other.into()),
            Condition::Not(matcher) => SavedCondition::Not(matcher.into()),
        };
        Self(matcher.all.iter().map(saved).collect())
    }
}

impl From<SavedMatcher> for Matcher {
    fn from(saved: SavedMatcher) -> Self {
        let condition = |saved| match saved {
            SavedCondition::Severity(severity) => Condition::Severity(severity),
            SavedCondition::MinSeverity(severity) => Condition::MinSeverity(severity),
            SavedCondition::Label(name, value) => Condition::Label(name, value),
            SavedCondition::Reported => Condition::Reported,
            SavedCondition::Either(one, other) => Condition::Either(one.into(), other.into()),
            SavedCondition::Not(matcher) => Condition::Not(matcher.into()),
        };
        Self { all: saved.0.into_iter().map(condition).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matcher_survives_the_state_file() {
        let any = Matcher::new;
        let matcher = any()
            .severity(Severity::Info)
            .min_severity(Severity::Warning)
            .rule("A")
            .reported()
            .and(any().label("team", "shop").or(!any().label("team", "")));
        let text = serde_json::to_string(&SavedMatcher::from(&matcher)).unwrap();
        let read: SavedMatcher = serde_json::from_str(&text).unwrap();
        assert_eq!(Matcher::from(read), matcher);
    }
}
