use std::{collections::VecDeque, time::Duration};

use super::{LONGEST, SECONDS};

/// A moment at which all sums were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(super) tick: u64,
    pub(super) at: Duration,
}

/// When the ticks were, in two tiers: each tick for a minute, one a minute for an hour.
#[derive(Debug)]
pub(crate) struct Timeline {
    seconds: VecDeque<Mark>,
    minutes: VecDeque<Mark>,
}

/// Which tier a mark is from, and so in which the sums of then are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tier {
    Seconds,
    Minutes,
}

/// What a tick has to tell the histories.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tick {
    pub(super) number: u64,
    /// The minute mark before, where this tick is a minute mark, too.
    pub(super) minute_since: Option<u64>,
    /// The oldest marks that are still asked for.
    pub(super) oldest_second: u64,
    pub(super) oldest_minute: u64,
}

impl Timeline {
    /// Starts with all sums at zero.
    pub(crate) fn new(now: Duration) -> Self {
        let start = Mark { tick: 0, at: now };
        Self { seconds: [start].into(), minutes: [start].into() }
    }

    pub(crate) fn tick(&mut self, now: Duration) -> Tick {
        let mark = Mark { tick: self.newest().tick + 1, at: now };
        let last_minute = self.last_minute();
        self.seconds.push_back(mark);
        let is_minute = now.saturating_sub(last_minute.at) >= SECONDS;
        if is_minute {
            self.minutes.push_back(mark);
        }
        forget(&mut self.seconds, now, SECONDS);
        forget(&mut self.minutes, now, LONGEST);
        Tick {
            number: mark.tick,
            minute_since: is_minute.then_some(last_minute.tick),
            oldest_second: self.seconds.front().map_or(0, |mark| mark.tick),
            oldest_minute: self.minutes.front().map_or(0, |mark| mark.tick),
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.newest().at
    }

    /// The newest mark at least `over` old, or the oldest there is, with its tier.
    pub(super) fn reference(&self, over: Duration) -> (Tier, Mark) {
        let now = self.now();
        let find = |marks: &VecDeque<Mark>| {
            let young = marks.partition_point(|mark| now.saturating_sub(mark.at) >= over);
            young.checked_sub(1).map(|index| marks[index])
        };
        let oldest = |marks: &VecDeque<Mark>| marks[0];
        match find(&self.seconds) {
            Some(mark) => (Tier::Seconds, mark),
            None => (Tier::Minutes, find(&self.minutes).unwrap_or(oldest(&self.minutes))),
        }
    }

    pub(super) fn last_minute(&self) -> Mark {
        self.minutes[self.minutes.len() - 1]
    }

    fn newest(&self) -> Mark {
        self.seconds[self.seconds.len() - 1]
    }
}

/// Drops the marks that no window of up to `reach` can ask for: all but one that are as old.
fn forget(marks: &mut VecDeque<Mark>, now: Duration, reach: Duration) {
    while marks.get(1).is_some_and(|mark| now.saturating_sub(mark.at) >= reach) {
        marks.pop_front();
    }
}
