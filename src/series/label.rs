use std::{
    hash::BuildHasher,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::operation::OTHER;

/// The values of all labels that the user added, of one request, as one number: a digit a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LabelSet(pub(super) u16);

impl LabelSet {
    /// No label has a value.
    pub(crate) const NONE: Self = Self(0);

    /// As a part of a word that travels with a request.
    #[inline]
    pub(crate) fn to_bits(self) -> u16 {
        self.0
    }

    #[inline]
    pub(crate) fn from_bits(bits: u16) -> Self {
        Self(bits)
    }
}

/// The labels that the user added, each with the values met so far.
#[derive(Debug, Default)]
pub(crate) struct LabelTable(Vec<UserLabel>);

#[derive(Debug)]
struct UserLabel {
    name: Arc<str>,
    values: Values,
    /// What the digit counts for in a [`LabelSet`].
    weight: usize,
}

/// The values of one label: looked up without a lock, only ever added to, and bounded.
///
/// Open addressing at most half full, as in the table of operations.
#[derive(Debug)]
struct Values {
    slots: Box<[OnceLock<Value>]>,
    hasher: foldhash::fast::RandomState,
    limit: usize,
    /// How many there are; guards additions.
    met: Mutex<usize>,
    /// Set when the last place is taken: what is not found then needs no lock to be `_OTHER`.
    is_full: AtomicBool,
}

#[derive(Debug)]
struct Value {
    text: Arc<str>,
    digit: usize,
}

impl LabelTable {
    /// How many sets of values there may be: each takes cells of its own, and series in Prometheus.
    pub(crate) const MAX_SETS: usize = 10_000;

    /// What is longer is `_OTHER`: a label is a word, and the sum of all is held in memory.
    const LONGEST: usize = 128;

    /// Of names and bounds.
    pub(crate) fn new<'a>(labels: impl IntoIterator<Item = (&'a str, usize)>) -> Self {
        let mut weight = 1;
        let labels = labels.into_iter().map(|(name, limit)| {
            let label = UserLabel { name: name.into(), values: Values::new(limit), weight };
            weight *= label.values.digits();
            label
        });
        Self(labels.collect())
    }

    /// How many sets of values so many labels with these bounds make.
    pub(crate) fn sets_of(limits: impl IntoIterator<Item = usize>) -> usize {
        limits.into_iter().map(digits).fold(1, usize::saturating_mul)
    }

    pub(super) fn sets(&self) -> usize {
        Self::sets_of(self.0.iter().map(|label| label.values.limit))
    }

    pub(crate) fn name(&self, place: usize) -> &str {
        &self.0[place].name
    }

    /// The set with a value for the label at `place`, which had none.
    pub(crate) fn with(&self, set: LabelSet, place: usize, value: &str) -> LabelSet {
        let UserLabel { values, weight, .. } = &self.0[place];
        let digit = match value.len() {
            0 => 0,
            1..=Self::LONGEST => values.digit(value),
            _ => values.other(),
        };
        LabelSet(set.0 + (weight * digit) as u16)
    }

    /// The labels that have a value, by name and value.
    pub(crate) fn texts(&self, set: LabelSet) -> impl Iterator<Item = (Arc<str>, Arc<str>)> {
        self.0.iter().filter_map(move |UserLabel { name, values, weight }| {
            let digit = usize::from(set.0) / weight % values.digits();
            Some((Arc::clone(name), values.text(digit)?))
        })
    }
}

/// None, each value, and `_OTHER`.
fn digits(limit: usize) -> usize {
    limit.saturating_add(2)
}

impl Values {
    fn new(limit: usize) -> Self {
        Self {
            slots: (0..(limit * 2).next_power_of_two()).map(|_| OnceLock::new()).collect(),
            hasher: foldhash::fast::RandomState::default(),
            limit,
            met: Mutex::new(0),
            is_full: AtomicBool::new(false),
        }
    }

    fn digits(&self) -> usize {
        digits(self.limit)
    }

    fn other(&self) -> usize {
        self.limit + 1
    }

    /// The number of a value, a new one if it was not met; past the bound that of `_OTHER`.
    fn digit(&self, value: &str) -> usize {
        // Read before the look-up, which then sees all that there will ever be.
        let is_full = self.is_full.load(Ordering::Acquire);
        match self.place_of(value) {
            Ok(digit) => digit,
            Err(_) if is_full || value == OTHER => self.other(),
            Err(_) => self.add(value),
        }
    }

    /// The number, or else the empty slot where the value belongs.
    fn place_of(&self, value: &str) -> Result<usize, usize> {
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
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked up again: another thread may have added it, and filled the table with it.
        match self.place_of(value) {
            Ok(digit) => digit,
            Err(_) if *met >= self.limit => self.other(),
            Err(slot) => {
                *met += 1;
                let new = || Value { text: value.into(), digit: *met };
                let digit = self.slots[slot].get_or_init(new).digit;
                self.is_full.store(*met >= self.limit, Ordering::Release);
                digit
            }
        }
    }

    fn text(&self, digit: usize) -> Option<Arc<str>> {
        if digit == self.other() {
            return Some(OTHER.into());
        }
        let mut met = self.slots.iter().filter_map(OnceLock::get);
        met.find(|value| value.digit == digit).map(|value| Arc::clone(&value.text))
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
    fn a_set_gives_back_each_value_it_was_made_of_and_nothing_for_none() {
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
    fn past_the_bound_and_past_the_length_a_value_is_other() {
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
    fn threads_that_meet_a_value_at_the_same_time_agree_on_its_number() {
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
        // What was past the bound for one is so for all that come later.
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
