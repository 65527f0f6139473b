use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// The number of open exchanges, by the second in which they started.
///
/// A start adds one and an end subtracts one, possibly on another thread. The wrapping sum over all
/// shards is the number of open exchanges. The ring counts young exchanges. The reader keeps the
/// counts of older exchanges, and writers add their ends to a list.
#[derive(Debug)]
pub(crate) struct Ages {
    seconds: [AtomicU32; SECONDS],
    /// The number of old exchanges that ended, by the second in which they started.
    late: Mutex<BTreeMap<u64, u32>>,
}

const SECONDS: usize = 128;

/// A second's index in the ring, in seven bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AgeSlot(u8);

impl AgeSlot {
    #[inline]
    pub(crate) fn of(second: u32) -> Self {
        Self((second as usize % SECONDS) as u8)
    }

    #[inline]
    pub(crate) fn to_bits(self) -> u8 {
        self.0
    }

    #[inline]
    pub(crate) fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

/// Below this age, the end of an exchange is subtracted from the ring.
const YOUNG: Duration = Duration::from_secs(60);

/// The age in seconds at which the reader moves an exchange from the ring to its own counts. It is
/// 30 s above [`YOUNG`], since a thread may be suspended between reading the clock and writing, and
/// below the ring's length, since a tick may be late.
const TAKEOVER_AGE: u64 = 90;

impl Ages {
    pub(crate) fn new() -> Self {
        Self { seconds: [const { AtomicU32::new(0) }; SECONDS], late: Mutex::new(BTreeMap::new()) }
    }

    /// Counts a start in this second. Returns its slot in the ring.
    #[inline]
    pub(crate) fn opened(&self, second: u32) -> AgeSlot {
        let slot = AgeSlot::of(second);
        self.add(slot, 1);
        slot
    }

    /// Counts the end of an exchange at an age in nanoseconds. Calls `second` only for an old
    /// exchange.
    #[inline]
    pub(crate) fn closed(&self, slot: AgeSlot, age: u64, second: impl FnOnce() -> u32) {
        if Self::is_young(age) {
            self.closed_young(slot);
        } else {
            self.closed_late(second());
        }
    }

    /// Returns whether an exchange of this age, in nanoseconds, is still in the ring.
    #[inline]
    pub(crate) fn is_young(age: u64) -> bool {
        age < YOUNG.as_nanos() as u64
    }

    #[inline]
    pub(crate) fn closed_young(&self, slot: AgeSlot) {
        self.add(slot, u32::MAX);
    }

    #[cold]
    #[inline(never)]
    fn closed_late(&self, second: u32) {
        *self.late().entry(second.into()).or_default() += 1;
    }

