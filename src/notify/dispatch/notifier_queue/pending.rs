use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, RandomState},
    mem::{replace, size_of},
};

use crate::alert::Alert;

/// The queued changes, each alert once, in the order in which the alerts were queued.
///
/// Finds an alert by its identity in constant time, since a tick can change thousands of alerts.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: BTreeMap<i64, Entry>,
    /// The keys in `entries`, by the hash of the alert's identity.
    positions: HashMap<u64, Vec<i64>>,
    hasher: RandomState,
    /// The memory of all entries.
    bytes: usize,
}

/// The last change of an alert, and the number of merged changes.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) alert: Alert,
    pub(crate) changes: u32,
}

impl Entry {
    fn bytes(&self) -> usize {
        // Including its keys in both maps.
        self.alert.bytes() + size_of::<Self>() - size_of::<Alert>() + 64
    }
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    #[cfg_attr(not(feature = "state"), expect(dead_code, reason = "read for the state file"))]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The newest change of this alert.
    pub(crate) fn get(&self, alert: &Alert) -> Option<&Alert> {
        self.position(alert)
            .and_then(|position| self.entries.get(&position))
            .map(|entry| &entry.alert)
    }

    /// Adds newer changes of an alert. `alert` is the last of them.
    pub(crate) fn add(&mut self, alert: Alert, changes: u32) {
        let added = self.merge(&alert, |entry| {
            let earlier = replace(&mut entry.alert, alert.clone());
            entry.alert.merge_earlier(&earlier);
            entry.changes = entry.changes.saturating_add(changes);
        });
        if !added {
            let position = self.entries.last_key_value().map_or(0, |(last, _)| last + 1);
            self.insert(position, Entry { alert, changes });
        }
    }

    /// Puts earlier changes of an alert back at the head of the queue.
    pub(crate) fn put_back(&mut self, alert: &Alert, changes: u32) {
        let added = self.merge(alert, |entry| {
            entry.alert.merge_earlier(alert);
            entry.changes = entry.changes.saturating_add(changes);
        });
        if !added {
            let position = self.entries.first_key_value().map_or(0, |(first, _)| first - 1);
            self.insert(position, Entry { alert: alert.clone(), changes });
        }
    }

    /// Removes the oldest entry.
    pub(crate) fn pop(&mut self) -> Option<Entry> {
        let (position, entry) = self.entries.pop_first()?;
        self.bytes = self.bytes.saturating_sub(entry.bytes());
        let hash = self.hash(&entry.alert);
        if let Some(positions) = self.positions.get_mut(&hash) {
            positions.retain(|other| *other != position);
            if positions.is_empty() {
                self.positions.remove(&hash);
            }
        }
        Some(entry)
    }

    /// Removes the oldest entries until the others take at most `most` bytes. It keeps the newest
    /// entry even if that alone is larger.
    pub(crate) fn shrink(&mut self, most: usize) -> Vec<Entry> {
        let mut removed = Vec::new();
        while self.bytes > most && self.len() > 1 {
            removed.extend(self.pop());
        }
        removed
    }

    /// Changes the entry of this alert. Returns `false` if there is none.
    fn merge(&mut self, alert: &Alert, change: impl FnOnce(&mut Entry)) -> bool {
        let Some(position) = self.position(alert) else { return false };
        let Some(entry) = self.entries.get_mut(&position) else { return false };
        let before = entry.bytes();
        change(entry);
        self.bytes = self.bytes.saturating_sub(before) + entry.bytes();
        true
    }

    fn insert(&mut self, position: i64, entry: Entry) {
        self.bytes += entry.bytes();
        self.positions.entry(self.hash(&entry.alert)).or_default().push(position);
        self.entries.insert(position, entry);
    }

    fn position(&self, alert: &Alert) -> Option<i64> {
        let positions = self.positions.get(&self.hash(alert))?;
        let matches = |position: &&i64| {
            let entry = self.entries.get(position);
            entry.is_some_and(|entry| entry.alert.identity() == alert.identity())
        };
        positions.iter().find(matches).copied()
    }

    fn hash(&self, alert: &Alert) -> u64 {
        self.hasher.hash_one(alert.identity())
    }
}
