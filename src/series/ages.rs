use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
};

/// How many exchanges that began in a certain second, minute, and span of 64 minutes are still open.
///
/// A start adds and an end subtracts, on whichever thread: the sum over the shards (wrapping) is
/// what is open. Each ring reaches back twice the step of the next one, so that they overlap:
/// seconds for two minutes, minutes for two hours, spans for two days.
#[derive(Debug)]
pub(crate) struct Ages {
    seconds: [AtomicU32; SECONDS],
    minutes: [AtomicU32; MINUTES],
    spans: [AtomicU32; SPANS],
}

const SECONDS: usize = 128;
const MINUTES: usize = 128;
const SPANS: usize = 64;

/// How many minutes a span has.
const SPAN: u64 = 64;

impl Ages {
    pub(crate) fn new() -> Self {
        Self {
            seconds: [const { AtomicU32::new(0) }; SECONDS],
            minutes: [const { AtomicU32::new(0) }; MINUTES],
            spans: [const { AtomicU32::new(0) }; SPANS],
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
        let minute = second / 60;
        for cell in [
            &self.seconds[second as usize % SECONDS],
            &self.minutes[minute as usize % MINUTES],
            &self.spans[(minute / SPAN as u32) as usize % SPANS],
        ] {
            cell.store(cell.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
        }
    }
}

/// What is known of the oldest open exchange, from tick to tick.
///
/// Seconds are exact for two minutes. What hangs for longer is known by its minute, or span, and by
/// the oldest second that was seen in it while that was exact.
#[derive(Debug, Default)]
pub(crate) struct OldestStart {
    /// By minute, the oldest second in which an exchange began that was open when it was exact.
    seen: BTreeMap<u64, u64>,
}

impl OldestStart {
    /// The second in which the oldest open exchange began, at second `now`. It must be asked each
    /// tick while something is open.
    pub(crate) fn at<'a>(
        &mut self,
        shards: impl Iterator<Item = &'a Ages> + Clone,
        now: u64,
    ) -> Option<u64> {
        let open = |ring: fn(&'a Ages) -> &'a [AtomicU32], slot: u64| {
            let sum = shards.clone().fold(0_u32, |sum, ages| {
                let ring = ring(ages);
                sum.wrapping_add(ring[slot as usize % ring.len()].load(Ordering::Relaxed))
            });
            // Negative for a moment when an end is read before its start.
            sum.cast_signed() > 0
        };
        let is_open_minute = |minute: u64| open(|ages| &ages.minutes, minute);
        let is_open_span = |span: u64| open(|ages| &ages.spans, span);
        let (minute, span) = (now / 60, now / 60 / SPAN);

        for exact in minute.saturating_sub(1)..=minute {
            let mut seconds = exact * 60..=now.min(exact * 60 + 59);
            match seconds.find(|second| open(|ages| &ages.seconds, *second)) {
                Some(second) => self.seen.insert(exact, second),
                None => self.seen.remove(&exact),
            };
        }
        let by_minute = minute.saturating_sub(MINUTES as u64 - 1);
        self.seen.retain(|seen, _| {
            if *seen >= by_minute { is_open_minute(*seen) } else { is_open_span(seen / SPAN) }
        });

        let by_span = span.saturating_sub(SPANS as u64 - 1)..span.saturating_sub(1);
        let stuck_span = by_span.clone().find(|span| is_open_span(*span)).map(|span| {
            let first = span * SPAN;
            let seen = self.seen.range(first..first + SPAN).next().map(|(_, second)| *second);
            seen.unwrap_or((first + SPAN) * 60 - 1)
        });
        stuck_span
            .or_else(|| {
                let stuck =
                    (by_minute..minute.saturating_sub(1)).find(|minute| is_open_minute(*minute))?;
                Some(self.seen.get(&stuck).copied().unwrap_or(stuck * 60 + 59))
            })
            .or_else(|| {
                self.seen.range(minute.saturating_sub(1)..).next().map(|(_, second)| *second)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oldest(shards: &[&Ages], now: u64) -> Option<u64> {
        OldestStart::default().at(shards.iter().copied(), now)
    }

    #[test]
    fn the_oldest_is_exact_to_the_second_even_if_it_ends_on_another_thread() {
        let (here, there) = (Ages::new(), Ages::new());
        here.opened(1_000);
        here.opened(1_003);
        assert_eq!(oldest(&[&here, &there], 1_010), Some(1_000));
        there.closed(1_000);
        assert_eq!(oldest(&[&here, &there], 1_010), Some(1_003));
        there.closed(1_003);
        assert_eq!(oldest(&[&here, &there], 1_010), None);
    }

    #[test]
    fn a_hang_gets_older_second_by_second_for_a_day() {
        for began in [0, 605, 3_839, 3_840, 7_679] {
            let ages = Ages::new();
            ages.opened(began as u32);
            let mut known = OldestStart::default();
            for now in began..began + 24 * 3_600 {
                // Traffic around it, all of which ends.
                ages.opened(now as u32);
                ages.closed(now as u32);
                assert_eq!(known.at([&ages].into_iter(), now), Some(began), "at {now}");
            }
        }
    }

    #[test]
    fn when_the_oldest_of_two_hangs_ends_the_other_is_as_old_as_it_is() {
        let ages = Ages::new();
        let mut known = OldestStart::default();
        ages.opened(10);
        for now in 10..400 {
            if now == 120 {
                ages.opened(120);
            }
            assert_eq!(known.at([&ages].into_iter(), now), Some(10), "at {now}");
        }
        ages.closed(10);
        for now in 400..500 {
            assert_eq!(known.at([&ages].into_iter(), now), Some(120), "at {now}");
        }
    }

    #[test]
    fn what_was_never_seen_while_it_was_exact_counts_as_young_as_it_can_be() {
        let ages = Ages::new();
        ages.opened(605);
        assert_eq!(oldest(&[&ages], 900), Some(659));
    }
}