    fn late(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, u32>> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses a plain load and store, since only one thread writes.
    #[inline]
    fn add(&self, slot: AgeSlot, by: u32) {
        let cell = &self.seconds[usize::from(slot.0) % SECONDS];
        cell.store(cell.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
    }
}

/// The reader's state of an operation's open exchanges, kept from tick to tick.
#[derive(Debug)]
pub(crate) struct OldestStart {
    /// The number of old open exchanges, by the second in which they started.
    old: BTreeMap<u64, u32>,
    /// The value of each cell when its second was taken over. A later value minus this one counts
    /// the cell's next second.
    taken_over: [u32; SECONDS],
    /// The first second that is not taken over yet.
    young_from: u64,
}

impl Default for OldestStart {
    fn default() -> Self {
        Self { old: BTreeMap::new(), taken_over: [0; SECONDS], young_from: 0 }
    }
}

impl OldestStart {
    /// Returns the second in which the oldest exchange started that is open at second `now`. Must
    /// be called at each tick while an exchange is open.
    pub(crate) fn at<'a>(
        &mut self,
        shards: impl Iterator<Item = &'a Ages> + Clone,
        now: u64,
    ) -> Option<u64> {
        for ages in shards.clone() {
            for (second, ended) in std::mem::take(&mut *ages.late()) {
                self.end_late(second, ended);
            }
        }
        let open = |taken_over: &[u32; SECONDS], second: u64| {
            let slot = second as usize % SECONDS;
            let sum = shards.clone().fold(0_u32, |sum, ages| {
                sum.wrapping_add(ages.seconds[slot].load(Ordering::Relaxed))
            });
            sum.wrapping_sub(taken_over[slot]).cast_signed()
        };
        let young_from = (now + 1).saturating_sub(TAKEOVER_AGE).max(self.young_from);
        let reaches_back_to = (now + 1).saturating_sub(SECONDS as u64);
        for second in self.young_from.max(reaches_back_to)..young_from {
            let left = open(&self.taken_over, second);
            self.take_over(second, left);
        }
        self.young_from = young_from;
        // A sum is negative for a moment if the reader sees an end before its start.
        let youngest = || (young_from..=now).find(|second| open(&self.taken_over, *second) > 0);
        self.old.keys().next().copied().or_else(youngest)
    }

    fn take_over(&mut self, second: u64, left: i32) {
        if left > 0 {
            self.old.insert(second, left.cast_unsigned());
        } else {
            // A thread was suspended so long that its ends arrived after the takeover.
            for _ in left..0 {
                let is_same_cell = |old: &u64| old % SECONDS as u64 == second % SECONDS as u64;
                if let Some(old) = self.old.keys().copied().find(is_same_cell) {
                    self.forget(old, 1);
                }
            }
        }
        let taken_over = &mut self.taken_over[second as usize % SECONDS];
        *taken_over = taken_over.wrapping_add_signed(left);
    }

    fn end_late(&mut self, second: u64, ended: u32) {
        if self.old.contains_key(&second) {
            self.forget(second, ended);
        } else {
            // The exchange is still in the ring: its second is not taken over yet, or late ticks
            // skipped it.
            let taken_over = &mut self.taken_over[second as usize % SECONDS];
            *taken_over = taken_over.wrapping_add(ended);
        }
    }

    fn forget(&mut self, second: u64, ended: u32) {
        if let Some(open) = self.old.get_mut(&second) {
            *open = open.saturating_sub(ended);
            if *open == 0 {
                self.old.remove(&second);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MILLISECOND: u64 = 1_000_000;

    fn oldest(shards: &[&Ages], now: u64) -> Option<u64> {
        OldestStart::default().at(shards.iter().copied(), now)
    }

    fn close(ages: &Ages, second: u32, age: u64) {
        ages.closed(AgeSlot::of(second), age, || second);
    }

    fn nanos(seconds: u64) -> u64 {
        seconds * 1_000_000_000
    }

    #[test]
    fn the_oldest_start_is_exact_even_if_the_end_is_on_another_thread() {
        let (here, there) = (Ages::new(), Ages::new());
        here.opened(1_000);
        here.opened(1_003);
        assert_eq!(oldest(&[&here, &there], 1_010), Some(1_000));
        close(&there, 1_000, nanos(10));
        assert_eq!(oldest(&[&here, &there], 1_010), Some(1_003));
        close(&there, 1_003, nanos(7));
        assert_eq!(oldest(&[&here, &there], 1_010), None);
    }

    #[test]
    fn the_age_of_a_hang_grows_each_second_for_a_day() {
        for began in [0, 605, 3_839, 3_840, 7_679] {
            let ages = Ages::new();
            ages.opened(began as u32);
            let mut known = OldestStart::default();
            for now in began..began + 24 * 3_600 {
                // Other exchanges start and end.
                ages.opened(now as u32);
                close(&ages, now as u32, MILLISECOND);
                assert_eq!(known.at([&ages].into_iter(), now), Some(began), "at {now}");
            }
        }
    }

    #[test]
    fn when_the_older_of_two_hangs_ends_the_age_is_that_of_the_other() {
        let ages = Ages::new();
        let mut known = OldestStart::default();
        ages.opened(10);
        for now in 10..400 {
            if now == 120 {
                ages.opened(120);
            }
            assert_eq!(known.at([&ages].into_iter(), now), Some(10), "at {now}");
        }
        close(&ages, 10, nanos(390));
        for now in 400..500 {
            assert_eq!(known.at([&ages].into_iter(), now), Some(120), "at {now}");
        }
    }

    #[test]
    fn after_minutes_without_ticks_a_hang_seems_younger_but_its_end_is_counted() {
        let ages = Ages::new();
        let mut known = OldestStart::default();
        ages.opened(10);
        assert_eq!(known.at([&ages].into_iter(), 20), Some(10));
        let seen = known.at([&ages].into_iter(), 600).unwrap();
        assert!((10..=600).contains(&seen) && seen % 128 == 10, "{seen}");
        close(&ages, 10, nanos(600));
        assert_eq!(known.at([&ages].into_iter(), 601), None);
    }

    #[test]
    fn an_end_that_is_written_minutes_late_is_counted() {
        let ages = Ages::new();
        let mut known = OldestStart::default();
        ages.opened(10);
        for now in 10..300 {
            known.at([&ages].into_iter(), now);
            if now == 150 {
                // The thread measured the end at a young age, and writes it later.
                close(&ages, 10, nanos(1));
            }
        }
        assert_eq!(known.at([&ages].into_iter(), 300), None);
    }

    proptest! {
        #[test]
        fn the_oldest_start_matches_a_list_of_all_open_exchanges(
            exchanges in prop::collection::vec((0_u64..600, prop_oneof![0_u64..5, 0_u64..500]), 1..60),
        ) {
            let ages = [Ages::new(), Ages::new()];
            let mut known = OldestStart::default();
            for now in 0..1_200 {
                for (nth, (began, took)) in exchanges.iter().enumerate() {
                    if *began == now {
                        ages[nth % 2].opened(now as u32);
                    }
                    if began + took == now {
                        close(&ages[nth / 2 % 2], *began as u32, nanos(*took));
                    }
                }
                let open = exchanges.iter().filter(|(began, took)| *began <= now && now < began + took);
                let expected = open.map(|(began, _)| *began).min();
                prop_assert_eq!(known.at(ages.iter(), now), expected, "at {}", now);
            }
        }
    }
}
