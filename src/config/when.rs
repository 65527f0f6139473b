use std::collections::BTreeMap;

use toml::de::DeValue;

use super::rules::severity;
use crate::{
    document::{Section, value},
    notify::Matcher,
};

/// Reads the matcher of a section, and records its problems.
pub(super) fn matcher(mut section: Section<'_>) -> Matcher {
    let mut matcher = Matcher::new();
    if let Some(severities) = section.read("severity", |value| value::list(value, severity)) {
        matcher = matcher.and(any(severities, |one| Matcher::new().severity(one)));
    }
    if let Some(least) = section.read("min_severity", severity) {
        matcher = matcher.min_severity(least);
    }
    if let Some(rules) = section.read("rule", |value| value::list(value, value::text)) {
        matcher = matcher.and(any(rules, |one| Matcher::new().rule(one)));
    }
    for (name, values) in section.read("labels", labels).unwrap_or_default() {
        matcher = matcher.and(any(values, |one| Matcher::new().label(name.as_str(), one)));
    }
    match section.read("reported", value::flag) {
        Some(true) => matcher = matcher.reported(),
        Some(false) => matcher = matcher.and(!Matcher::new().reported()),
        None => {}
    }
    if let Some(not) = section.table("not") {
        matcher = matcher.and(!self::matcher(not));
    }
    section.finish();
    matcher
}

/// Builds a matcher for any of these values. There must be at least one.
fn any<T>(values: Vec<T>, matcher: impl FnMut(T) -> Matcher) -> Matcher {
    values.into_iter().map(matcher).reduce(Matcher::or).unwrap_or_default()
}

/// Reads the values of each label. An empty value matches alerts without the label.
fn labels(value: &DeValue<'_>) -> Result<BTreeMap<String, Vec<String>>, String> {
    let text = |value: &DeValue<'_>| match value.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => value::text(value),
    };
    value::table(value, |value| value::list(value, text))
}
