use std::{collections::VecDeque, time::Duration};

use super::{LONGEST, SECONDS};

/// A time at which all sums were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(super) tick: u64,
    pub(super) at: Duration,
}

/// The times of the ticks, in two tiers: every tick of the last minute, and one per minute of the
/// last hour.
#[derive(Debug)]
pub(crate) struct Timeline {
    seconds: VecDeque<Mark>,
    minutes: VecDeque<Mark>,
}

/// The tier that keeps a mark and its sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tier {
    Seconds,
    Minutes,
}

/// A tick, for the histories.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tick {
    pub(super) number: u64,
    /// The previous minute mark, if this tick is a minute mark.
    pub(super) minute_since: Option<u64>,
    /// The oldest marks that a window may still need.
    pub(super) oldest_second: u64,
    pub(super) oldest_minute: u64,
}

impl Timeline {
    /// Starts a timeline with all sums at zero.
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
        drop_old(&mut self.seconds, now, SECONDS);
        drop_old(&mut self.minutes, now, LONGEST);
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

    /// The newest mark that is at least `over` old, or else the oldest mark, with its tier.
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

/// Drops the marks that are at least `reach` old, except the newest, which the longest window
/// needs.
fn drop_old(marks: &mut VecDeque<Mark>, now: Duration, reach: Duration) {
    while marks.get(1).is_some_and(|mark| now.saturating_sub(mark.at) >= reach) {
        marks.pop_front();
    }
}
