use std::{fmt, time::Duration};

use super::{Comparison, burn_rate::PERIOD};

/// The signal that a rule evaluates.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "state", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "state", serde(rename_all = "snake_case"))]
pub(crate) enum Signal {
    MeanLatency,
    LatencyQuantile(f64),
    SlowRatio(Duration),
    ErrorRatio,
    ClientErrorRatio,
    /// The error ratio as a multiple of the ratio that the objective allows.
    BurnRate {
        objective: f64,
    },
    Throughput,
    InFlight,
    OldestInFlight,
    RuntimeLag,
}

/// The unit of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Ratio,
    Multiple,
    PerSecond,
    Requests,
}

impl Signal {
    pub(crate) fn unit(self) -> Unit {
        match self {
            Self::MeanLatency
            | Self::LatencyQuantile(_)
            | Self::OldestInFlight
            | Self::RuntimeLag => Unit::Seconds,
            Self::SlowRatio(_) | Self::ErrorRatio | Self::ClientErrorRatio => Unit::Ratio,
            Self::BurnRate { .. } => Unit::Multiple,
            Self::Throughput => Unit::PerSecond,
            Self::InFlight => Unit::Requests,
        }
    }

    /// Whether the signal is computed over a window, not read at the tick.
    pub(crate) fn has_window(self) -> bool {
        !matches!(self, Self::InFlight | Self::OldestInFlight | Self::RuntimeLag)
    }

    /// Whether the value of the service is the maximum of its operations, not their sum.
    pub(crate) fn is_extreme(self) -> bool {
        self == Self::OldestInFlight
    }

    /// The time until the error budget is spent if the burn rate stays at this value.
    pub(crate) fn outlook(self, value: f64) -> Option<String> {
        let Self::BurnRate { objective } = self else { return None };
        let hours = PERIOD.as_secs_f64() / value / 3_600.0;
        let lasts = match hours {
            24.0.. => format!("{:.1} days", hours / 24.0),
            1.0.. => format!("{hours:.1} hours"),
            _ => format!("{:.0} minutes", hours * 60.0),
        };
        let objective = percentile(objective);
        Some(format!(
            "which spends the 30-day error budget of the {objective}% objective in {lasts}"
        ))
    }

    /// The reason why the signal may have no value.
    pub(crate) fn unknown(self) -> &'static str {
        match self {
            Self::RuntimeLag => "the runtime has stopped",
            _ => "too few requests to confirm the recovery",
        }
    }

    pub(crate) fn default_name(self, comparison: Comparison) -> String {
        let side = match comparison {
            Comparison::Above => "High",
            Comparison::Below => "Low",
        };
        match self {
            Self::MeanLatency => format!("{side}MeanLatency"),
            Self::LatencyQuantile(q) => format!("{side}LatencyP{}", percentile(q).replace('.', "")),
            Self::SlowRatio(_) => format!("{side}SlowRatio"),
            Self::ErrorRatio => format!("{side}ErrorRatio"),
            Self::ClientErrorRatio => format!("{side}ClientErrorRatio"),
            Self::BurnRate { .. } => "ErrorBudgetBurn".to_owned(),
            Self::Throughput => format!("{side}Throughput"),
            Self::InFlight => format!("{side}InFlight"),
            Self::OldestInFlight => "StuckRequests".to_owned(),
            Self::RuntimeLag => format!("{side}RuntimeLag"),
        }
    }

    /// The bound that the histogram needs for an exact value.
    pub(crate) fn split(self) -> Option<Duration> {
        match self {
            Self::SlowRatio(slow) => Some(slow),
            _ => None,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MeanLatency => f.write_str("mean response time"),
            Self::LatencyQuantile(q) => write!(f, "p{} response time", percentile(*q)),
            Self::SlowRatio(slow) => {
                write!(f, "share slower than {}", Unit::Seconds.show(slow.as_secs_f64()))
            }
            Self::ErrorRatio => f.write_str("error ratio"),
            Self::ClientErrorRatio => f.write_str("client error ratio"),
            Self::BurnRate { .. } => f.write_str("burn rate"),
            Self::Throughput => f.write_str("throughput"),
            Self::InFlight => f.write_str("requests in flight"),
            Self::OldestInFlight => f.write_str("oldest request in flight"),
            Self::RuntimeLag => f.write_str("runtime lag"),
        }
    }
}

impl Unit {
    /// Formats a value with three significant digits and the unit.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::Seconds if value >= 120.0 => format!("{:.1} min", value / 60.0),
            Self::Seconds if value >= 1.0 => format!("{} s", digits(value)),
            Self::Seconds => format!("{} ms", digits(value * 1e3)),
            Self::Ratio => format!("{}%", digits(value * 100.0)),
            Self::Multiple => digits(value),
            Self::PerSecond => format!("{}/s", digits(value)),
            Self::Requests => format!("{value:.0}"),
        }
    }
}

/// Three significant digits, without trailing zeros.
fn digits(value: f64) -> String {
    let decimals = if value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A quantile as a percentile, such as `99.9`.
fn percentile(q: f64) -> String {
    // Removes the rounding error of the product, since 0.999 × 100 exceeds 99.9.
    let percent = (q * 1e9).round() / 1e7;
    percent.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_three_digits_and_a_unit() {
        assert_eq!(Unit::Seconds.show(0.0123), "12.3 ms");
        assert_eq!(Unit::Seconds.show(5.0), "5 s");
        assert_eq!(Unit::Seconds.show(5.017), "5.02 s");
        assert_eq!(Unit::Seconds.show(300.0), "5.0 min");
        assert_eq!(Unit::Ratio.show(0.01), "1%");
        assert_eq!(Unit::Ratio.show(0.2034), "20.3%");
        assert_eq!(Unit::Multiple.show(21.34), "21.3");
        assert_eq!(Unit::PerSecond.show(1234.5), "1234/s");
        assert_eq!(Unit::Requests.show(17.0), "17");
    }

    #[test]
    fn the_outlook_of_a_burn_rate_is_the_time_until_the_budget_is_spent() {
        let outlook = |burn_rate| Signal::BurnRate { objective: 0.999 }.outlook(burn_rate);
        for (burn_rate, lasts) in
            [(14.4, "2.1 days"), (21.3, "1.4 days"), (31.0, "23.2 hours"), (1_000.0, "43 minutes")]
        {
            let expected =
                format!("which spends the 30-day error budget of the 99.9% objective in {lasts}");
            assert_eq!(outlook(burn_rate), Some(expected));
        }
        assert_eq!(Signal::ErrorRatio.outlook(0.5), None);
    }

    #[test]
    fn a_quantile_is_named_by_its_percentile() {
        let name = |q| Signal::LatencyQuantile(q).default_name(Comparison::Above);
        assert_eq!(name(0.99), "HighLatencyP99");
        assert_eq!(name(0.999), "HighLatencyP999");
        assert_eq!(Signal::LatencyQuantile(0.999).to_string(), "p99.9 response time");
    }
}
