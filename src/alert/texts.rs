use std::{cmp::Reverse, fmt, mem};

use crate::text::limited;

/// The distinct texts of the reports in one message, each with its count.
///
/// It lists at most ten texts, each of up to 200 characters; [`others`](Self::others) counts the
/// reports with further texts. The counts and `others` add up to
/// [`Failure::count`](super::Failure::count).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DistinctTexts {
    /// The texts in the order of their first reports.
    pub listed: Vec<TextCount>,
    /// The number of reports whose text is not listed.
    pub others: u64,
}

/// A text and the number of reports with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextCount {
    /// The error with its causes, in one line.
    pub text: String,
    /// The number of reports with this text.
    pub count: u64,
}

/// The maximum number of listed texts.
const MAX_LISTED: usize = 10;

/// The maximum length of a text, in characters and in bytes.
const MAX_CHARS: usize = 200;
const MAX_BYTES: usize = 400;

impl DistinctTexts {
    /// Counts reports with the same text.
    pub(crate) fn add(&mut self, text: impl fmt::Display, count: u64) {
        self.count(limited(text, MAX_CHARS, MAX_BYTES), count);
    }

    /// The approximate memory of the texts, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.listed.iter().map(|listed| size_of::<TextCount>() + listed.text.len()).sum()
    }

    /// Puts the texts of earlier reports before these.
    pub(super) fn merge_earlier(&mut self, earlier: &Self) {
        let later = mem::replace(self, earlier.clone());
        self.others = self.others.saturating_add(later.others);
        for TextCount { text, count } in later.listed {
            self.count(text, count);
        }
    }

    fn count(&mut self, text: String, count: u64) {
        let is_full = self.listed.len() >= MAX_LISTED;
        match self.listed.iter_mut().find(|listed| listed.text == text) {
            Some(listed) => listed.count = listed.count.saturating_add(count),
            None if is_full => self.others = self.others.saturating_add(count),
            None => self.listed.push(TextCount { text, count }),
        }
    }

    /// A line for each text, such as `12× no broker answers`, the most frequent first. Empty if all
    /// reports have the same text.
    pub(super) fn lines(&self) -> Vec<String> {
        if self.listed.len() + usize::from(self.others > 0) < 2 {
            return Vec::new();
        }
        let mut listed: Vec<_> = self.listed.iter().collect();
        listed.sort_by_key(|listed| Reverse(listed.count));
        let lines = listed.iter().map(|TextCount { text, count }| format!("{count}× {text}"));
        let others = (self.others > 0).then(|| format!("{}× with other texts", self.others));
        lines.chain(others).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(reports: &[(&str, u64)]) -> DistinctTexts {
        let mut texts = DistinctTexts::default();
        reports.iter().for_each(|(text, count)| texts.add(text, *count));
        texts
    }

    #[test]
    fn each_text_has_its_count_and_the_most_frequent_comes_first() {
        let texts = texts(&[("no stock", 1), ("no broker", 2), ("no stock", 0), ("no broker", 5)]);
        assert_eq!(texts.lines(), ["7× no broker", "1× no stock"]);
    }

    #[test]
    fn a_single_text_has_no_lines() {
        assert!(texts(&[("no stock", 3)]).lines().is_empty());
        assert!(DistinctTexts::default().lines().is_empty());
    }

    #[test]
    fn the_list_is_bounded_and_counts_every_report() {
        let mut texts = DistinctTexts::default();
        (0..1_000).for_each(|order| texts.add(format!("order {order} {}", "é".repeat(9_000)), 1));
        assert_eq!((texts.listed.len(), texts.others), (MAX_LISTED, 990));
        assert!(texts.listed.iter().all(|listed| listed.text.len() <= MAX_BYTES + 3));
        assert_eq!(texts.lines().last().unwrap(), "990× with other texts");
    }

    #[test]
    fn merged_texts_keep_their_order_and_their_bound() {
        let mut later = texts(&[("b", 1), ("c", u64::MAX)]);
        later.merge_earlier(&texts(&[("a", 1), ("b", 2), ("c", 1)]));
        let listed: Vec<_> = later.listed.iter().map(|one| (&*one.text, one.count)).collect();
        assert_eq!(listed, [("a", 1), ("b", 3), ("c", u64::MAX)]);
        let many = |name| {
            let mut many = DistinctTexts::default();
            (0..15).for_each(|number| many.add(format!("{name}{number}"), 1));
            many
        };
        let mut later = many("later");
        later.merge_earlier(&many("earlier"));
        assert_eq!((later.listed.len(), later.others), (MAX_LISTED, 20));
    }
}
