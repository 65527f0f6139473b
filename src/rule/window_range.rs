use std::{ops::RangeInclusive, time::Duration};

use crate::window;

/// The length of a window, or a range of lengths; created from a [`Duration`] or an inclusive
/// range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowRange {
    pub(crate) shortest: Duration,
    pub(crate) longest: Duration,
}

impl WindowRange {
    pub(crate) const DEFAULT: Self =
        Self { shortest: Duration::from_secs(10), longest: Duration::from_secs(60) };

    /// The lengths to try, the shortest first: in steps of a second up to a minute, then of a
    /// minute, like the marks of the timeline.
    pub(crate) fn lengths(self) -> impl Iterator<Item = Duration> {
        std::iter::successors(Some(self.shortest), move |length| {
            let step = if *length < MINUTE { Duration::from_secs(1) } else { MINUTE };
            (*length < self.longest).then(|| (*length + step).min(self.longest))
        })
    }

    /// The longest window of the range.
    pub(crate) fn longest(self) -> Duration {
        self.longest
    }

    /// The problem and its fix, if the range is invalid.
    pub(crate) fn problem(self) -> Option<String> {
        let Self { shortest, longest } = self;
        if shortest > longest {
            Some(format!("over {shortest:?}..={longest:?} is empty: put the shorter one first"))
        } else if shortest < Duration::from_secs(1) {
            Some(format!("over {shortest:?} is shorter than a tick: use at least 1 s"))
        } else if longest > window::LONGEST {
            Some(format!(
                "over {longest:?} is longer than an hour: use at most 3600 s, and a Prometheus rule \
                 for a longer window"
            ))
        } else {
            None
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);

impl From<Duration> for WindowRange {
    fn from(length: Duration) -> Self {
        Self { shortest: length, longest: length }
    }
}

impl From<RangeInclusive<Duration>> for WindowRange {
    fn from(range: RangeInclusive<Duration>) -> Self {
        Self { shortest: *range.start(), longest: *range.end() }
    }
}
