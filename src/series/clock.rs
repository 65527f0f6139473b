use std::{sync::LazyLock, time::Duration};

use quanta::Clock;

/// The process's raw clock: calibrated once, read without a lock.
static CLOCK: LazyLock<Clock> = LazyLock::new(Clock::new);

/// A reading of the raw clock, in a unit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawTime(u64);

impl RawTime {
    /// Calibrates the clock at the first call, which takes up to 200 ms.
    #[inline]
    pub(crate) fn now() -> Self {
        Self(CLOCK.raw())
    }

    /// Nanoseconds since an earlier reading; 0 if it was not earlier.
    #[inline]
    pub(crate) fn nanos_since(self, earlier: Self) -> u64 {
        CLOCK.delta_as_nanos(earlier.0, self.0)
    }

    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }
}
