//! Reads the values of a file. Each problem ends with its fix.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use toml::de::DeValue;

use crate::rule::{Threshold, Unit, WindowRange};

/// Formats a value for an error.
pub(crate) fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{:?}", shortened(text)),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(instant) => instant.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// Shortens a string for an error.
pub(crate) fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// Joins a list of words for an error, and shortens it.
pub(crate) fn listed(words: &[&str]) -> String {
    let more = words.len().saturating_sub(MAX_LISTED);
    let and_more = (more > 0).then(|| format!("and {more} more"));
    let listed = words.iter().take(MAX_LISTED).map(|word| shortened(word).into_owned());
    listed.chain(and_more).collect::<Vec<_>>().join(", ")
}

/// The maximum length of a string in an error, in characters.
const MAX_SHOWN: usize = 200;

/// The maximum number of words in an error, and the number of known words compared with an unknown
/// one.
const MAX_LISTED: usize = 30;

/// The maximum length of a word that is compared with others, in bytes. The time of a comparison
/// grows with the product of both lengths.
const MAX_WORD: usize = 64;

/// Prometheus's names of keys, and the names that they have here.
const SYNONYMS: [(&str, &str); 6] = [
    ("alert", "name"),
    ("for", "hold_for"),
    ("expr", "signal"),
    ("annotations", "summary"),
    ("runbook_url", "runbook"),
    ("dashboard_url", "dashboard"),
];

/// Finds the known word that is nearest to an unknown one.
pub(crate) fn nearest<'w>(word: &str, words: &[&'w str]) -> Option<&'w str> {
    let synonym = SYNONYMS.iter().find(|(other, _)| *other == word);
    let synonym = synonym.and_then(|(_, ours)| words.iter().find(|known| *known == ours));
    if synonym.is_some() || word.len() > MAX_WORD {
        return synonym.copied();
    }
    let near = words.iter().take(MAX_LISTED).filter(|known| known.len() <= MAX_WORD);
    let near = near.map(|known| (strsim::damerau_levenshtein(word, known), *known));
    let near = near.filter(|(distance, known)| *distance <= 2.max(known.len() / 3));
    near.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

pub(crate) fn text(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) if text.trim().is_empty() => {
            Err("is empty: set a value, or remove the key".to_owned())
        }
        DeValue::String(text) => Ok(text.clone().into_owned()),
        other => Err(format!("{} is not a string: put it in quotes", shown(other))),
    }
}

pub(crate) fn flag(value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("{} is not a boolean: use true or false", shown(value)))
}

/// Reads one of these words.
pub(crate) fn one_of<'w>(value: &DeValue<'_>, words: &[&'w str]) -> Result<&'w str, String> {
    let given = value.as_str().unwrap_or_default();
    words.iter().find(|word| **word == given).copied().ok_or_else(|| {
        let fix = nearest(given, words).map_or_else(
            || format!("use one of {}", listed(words)),
            |word| format!("did you mean {word:?}?"),
        );
        format!("{} is unknown: {fix}", shown(value))
    })
}

pub(crate) fn number(value: &DeValue<'_>) -> Result<f64, String> {
    let number = match value {
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number as f64)
        }
        DeValue::Float(number) => number.as_str().parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| format!("{} is not a number: write one without quotes", shown(value)))
}

pub(crate) fn count(value: &DeValue<'_>) -> Result<u64, String> {
    let number = value.as_integer();
    number
        .and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok())
        .ok_or_else(|| format!("{} is not a count: use a whole number of at least 0", shown(value)))
}

pub(crate) fn duration(value: &DeValue<'_>) -> Result<Duration, String> {
    match value {
        DeValue::String(text) => humantime::parse_duration(text).map_err(|_| {
            let text = shown(value);
            format!("{text} is not a duration: use one such as \"500ms\" or \"1m 30s\"")
        }),
        DeValue::Integer(_) | DeValue::Float(_) => {
            let number = shown(value);
            Err(format!("{number} has no unit: use a duration such as \"{number}s\""))
        }
        other => Err(format!("{} is not a duration: use one such as \"500ms\"", shown(other))),
    }
}

