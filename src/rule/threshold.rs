use std::{fmt, time::Duration};

/// Whether a rule fires above or below its threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a number has two sides")]
pub enum Comparison {
    /// Fires above the threshold.
    Above,
    /// Fires below the threshold.
    Below,
}

impl Comparison {
    pub(crate) fn holds(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::Above => value > threshold,
            Self::Below => value < threshold,
        }
    }

    /// The value that is further on the firing side.
    pub(crate) fn worse(self, one: f64, other: f64) -> f64 {
        match self {
            Self::Above => one.max(other),
            Self::Below => one.min(other),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Above => "above",
            Self::Below => "below",
        })
    }
}

/// The threshold of a signal, created from a [`Duration`] or a number.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Threshold {
    /// For latency, age and runtime lag.
    Duration(Duration),
    /// For ratios (0 to 1), requests per second, and requests in flight.
    Number(f64),
}

impl Threshold {
    /// The duration in seconds, or the number.
    pub(crate) fn value(self) -> f64 {
        match self {
            Self::Duration(duration) => duration.as_secs_f64(),
            Self::Number(number) => number,
        }
    }
}

impl From<Duration> for Threshold {
    fn from(duration: Duration) -> Self {
        Self::Duration(duration)
    }
}

impl From<f64> for Threshold {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Threshold {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<i32> for Threshold {
    fn from(number: i32) -> Self {
        Self::Number(number.into())
    }
}
