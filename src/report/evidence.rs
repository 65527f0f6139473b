//! The texts and fields of a report, each bounded in length, number and total size.

use std::{borrow::Cow, fmt};

use super::{MAX_CHARS, MAX_ITEMS, MAX_NAME_CHARS, MAX_TOTAL_BYTES};
use crate::text::{limited, short};

/// The causes of an error.
#[derive(Debug, Default)]
pub(super) struct Texts(pub(super) Vec<String>);

impl Texts {
    /// Adds the text, cut to the remaining size.
    pub(super) fn add(&mut self, text: impl fmt::Display) {
        let used: usize = self.0.iter().map(String::len).sum();
        let left = MAX_TOTAL_BYTES.saturating_sub(used);
        if left > 0 && self.0.len() < MAX_ITEMS {
            self.0.push(limited(text, MAX_CHARS, left));
        }
    }
}

/// The fields of a report.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Vec<(Cow<'static, str>, String)>);

impl Fields {
    /// Adds the field, cut to the remaining size.
    pub(super) fn add(&mut self, name: Cow<'static, str>, value: impl fmt::Display) {
        if self.0.len() >= MAX_ITEMS {
            return;
        }
        let name = short(name, MAX_NAME_CHARS);
        let used: usize = self.0.iter().map(|(name, value)| name.len() + value.len()).sum();
        let left = MAX_TOTAL_BYTES.saturating_sub(used + name.len());
        if left > 0 {
            self.0.push((name, limited(value, MAX_CHARS, left)));
        }
    }

    #[cfg(feature = "tracing-layer")]
    pub(super) fn extend(&mut self, others: &Self) {
        for (name, value) in &others.0 {
            self.add(name.clone(), value);
        }
    }

    #[cfg(feature = "tracing-layer")]
    pub(super) fn contains(&self, name: &str, value: &str) -> bool {
        self.0.iter().any(|(own, other)| (&**own, &**other) == (name, value))
    }

    pub(super) fn into_vec(self) -> Vec<(Cow<'static, str>, String)> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_size_of_texts_and_fields_is_bounded() {
        let (mut texts, mut fields) = (Texts::default(), Fields::default());
        for _ in 0..100 {
            texts.add("é".repeat(1_000_000));
            fields.add("n".repeat(1_000_000).into(), "日".repeat(1_000_000));
        }
        let bytes: usize = texts.0.iter().map(String::len).sum();
        assert!((4_000..=MAX_TOTAL_BYTES + 3).contains(&bytes), "{bytes}");
        let fields = fields.into_vec();
        let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!((4_000..=MAX_TOTAL_BYTES + 3).contains(&bytes), "{bytes}");
    }

    #[test]
    fn the_number_of_texts_and_fields_is_bounded() {
        let (mut texts, mut fields) = (Texts::default(), Fields::default());
        for _ in 0..100 {
            texts.add("x");
            fields.add("name".into(), 1);
        }
        assert_eq!((texts.0.len(), fields.into_vec().len()), (MAX_ITEMS, MAX_ITEMS));
    }
}
