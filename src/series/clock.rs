use std::{num::NonZeroU64, sync::LazyLock, time::Duration};

use quanta::Clock;

/// The process's raw clock: calibrated once, read without a lock.
static CLOCK: LazyLock<Clock> = LazyLock::new(Clock::new);

/// A reading of the raw clock, in a unit of its own, of about a third of a nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawTime(NonZeroU64);

impl RawTime {
    /// Calibrates the clock at the first call, which takes up to 200 ms.
    #[inline]
    pub(crate) fn now() -> Self {
        // A unit up or down, so that an optional reading is as small as one.
        Self(NonZeroU64::MIN | CLOCK.raw())
    }

    /// Nanoseconds since an earlier reading; 0 if it was not earlier.
    #[inline]
    pub(crate) fn nanos_since(self, earlier: Self) -> u64 {
        CLOCK.delta_as_nanos(earlier.0.get(), self.0.get())
    }

    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }
}
