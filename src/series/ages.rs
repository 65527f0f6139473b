use std::sync::atomic::{AtomicU32, Ordering};

/// How many exchanges that began in a certain second, and in a certain minute, are still open.
///
/// A start adds and an end subtracts, on whichever thread: the sum over the shards (wrapping) is
/// what is open. Seconds reach back two minutes, minutes an hour.
#[derive(Debug)]
pub(crate) struct Ages {
    seconds: [AtomicU32; SECONDS],
    minutes: [AtomicU32; MINUTES],
}

const SECONDS: usize = 128;
const MINUTES: usize = 64;

impl Ages {
    pub(crate) fn new() -> Self {
        Self {
            seconds: [const { AtomicU32::new(0) }; SECONDS],
            minutes: [const { AtomicU32::new(0) }; MINUTES],
        }
    }

    #[inline]
    pub(crate) fn opened(&self, second: u32) {
        self.add(second, 1);
    }

    #[inline]
    pub(crate) fn closed(&self, second: u32) {
        self.add(second, u32::MAX);
    }

    /// Plain loads and stores: one thread alone writes.
    #[inline]
    fn add(&self, second: u32, by: u32) {
        for cell in [
            &self.seconds[second as usize % SECONDS],
            &self.minutes[(second / 60) as usize % MINUTES],
        ] {
            cell.store(cell.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
        }
    }

    /// The second in which the oldest open exchange began, at second `now`.
    ///
    /// Exact for two minutes. Beyond, the rings tell only the minute: `known`, what this function
    /// gave the last time, stays the answer while anything of that minute is open, so that the age
    /// never falls while one exchange hangs. Ages of more than an hour show as younger.
    pub(crate) fn oldest<'a>(
        shards: impl Iterator<Item = &'a Self> + Clone,
        now: u64,
        known: Option<u64>,
    ) -> Option<u64> {
        let open = |ring: fn(&'a Self) -> &'a [AtomicU32], slot: u64| {
            let sum = shards.clone().fold(0_u32, |sum, ages| {
                let ring = ring(ages);
                sum.wrapping_add(ring[slot as usize % ring.len()].load(Ordering::Relaxed))
            });
            // Negative for a moment when an end is read before its start.
            sum.cast_signed() > 0
        };
        let minute = now / 60;
        let oldest_minute = minute.saturating_sub(MINUTES as u64 - 1);
        if let Some(stuck) = (oldest_minute..minute.saturating_sub(1))
            .find(|minute| open(|ages| &ages.minutes, *minute))
        {
            let last = stuck * 60 + 59;
            return Some(known.filter(|known| known / 60 == stuck).unwrap_or(last));
        }
        (now.saturating_sub(SECONDS as u64 - 1)..=now)
            .find(|second| open(|ages| &ages.seconds, *second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oldest(shards: &[&Ages], now: u64, known: Option<u64>) -> Option<u64> {
        Ages::oldest(shards.iter().copied(), now, known)
    }

    #[test]
    fn the_oldest_is_exact_to_the_second_even_if_it_ends_on_another_thread() {
        let (here, there) = (Ages::new(), Ages::new());
        here.opened(1_000);
        here.opened(1_003);
        assert_eq!(oldest(&[&here, &there], 1_010, None), Some(1_000));
        there.closed(1_000);
        assert_eq!(oldest(&[&here, &there], 1_010, None), Some(1_003));
        there.closed(1_003);
        assert_eq!(oldest(&[&here, &there], 1_010, None), None);
    }

    #[test]
    fn a_hang_gets_older_second_by_second_for_an_hour() {
        let ages = Ages::new();
        ages.opened(605);
        let mut known = None;
        for now in 605..605 + 3_600 {
            // Traffic around it, all of which ends.
            ages.opened(now as u32);
            ages.closed(now as u32);
            known = oldest(&[&ages], now, known);
            assert_eq!(known, Some(605), "at {now}");
        }
    }

    #[test]
    fn beyond_two_minutes_what_was_never_known_counts_as_young_as_it_can_be() {
        let ages = Ages::new();
        ages.opened(605);
        assert_eq!(oldest(&[&ages], 900, None), Some(659));
    }
}
