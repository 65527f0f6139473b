use std::{
    hash::BuildHasher,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::operation::OTHER;

/// The values of all user labels of a request, as one number that has a digit for each label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LabelSet(pub(super) u16);

impl LabelSet {
    /// No label has a value.
    pub(crate) const NONE: Self = Self(0);

    /// Returns the bits to store in a request's state.
    #[inline]
    pub(crate) fn to_bits(self) -> u16 {
        self.0
    }

    #[inline]
    pub(crate) fn from_bits(bits: u16) -> Self {
        Self(bits)
    }
}

/// The user's labels with the values that have occurred so far.
#[derive(Debug, Default)]
pub(crate) struct LabelTable(Vec<UserLabel>);

#[derive(Debug)]
struct UserLabel {
    name: Arc<str>,
    values: Values,
    /// The weight of the label's digit in a [`LabelSet`].
    weight: usize,
}

/// The values of one label: bounded, append-only, and looked up without a lock.
///
/// Uses open addressing and stays at most half full, like the table of operations.
#[derive(Debug)]
struct Values {
    slots: Box<[OnceLock<Value>]>,
    hasher: foldhash::fast::RandomState,
    limit: usize,
    /// The number of values. The lock guards additions.
    count: Mutex<usize>,
    /// Set once the table is full, so that further values become `_OTHER` without the lock.
    is_full: AtomicBool,
}

#[derive(Debug)]
struct Value {
    text: Arc<str>,
    digit: usize,
}

impl LabelTable {
    /// The maximum number of sets of values. Each set has its own cells, and its own series in
    /// Prometheus.
    pub(crate) const MAX_SETS: usize = 10_000;

    /// The maximum length of a value, in bytes. Longer values become `_OTHER`, since every value
    /// stays in memory.
    const MAX_BYTES: usize = 128;

    /// Creates a table from names and limits.
    pub(crate) fn new<'a>(labels: impl IntoIterator<Item = (&'a str, usize)>) -> Self {
        let mut weight = 1;
        let labels = labels.into_iter().map(|(name, limit)| {
            let label = UserLabel { name: name.into(), values: Values::new(limit), weight };
            weight *= label.values.digits();
            label
        });
        Self(labels.collect())
    }

    /// Returns the number of sets of values for labels with these limits.
    pub(crate) fn sets_of(limits: impl IntoIterator<Item = usize>) -> usize {
        limits.into_iter().map(digits).fold(1, usize::saturating_mul)
    }

    pub(super) fn sets(&self) -> usize {
        Self::sets_of(self.0.iter().map(|label| label.values.limit))
    }

    pub(crate) fn name(&self, index: usize) -> &str {
        &self.0[index].name
    }

    /// Adds a value for the label at `index`, which must not have a value yet.
    pub(crate) fn with(&self, set: LabelSet, index: usize, value: &str) -> LabelSet {
        let UserLabel { values, weight, .. } = &self.0[index];
        let digit = match value.len() {
            0 => 0,
            1..=Self::MAX_BYTES => values.digit(value),
            _ => values.other(),
        };
        LabelSet(set.0 + (weight * digit) as u16)
    }

    /// Returns the names and values of the labels that have a value.
    pub(crate) fn texts(&self, set: LabelSet) -> impl Iterator<Item = (Arc<str>, Arc<str>)> {
        self.0.iter().filter_map(move |UserLabel { name, values, weight }| {
            let digit = usize::from(set.0) / weight % values.digits();
            Some((Arc::clone(name), values.text(digit)?))
        })
    }
}

/// Returns the number of digits: one for no value, one per value, one for `_OTHER`.
fn digits(limit: usize) -> usize {
    limit.saturating_add(2)
}

impl Values {
    fn new(limit: usize) -> Self {
        Self {
            slots: (0..(limit * 2).next_power_of_two()).map(|_| OnceLock::new()).collect(),
            hasher: foldhash::fast::RandomState::default(),
            limit,
            count: Mutex::new(0),
            is_full: AtomicBool::new(false),
        }
    }

    fn digits(&self) -> usize {
        digits(self.limit)
    }

    fn other(&self) -> usize {
        self.limit + 1
    }

    /// Returns the digit of a value, and adds the value if it is new. Beyond the limit, returns the
    /// digit of `_OTHER`.
    fn digit(&self, value: &str) -> usize {
        // Read this before the lookup: once the table is full, it never changes.
        let is_full = self.is_full.load(Ordering::Acquire);
        match self.find(value) {
            Ok(digit) => digit,
            Err(_) if is_full || value == OTHER => self.other(),
            Err(_) => self.add(value),
        }
    }

