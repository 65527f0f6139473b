//! The syntax of PromQL: text, numbers, durations and selectors.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    time::Duration,
};

use crate::text::is_control;

/// Returns whether a character needs no escape in a file that people and parsers read.
pub(super) fn is_plain(character: char) -> bool {
    !is_control(character) && !matches!(character, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Writes a character as an escape of Go, which YAML has too.
pub(super) fn escape(to: &mut String, character: char) {
    let code = u32::from(character);
    // A string accepts everything.
    let _ = match character {
        '\n' => to.write_str(r"\n"),
        '\t' => to.write_str(r"\t"),
        '\r' => to.write_str(r"\r"),
        _ if code > 0xffff => write!(to, "\\U{code:08x}"),
        _ => write!(to, "\\u{code:04x}"),
    };
}

/// Returns a string literal, which is also a scalar of YAML.
pub(super) fn string(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => literal.extend(['\\', character]),
            _ if is_plain(character) => literal.push(character),
            _ => escape(&mut literal, character),
        }
    }
    literal.push('"');
    literal
}

/// The characters with a meaning in a regular expression of RE2.
const SPECIAL: &str = r"\.+*?()|[]{}^$";

/// Returns a regular expression of RE2 that matches this text only.
fn verbatim(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        if SPECIAL.contains(character) {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

/// Returns a number without an exponent.
pub(super) fn number(value: f64) -> String {
    // Rounded to 12 digits, so that 1 − 0.99 is 0.01.
    let rounded = (value * 1e12).round() / 1e12;
    format!("{}", if rounded.is_finite() && rounded != 0.0 { rounded } else { value })
}

/// Returns a duration such as `1h30m`, rounded up to a millisecond.
pub(super) fn duration(duration: Duration) -> String {
    let mut rest = duration.as_nanos().div_ceil(1_000_000);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, milliseconds) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        let count = rest / milliseconds;
        rest %= milliseconds;
        if count > 0 {
            let _ = write!(text, "{count}{unit}");
        }
    }
    text
}

/// Returns the lines of an expression, further to the right.
pub(super) fn indented(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}

/// A condition on a label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Matcher {
    label: String,
    operator: &'static str,
    value: String,
}

impl Matcher {
    pub(super) fn equal(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self { label: label.into(), operator: "=", value: value.into() }
    }

    /// Matches each label that is not empty.
    pub(super) fn any(label: impl Into<String>) -> Self {
        Self { label: label.into(), operator: "!=", value: String::new() }
    }

    pub(super) fn one_of<'a>(label: &str, values: impl IntoIterator<Item = &'a str>) -> Self {
        Self::alternatives(label, ["=", "=~"], values)
    }

    pub(super) fn none_of<'a>(label: &str, values: impl IntoIterator<Item = &'a str>) -> Self {
        Self::alternatives(label, ["!=", "!~"], values)
    }

    /// Matches by a regular expression, which the caller has escaped.
    pub(super) fn pattern(label: &str, pattern: impl Into<String>) -> Self {
        Self { label: label.to_owned(), operator: "=~", value: pattern.into() }
    }

    fn alternatives<'a>(
        label: &str,
        [one, several]: [&'static str; 2],
        values: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let values: Vec<_> = values.into_iter().collect();
        let (operator, value) = match values[..] {
            [value] => (one, value.to_owned()),
            _ => {
                let values: Vec<_> = values.into_iter().map(verbatim).collect();
                (several, values.join("|"))
            }
        };
        Self { label: label.to_owned(), operator, value }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.label, self.operator, string(&self.value))
    }
}

/// Returns a selector of the series of one metric.
pub(super) fn selector(name: &str, matchers: &[Matcher]) -> String {
    selector_of(&[name], matchers)
}

/// Returns a selector of the series of several metrics.
fn selector_of(names: &[&str], matchers: &[Matcher]) -> String {
    let (name, by_name) = match names {
        [name] => (*name, None),
        _ => ("", Some(Matcher::one_of("__name__", names.iter().copied()))),
    };
    let matchers: Vec<_> = by_name.iter().chain(matchers).map(Matcher::to_string).collect();
    if matchers.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", matchers.join(",")) }
}

