use std::time::Duration;

use crate::window;

/// The period of an error budget.
pub(crate) const PERIOD: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A burn rate at which a [`Rule::slo`](super::Rule::slo) fires, with its two windows. The rule
/// fires while both windows exceed it.
///
/// A burn rate is the error ratio as a multiple of the ratio that the objective allows: at 1 a
/// budget of 30 days lasts 30 days, at 14.4 it lasts 50 hours. The long window shows that the
/// errors are significant, and the short one that they continue. So the alert resolves soon after
/// the errors end.
///
/// # Choosing burn rates
///
/// A burn rate *b* over a window *w* spends the share *b* · *w* / 30 d of the budget. So choose the
/// share that deserves an alert: its burn rate is share · 30 d / *w*
/// ([`of_budget`](Self::of_budget)). Google's SRE workbook (chapter 5, "Alerting on SLOs") pages
/// for 2% in an hour. A total outage spends a share within share · 30 d · (1 − objective), for any
/// window. So a smaller share fires sooner. Use a shorter window with it, so that a few errors over
/// a long time do not fire.
///
/// | share | window | burn rate | error ratio at 99.9% | a total outage fires after |
/// |---|---|---|---|---|
/// | 2% | 1 h, 5 min | 14.4 | 1.44% | 52 s |
/// | 1% | 15 min, 75 s | 28.8 | 2.88% | 26 s |
/// | 0.5% | 5 min, 25 s | 43.2 | 4.32% | 13 s |
///
/// The first two are the default. The times apply to a process that is older than the window. As
/// with [`over`](super::Rule::over), a window of more than a minute may be up to a minute longer
/// than set. The workbook's other windows (6 h and 3 d) exceed the lookout's history of an hour:
/// [`prometheus_rules`](crate::Lookout::prometheus_rules) adds them.
#[doc(alias("burn rate", "error budget"))]
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use = "a burn rate does nothing until a rule has it"]
pub struct BurnRate {
    pub(crate) factor: f64,
    pub(crate) long: Duration,
    pub(crate) short: Duration,
}

impl BurnRate {
    /// Creates a burn rate of `factor` over a long window of up to an hour. The short window is a
    /// twelfth of it.
    pub fn new(factor: f64, long: Duration) -> Self {
        Self { factor, long, short: long / 12 }
    }

    /// Creates the burn rate that spends this share of a 30-day budget in a window. For 0.02 in an
    /// hour, it is 14.4.
    pub fn of_budget(share: f64, long: Duration) -> Self {
        Self::new(share * PERIOD.as_secs_f64() / long.as_secs_f64(), long)
    }

    /// Sets the short window, at least a second. Defaults to a twelfth of the long one.
    pub fn short(mut self, short: Duration) -> Self {
        self.short = short;
        self
    }

    /// The default burn rates that are possible at this objective, and always the slowest one.
    pub(super) fn defaults(objective: f64) -> Vec<Self> {
        let page = Self::of_budget(0.02, Duration::from_secs(60 * 60));
        let outage = Self::of_budget(0.01, Duration::from_secs(15 * 60));
        let outage = Some(outage).filter(|rate| rate.error_ratio(objective) < 1.0);
        [page].into_iter().chain(outage).collect()
    }

    /// The error ratio at this burn rate.
    pub(crate) fn error_ratio(self, objective: f64) -> f64 {
        self.factor * budget(objective)
    }

    /// The problem and its fix, if the burn rate is invalid.
    pub(super) fn problem(self, objective: f64) -> Option<String> {
        let Self { factor, long, short } = self;
        let named = format!("burn rate {factor} over {long:?}");
        if !(factor.is_finite() && factor > 0.0) {
            Some(format!("{named} can never be crossed: use a factor above 0, such as 14.4"))
        } else if self.error_ratio(objective) >= 1.0 {
            Some(format!(
                "{named} never fires, since at slo({objective}) the highest burn rate is {:.1}: use \
                 lower `burn_rates`, or a higher objective",
                1.0 / budget(objective)
            ))
        } else if long > window::LONGEST {
            Some(format!(
                "{named} is longer than an hour: use at most 3600 s, and a Prometheus rule for a \
                 longer window"
            ))
        } else if short < Duration::from_secs(1) {
            Some(format!(
                "{named} has a short window of {short:?}, which is shorter than a tick: set `short` \
                 to at least 1 s"
            ))
        } else if short >= long {
            Some(format!(
                "{named} has a short window of {short:?}: use one that is shorter than the long window"
            ))
        } else {
            None
        }
    }
}

/// The error ratio that an objective allows, rounded to 12 digits: exactly 0.001 for 0.999.
pub(crate) fn budget(objective: f64) -> f64 {
    ((1.0 - objective) * 1e12).round() / 1e12
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn the_burn_rates_match_those_of_the_workbook() {
        for (share, hours, factor) in
            [(0.02, 1, 14.4), (0.05, 6, 6.0), (0.1, 24, 3.0), (0.1, 72, 1.0)]
        {
            let rate = BurnRate::of_budget(share, HOUR * hours);
            assert!((rate.factor - factor).abs() < 1e-9, "{rate:?}");
            assert_eq!(rate.short, HOUR * hours / 12);
        }
    }

    #[test]
    fn the_defaults_omit_a_burn_rate_that_no_error_ratio_can_exceed() {
        let factors = |objective| -> Vec<_> {
            BurnRate::defaults(objective).into_iter().map(|rate| rate.factor).collect()
        };
        assert_eq!(factors(0.999), [14.4, 28.8]);
        assert_eq!(factors(0.95), [14.4]);
        assert_eq!(factors(0.9), [14.4], "the check rejects it");
    }

    #[test]
    fn five_random_errors_rarely_reach_a_burn_rate_of_14_4_but_two_do_in_one_of_114_windows() {
        // A service fails exactly as often as its objective allows. In the largest window in which
        // `errors` reach 14.4, its errors have this Poisson distribution.
        let chance = |errors: i32| {
            let expected = f64::from(errors) / 14.4;
            let term = |k: i32| expected.powi(k) / (1..=k).map(f64::from).product::<f64>();
            1.0 - (-expected).exp() * (0..errors).map(term).sum::<f64>()
        };
        assert!((1.0 / 114.0..1.0 / 113.0).contains(&chance(2)), "{}", chance(2));
        assert!(chance(5) < 1.0 / 30_000.0, "{}", chance(5));
    }

    #[test]
    fn the_budget_has_no_rounding_error() {
        assert_eq!(budget(0.999), 0.001);
        assert_eq!(budget(0.9999), 0.0001);
    }
}