    /// Returns the digit of a value, or the empty slot where it belongs.
    fn find(&self, value: &str) -> Result<usize, usize> {
        let mask = self.slots.len() - 1;
        let mut slot = self.hasher.hash_one(value) as usize & mask;
        loop {
            match self.slots[slot].get() {
                Some(known) if *known.text == *value => return Ok(known.digit),
                Some(_) => slot = (slot + 1) & mask,
                None => return Err(slot),
            }
        }
    }

    #[cold]
    fn add(&self, value: &str) -> usize {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have added the value meanwhile, and filled the table.
        match self.find(value) {
            Ok(digit) => digit,
            Err(_) if *count >= self.limit => self.other(),
            Err(slot) => {
                *count += 1;
                let new = || Value { text: value.into(), digit: *count };
                let digit = self.slots[slot].get_or_init(new).digit;
                self.is_full.store(*count >= self.limit, Ordering::Release);
                digit
            }
        }
    }

    fn text(&self, digit: usize) -> Option<Arc<str>> {
        if digit == self.other() {
            return Some(OTHER.into());
        }
        let mut values = self.slots.iter().filter_map(OnceLock::get);
        values.find(|value| value.digit == digit).map(|value| Arc::clone(&value.text))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn texts(table: &LabelTable, set: LabelSet) -> Vec<(String, String)> {
        table.texts(set).map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_set_yields_the_values_that_were_added() {
        let table = LabelTable::new([("tenant", 2), ("plan", 3), ("cache", 1)]);
        assert_eq!(table.sets(), 4 * 5 * 3);
        assert_eq!(texts(&table, LabelSet::NONE), []);
        for (tenant, plan, cache) in
            [("a", "gold", "hit"), ("b", "", "hit"), ("", "free", "miss"), ("c", "gold", "")]
        {
            let set = table.with(LabelSet::NONE, 2, cache);
            let set = table.with(table.with(set, 0, tenant), 1, plan);
            let shown = |value, bounded: &[&str]| match value {
                "" => None,
                value if bounded.contains(&value) => Some(value),
                _ => Some(OTHER),
            };
            let expected = [
                ("tenant", shown(tenant, &["a", "b"])),
                ("plan", shown(plan, &["gold", "free"])),
                ("cache", shown(cache, &["hit"])),
            ];
            let expected: Vec<_> =
                expected.into_iter().filter_map(|(name, value)| Some(pair(name, value?))).collect();
            assert_eq!(texts(&table, set), expected);
        }
    }

    #[test]
    fn values_that_are_too_long_or_beyond_the_limit_become_other() {
        let table = LabelTable::new([("tenant", 2)]);
        let shown = |value: &str| texts(&table, table.with(LabelSet::NONE, 0, value));
        assert_eq!(shown(OTHER), [pair("tenant", OTHER)]);
        assert_eq!(shown(&"a".repeat(129)), [pair("tenant", OTHER)]);
        let long = "a".repeat(128);
        for (value, seen) in [(&*long, &*long), ("b", "b"), ("c", OTHER), (&*long, &*long)] {
            assert_eq!(shown(value), [pair("tenant", seen)]);
        }
    }

    #[test]
    fn concurrent_threads_get_the_same_digit_for_a_value() {
        let table = LabelTable::new([("tenant", 50)]);
        let sets = || {
            let values = (0..100).map(|value| value.to_string());
            values.map(|value| table.with(LabelSet::NONE, 0, &value)).collect::<Vec<_>>()
        };
        let all = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(sets)).collect();
            threads.into_iter().map(|thread| thread.join()).collect::<Result<Vec<_>, _>>()
        });
        let all = all.expect("no thread panics");
        // A value beyond the limit remains `_OTHER`.
        let last = sets();
        for (value, set) in last.iter().enumerate() {
            let is_other = texts(&table, *set) == [pair("tenant", OTHER)];
            let expected = if is_other { OTHER.to_owned() } else { value.to_string() };
            assert_eq!(texts(&table, *set), [("tenant".to_owned(), expected)]);
            assert!(all.iter().all(|sets| sets[value] == *set));
        }
        assert_eq!(last.iter().filter(|set| set.0 == 51).count(), 50);
    }
}
