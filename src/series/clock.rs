use std::{num::NonZeroU64, sync::LazyLock};

use quanta::Clock;

/// The process's raw clock, calibrated once and read without a lock.
static CLOCK: LazyLock<RawClock> = LazyLock::new(RawClock::new);

/// A raw clock with its conversion factors to nanoseconds and seconds. A conversion takes the upper
/// half of one product, since a shift across both halves would be slower than the multiplication.
#[derive(Debug)]
pub(crate) struct RawClock {
    clock: Clock,
    /// The left shift that makes a unit shorter than a nanosecond.
    shift: u32,
    /// Nanoseconds per shifted unit, times 2⁶⁴.
    nanos: u64,
    /// Seconds per unit, times 2⁶⁴.
    seconds: u64,
}

impl RawClock {
    /// The calibration uses 2⁴⁰ units, which keeps the rounding error below one in 10⁹.
    const SHIFT: u32 = 40;

    fn new() -> Self {
        let clock = Clock::new();
        let nanos = clock.delta_as_nanos(0, 1 << Self::SHIFT);
        Self::with(clock, nanos)
    }

    /// Creates a clock with `nanos` nanoseconds per 2⁴⁰ units.
    fn with(clock: Clock, nanos: u64) -> Self {
        let shift = (u64::BITS - nanos.leading_zeros()).saturating_sub(Self::SHIFT);
        let per_unit = u128::from(nanos) << (u64::BITS - Self::SHIFT);
        let seconds = per_unit / 1_000_000_000;
        Self { clock, shift, nanos: (per_unit >> shift) as u64, seconds: seconds as u64 }
    }

    /// Returns the process's clock. The first call calibrates it, which takes up to 200 ms.
    #[inline]
    pub(crate) fn get() -> &'static Self {
        &CLOCK
    }

    #[inline]
    pub(crate) fn now(&self) -> RawTime {
        // At most one unit too high; never zero, so that an `Option<RawTime>` takes no more space.
        RawTime(NonZeroU64::MIN | self.clock.raw())
    }

    /// Returns the nanoseconds between two readings; 0 if `later` is not later.
    #[inline]
    pub(crate) fn nanos(&self, earlier: RawTime, later: RawTime) -> u64 {
        self.nanos_of_units(later.units_since(earlier))
    }

    /// Converts a span to nanoseconds.
    pub(crate) fn nanos_of(&self, span: RawSpan) -> u64 {
        self.nanos_of_units(span.units())
    }

    #[inline]
    fn nanos_of_units(&self, units: u64) -> u64 {
        ((u128::from(units << self.shift) * u128::from(self.nanos)) >> 64) as u64
    }

    /// Returns the whole seconds between two readings; 0 if `later` is not later.
    #[inline]
    pub(crate) fn seconds(&self, earlier: RawTime, later: RawTime) -> u32 {
        ((u128::from(later.units_since(earlier)) * u128::from(self.seconds)) >> 64) as u32
    }
}

/// A reading of the raw clock, in units of about a third of a nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawTime(NonZeroU64);

impl RawTime {
    /// Returns the bits to store in an atomic.
    pub(crate) fn to_bits(self) -> NonZeroU64 {
        self.0
    }

    pub(crate) fn from_bits(bits: NonZeroU64) -> Self {
        Self(bits)
    }

    #[inline]
    fn units_since(self, earlier: Self) -> u64 {
        self.0.get().saturating_sub(earlier.0.get())
    }
}

/// The time between two readings in 32 bits: exact up to about 40 ms, then with a relative error
/// below 10⁻⁸. Five bits hold the shift, the others the shifted value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RawSpan(u32);

impl RawSpan {
    const BITS: u32 = 27;

    /// Measures the span between two readings. It is zero if `later` is not later.
    pub(crate) fn between(earlier: RawTime, later: RawTime) -> Self {
        // 2⁵⁸ units are years, longer than a process runs.
        let units = later.units_since(earlier).min((1 << (Self::BITS + 31)) - 1);
        let shift = (u64::BITS - units.leading_zeros()).saturating_sub(Self::BITS);
        Self(shift << Self::BITS | (units >> shift) as u32)
    }

    /// Returns the bits to store in an atomic.
    pub(crate) fn to_bits(self) -> u32 {
        self.0
    }

    pub(crate) fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    fn units(self) -> u64 {
        let units = u64::from(self.0 & ((1 << Self::BITS) - 1));
        units << (self.0 >> Self::BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_have_a_relative_error_below_one_in_a_billion() {
        let clock = RawClock::get();
        let start = RawTime(NonZeroU64::MIN);
        for units in [0, 1 << 20, 1 << 33, 3_600_000_000_000, 1 << 52] {
            let end = RawTime(NonZeroU64::MIN.saturating_add(units));
            let exact = clock.clock.delta_as_nanos(0, units);
            let error = clock.nanos(start, end).abs_diff(exact);
            assert!(error <= 1 + exact / 1_000_000_000, "{units} units: {error} ns off");
            let seconds = clock.seconds(start, end);
            let whole = exact.saturating_sub(exact / 1_000_000_000) / 1_000_000_000;
            assert!(
                (whole..=whole + 1).contains(&u64::from(seconds)),
                "{units} units: {seconds} s"
            );
        }
    }

    #[test]
    fn conversions_are_correct_for_a_clock_of_any_frequency() {
        let start = RawTime(NonZeroU64::MIN);
        // 5 GHz, 1 GHz, a little slower, 24 MHz, 1 MHz.
        for nanos_per_unit in [0.2, 1.0, 1.000_001, 1e3 / 24.0, 1e3] {
            let nanos = (nanos_per_unit * (1_u64 << RawClock::SHIFT) as f64) as u64;
            let clock = RawClock::with(Clock::new(), nanos);
            for units in [0_u64, 1, 1_000, 1 << 33, 1 << 45] {
                let end = RawTime(NonZeroU64::MIN.saturating_add(units));
                let exact = units as f64 * nanos_per_unit;
                let nanos = clock.nanos(start, end) as f64;
                assert!(
                    (nanos - exact).abs() <= 1.0 + exact / 1e9,
                    "{nanos_per_unit}: {units}: {nanos}"
                );
                let seconds = f64::from(clock.seconds(start, end));
                assert!(
                    (seconds - exact / 1e9).abs() <= 1.0,
                    "{nanos_per_unit}: {units}: {seconds} s"
                );
            }
        }
    }

    #[test]
    fn a_span_has_a_relative_error_below_one_in_a_hundred_million() {
        let start = RawTime(NonZeroU64::MIN);
        for bit in 0..58 {
            for units in [1_u64 << bit, (2 << bit) - 1] {
                let end = RawTime(NonZeroU64::MIN.saturating_add(units));
                let kept = RawSpan::between(start, end).units();
                assert!(kept <= units && units - kept <= units / 100_000_000, "{units}: {kept}");
            }
        }
        assert_eq!(RawSpan::between(RawTime(NonZeroU64::MAX), start).units(), 0);
        let longest = RawSpan::between(start, RawTime(NonZeroU64::MAX)).units();
        assert!(longest > (1 << 57), "{longest}");
    }

    #[test]
    fn the_time_between_readings_in_the_wrong_order_is_zero() {
        let clock = RawClock::get();
        let (early, late) = (clock.now(), RawTime(NonZeroU64::MAX));
        assert_eq!((clock.nanos(late, early), clock.seconds(late, early)), (0, 0));
    }
}