/// Returns selectors of all these series, one for all metrics with the same matchers.
pub(super) fn selectors(series: impl IntoIterator<Item = (String, Vec<Matcher>)>) -> Vec<String> {
    let mut names_by_matchers = BTreeMap::<_, (usize, Vec<String>)>::new();
    for (place, (name, matchers)) in series.into_iter().enumerate() {
        let (_, names) = names_by_matchers.entry(matchers).or_insert((place, Vec::new()));
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut in_order: Vec<_> = names_by_matchers.into_iter().collect();
    in_order.sort_by_key(|(_, (place, _))| *place);
    let selectors = in_order.iter().map(|(matchers, (_, names))| {
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        selector_of(&names, matchers)
    });
    selectors.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a string literal by Go's rules.
    fn unquoted(literal: &str) -> Option<String> {
        let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
        let mut text = String::new();
        let mut rest = inner.chars();
        while let Some(character) = rest.next() {
            let escaped = match character {
                '"' | '\n' => return None,
                '\\' => rest.next()?,
                _ => {
                    text.push(character);
                    continue;
                }
            };
            let mut hexadecimal = |digits: usize| {
                let code: String = rest.by_ref().take(digits).collect();
                char::from_u32(u32::from_str_radix(&code, 16).ok()?)
            };
            text.push(match escaped {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'u' => hexadecimal(4)?,
                'U' => hexadecimal(8)?,
                '"' | '\\' => escaped,
                _ => return None,
            });
        }
        Some(text)
    }

    #[test]
    fn durations_have_the_units_of_prometheus() {
        let of = |milliseconds| duration(Duration::from_millis(milliseconds));
        for (milliseconds, text) in [
            (0, "0s"),
            (500, "500ms"),
            (1_000, "1s"),
            (75_000, "1m15s"),
            (3_600_000, "1h"),
            (5_400_250, "1h30m250ms"),
        ] {
            assert_eq!(of(milliseconds), text);
        }
        assert_eq!(duration(Duration::from_nanos(1)), "1ms");
    }

    #[test]
    fn numbers_have_no_exponent_and_no_rounding_error() {
        for (value, text) in [
            (0.01, "0.01"),
            (1.0 - 0.99, "0.01"),
            (14.4 * 0.001, "0.0144"),
            (5.0, "5"),
            (1e-7, "0.0000001"),
            (1e-13, "0.0000000000001"),
            (1e21, "1000000000000000000000"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn metrics_with_the_same_matchers_share_a_selector() {
        let job = || Matcher::equal("job", "a \"b\"");
        let series = [
            ("x_total", vec![job()]),
            ("y_total", vec![job(), Matcher::one_of("code", ["A", "B+"])]),
            ("z_total", vec![job()]),
        ];
        assert_eq!(
            selectors(series.map(|(name, matchers)| (name.to_owned(), matchers))),
            [
                r#"{__name__=~"x_total|z_total",job="a \"b\""}"#,
                r#"y_total{job="a \"b\"",code=~"A|B\\+"}"#,
            ]
        );
    }

    proptest! {
        #[test]
        fn a_string_is_read_as_it_was_written(text in any::<String>()) {
            let literal = string(&text);
            prop_assert!(literal.chars().all(is_plain));
            prop_assert_eq!(unquoted(&literal), Some(text));
        }

        #[test]
        fn special_characters_are_read_as_they_were_written(text in "[\"\\\\{}'`\n\r\t\u{85}\u{2028}\u{feff}é日 ]*") {
            prop_assert_eq!(unquoted(&string(&text)), Some(text));
        }

        #[test]
        fn a_pattern_without_its_backslashes_is_the_text(text in any::<String>()) {
            let pattern = verbatim(&text);
            let mut characters = pattern.chars();
            let mut read = String::new();
            while let Some(character) = characters.next() {
                let is_escape = character == '\\';
                read.extend(if is_escape { characters.next() } else { Some(character) });
                let is_special = SPECIAL.contains(character);
                prop_assert!(is_escape || !is_special, "{}", character);
            }
            prop_assert_eq!(read, text);
        }
    }
}
