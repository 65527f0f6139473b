//! JSON as data, without a library, since `serde_json` is optional.

use std::{borrow::Cow, fmt};

use crate::observe::JsonString;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Flag(bool),
    /// A finite number.
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(Cow<'static, str>, Json)>),
}

/// An object with these keys and values.
macro_rules! object {
    ($($key:literal: $value:expr),* $(,)?) => {
        $crate::generate::json::Json::Object(vec![
            $(($key.into(), $crate::generate::json::Json::from($value))),*
        ])
    };
}
pub(super) use object;

impl From<bool> for Json {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u32> for Json {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<f64> for Json {
    fn from(number: f64) -> Self {
        if number.is_finite() { Self::Number(number) } else { Self::Null }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Json>> From<Vec<T>> for Json {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Json>, const N: usize> From<[T; N]> for Json {
    fn from(items: [T; N]) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl Json {
    /// Adds a key to an object.
    pub(super) fn with(
        mut self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<Json>,
    ) -> Self {
        if let Self::Object(entries) = &mut self {
            entries.push((key.into(), value.into()));
        }
        self
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{}", JsonString(text.as_bytes())),
            Self::List(items) => {
                let items = items.iter().map(|item| (None, item));
                write_items(f, depth, ['[', ']'], items)
            }
            Self::Object(entries) => {
                let items = entries.iter().map(|(key, item)| (Some(&**key), item));
                write_items(f, depth, ['{', '}'], items)
            }
        }
    }
}

fn write_items<'a>(
    f: &mut fmt::Formatter<'_>,
    depth: usize,
    [open, close]: [char; 2],
    items: impl ExactSizeIterator<Item = (Option<&'a str>, &'a Json)>,
) -> fmt::Result {
    if items.len() == 0 {
        return write!(f, "{open}{close}");
    }
    write!(f, "{open}")?;
    for (place, (key, item)) in items.enumerate() {
        let comma = if place == 0 { "" } else { "," };
        write!(f, "{comma}\n{:width$}", "", width = (depth + 1) * 2)?;
        if let Some(key) = key {
            write!(f, "{}: ", JsonString(key.as_bytes()))?;
        }
        item.write(f, depth + 1)?;
    }
    write!(f, "\n{:width$}{close}", "", width = depth * 2)
}

/// Writes the value over several lines, so that a comparison of two files shows each change.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_kind_of_value_has_its_form() {
        let json = object! {
            "a": [1_u32, 2],
            "b": Json::Null,
            "c": object! {},
            "d": 0.05,
            "e": vec![true],
            "f": f64::NAN,
        };
        assert_eq!(
            json.with("g", "\"é\"").to_string(),
            "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": null,\n  \"c\": {},\n  \"d\": 0.05,\n  \
             \"e\": [\n    true\n  ],\n  \"f\": null,\n  \"g\": \"\\\"\\u00e9\\\"\"\n}"
        );
    }

    proptest! {
        #[test]
        fn a_parser_reads_what_was_written(text in any::<String>(), number in any::<i32>()) {
            let json = object! { "text": text.clone(), "number": f64::from(number) };
            let read: serde_json::Value = serde_json::from_str(&json.to_string()).unwrap();
            prop_assert_eq!(read["text"].as_str(), Some(&*text));
            prop_assert_eq!(read["number"].as_i64(), Some(number.into()));
        }
    }
}