/// Reads a time with an offset, such as `2026-12-01T02:00:00Z`.
pub(crate) fn time(value: &DeValue<'_>) -> Result<SystemTime, String> {
    const FIX: &str = "set one such as 2026-12-01T02:00:00Z";
    let shown = shown(value);
    let DeValue::Datetime(time) = value else {
        return Err(format!("{shown} is not a time: {FIX}, without quotes"));
    };
    if time.date.is_none() || time.time.is_none() || time.offset.is_none() {
        return Err(format!("{shown} has no time and offset: {FIX}"));
    }
    instant(&time.to_string())
        .ok_or_else(|| format!("{shown} is not a time from 1970 to 9999: {FIX}"))
}

/// Parses RFC 3339 with an offset.
fn instant(text: &str) -> Option<SystemTime> {
    let Some(at) = text.len().checked_sub("+00:00".len()).filter(|_| !text.ends_with('Z')) else {
        return humantime::parse_rfc3339(text).ok();
    };
    let (local, offset) = text.split_at_checked(at)?;
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let minutes = 60 * hours.parse::<u64>().ok()? + minutes.parse::<u64>().ok()?;
    let (local, offset) =
        (humantime::parse_rfc3339(&format!("{local}Z")).ok()?, Duration::from_secs(60 * minutes));
    if text[at..].starts_with('-') { local.checked_add(offset) } else { local.checked_sub(offset) }
}

/// Reads a ratio, such as `"1%"` or `0.01`.
pub(crate) fn ratio(value: &DeValue<'_>) -> Result<f64, String> {
    if let DeValue::Integer(_) | DeValue::Float(_) = value {
        return number(value);
    }
    let percent = value.as_str().and_then(|text| text.trim().strip_suffix('%'));
    // Parsed with an exponent instead of divided by 100, so that 99.9% is exactly 0.999.
    let number = percent.and_then(|percent| format!("{}e-2", percent.trim()).parse().ok());
    number.ok_or_else(|| {
        let shown = shown(value);
        format!("{shown} is not a ratio: use a percentage such as \"1%\", or a number such as 0.01")
    })
}

/// Reads one value or a list of values.
pub(crate) fn list<T>(
    value: &DeValue<'_>,
    mut read: impl FnMut(&DeValue<'_>) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    match value {
        DeValue::Array(list) if list.is_empty() => {
            Err("is an empty list: add a value, or remove the key".to_owned())
        }
        DeValue::Array(list) => list.iter().map(|one| read(one.get_ref())).collect(),
        one => Ok(vec![read(one)?]),
    }
}

/// Reads a threshold in the unit of its signal.
pub(crate) fn threshold(value: &DeValue<'_>, unit: Unit) -> Result<Threshold, String> {
    match unit {
        Unit::Seconds => duration(value).map(Into::into),
        Unit::Ratio => ratio(value).map(Into::into),
        Unit::Multiple | Unit::PerSecond | Unit::Requests => number(value).map(Into::into),
    }
}

/// Reads a window: one duration, or the shortest and the longest.
pub(crate) fn window_range(value: &DeValue<'_>) -> Result<WindowRange, String> {
    let DeValue::Array(lengths) = value else { return duration(value).map(Into::into) };
    match &lengths[..] {
        [shortest, longest] => {
            Ok((duration(shortest.get_ref())?..=duration(longest.get_ref())?).into())
        }
        others => Err(format!(
            "a list of {} is not a range: use two durations such as [\"10s\", \"60s\"]",
            others.len()
        )),
    }
}

/// Reads a table. `read` reads each value.
pub(crate) fn table<T>(
    value: &DeValue<'_>,
    mut read: impl FnMut(&DeValue<'_>) -> Result<T, String>,
) -> Result<BTreeMap<String, T>, String> {
    let table = value.as_table().ok_or_else(|| {
        format!("{} is not a table: use one such as {{ team = \"shop\" }}", shown(value))
    })?;
    let pairs = table.iter().map(|(name, value)| {
        let name = name.get_ref();
        let value = read(value.get_ref()).map_err(|problem| format!("{name}: {problem}"))?;
        Ok((name.clone().into_owned(), value))
    });
    pairs.collect()
}
