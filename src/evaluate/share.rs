use crate::rule::Comparison;

/// A ratio with its counts, which determine its confidence interval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub(crate) hits: u64,
    requests: u64,
}

impl Share {
    /// `None` without requests.
    pub(crate) fn of(hits: u64, requests: u64) -> Option<Self> {
        (requests > 0).then_some(Self { hits, requests })
    }

    pub(crate) fn ratio(self) -> f64 {
        self.hits as f64 / self.requests as f64
    }

    /// Whether the ratio is past the threshold. With a confidence, the near bound of its one-sided
    /// Wilson score interval must be past the threshold, too.
    pub(crate) fn is_beyond(
        self,
        comparison: Comparison,
        threshold: f64,
        confidence: Option<f64>,
    ) -> bool {
        let is_certain = confidence.is_none_or(|confidence| {
            let z = match comparison {
                Comparison::Above => -normal_quantile(confidence),
                Comparison::Below => normal_quantile(confidence),
            };
            comparison.holds(self.wilson_bound(z), threshold)
        });
        is_certain && comparison.holds(self.ratio(), threshold)
    }

    /// The bound of Wilson's score interval at `z` standard deviations; the lower one if `z` is
    /// negative. Unlike the normal approximation, it also holds for small counts.
    /// Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    fn wilson_bound(self, z: f64) -> f64 {
        let (hits, requests) = (self.hits as f64, self.requests as f64);
        let deviation = (hits * (requests - hits) / requests + z * z / 4.0).sqrt();
        (hits + z * z / 2.0 + z * deviation) / (requests + z * z)
    }
}

/// The quantile of the standard normal distribution at `p`, which is more than 0.5, to seven
/// digits. Wichura, "Algorithm AS 241", Applied Statistics 37 (1988), PPND7.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    let central = p - 0.5;
    if central <= 0.425 {
        let r = 0.180_625 - central * central;
        let upper = [59.109_374_720, 159.291_132_02, 50.434_271_938, 3.387_132_717_9];
        let lower = [67.187_563_600, 78.757_757_664, 17.895_169_469, 1.0];
        return central * polynomial(upper, r) / polynomial(lower, r);
    }
    let r = (-(1.0 - p).ln()).sqrt();
    if r <= 5.0 {
        let upper = [0.170_238_211_03, 1.306_728_481_6, 2.756_815_390_0, 1.423_437_277_7];
        let lower = [0.0, 0.120_211_329_75, 0.737_001_642_50, 1.0];
        polynomial(upper, r - 1.6) / polynomial(lower, r - 1.6)
    } else {
        let upper = [0.017_337_203_997, 0.428_682_943_37, 3.081_226_386_0, 6.657_905_115_0];
        let lower = [0.0, 0.012_258_202_635, 0.241_978_942_25, 1.0];
        polynomial(upper, r - 5.0) / polynomial(lower, r - 5.0)
    }
}

/// Evaluates a polynomial; the coefficient of the highest power comes first.
fn polynomial(coefficients: [f64; 4], x: f64) -> f64 {
    coefficients.into_iter().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_quantiles_match_the_tables() {
        for (p, z) in [
            (0.6, 0.253_347_1),
            (0.75, 0.674_489_8),
            (0.9, 1.281_551_6),
            (0.925, 1.439_531_5),
            (0.95, 1.644_853_6),
            (0.975, 1.959_964_0),
            (0.99, 2.326_347_9),
            (0.999, 3.090_232_3),
            (0.999_999, 4.753_424_3),
            (0.999_999_999_999, 7.034_486_9),
        ] {
            let found = normal_quantile(p);
            assert!((found - z).abs() < 2e-6, "z({p}) is {z}, not {found}");
        }
    }

    /// The fewest errors in `requests` that exceed the threshold with confidence.
    fn fewest(requests: u64, threshold: f64) -> Option<u64> {
        (0..=requests).find(|errors| {
            let share = Share::of(*errors, requests).unwrap();
            share.is_beyond(Comparison::Above, threshold, Some(0.95))
        })
    }

    #[test]
    fn the_fewest_errors_that_exceed_the_threshold_match_the_table() {
        for (threshold, table) in [
            (0.01, &[(10, 1), (20, 1), (50, 2), (100, 3), (200, 5), (500, 9), (1_000, 16)][..]),
            (0.01, &[(5_000, 62)]),
            (0.05, &[(10, 2), (20, 3), (50, 6), (100, 9), (1_000, 62)]),
        ] {
            for (requests, errors) in table {
                assert_eq!(
                    fewest(*requests, threshold),
                    Some(*errors),
                    "{requests} requests, above {threshold}"
                );
            }
        }
    }

    #[test]
    fn a_ratio_below_the_threshold_is_evaluated_by_the_upper_bound() {
        let is_below = |hits, requests, confidence| {
            let share = Share::of(hits, requests).unwrap();
            share.is_beyond(Comparison::Below, 0.05, confidence)
        };
        assert!(is_below(0, 20, None));
        assert!(!is_below(0, 20, Some(0.95)), "no hit in 20 is consistent with 5%");
        assert!(is_below(0, 100, Some(0.95)));
        assert!(!is_below(5, 100, None), "5% is not below 5%");
    }

    #[test]
    fn zero_errors_never_exceed_a_threshold_of_zero() {
        for requests in 1..2_000 {
            let none = Share::of(0, requests).unwrap();
            assert!(!none.is_beyond(Comparison::Above, 0.0, Some(0.95)), "0 of {requests}");
        }
    }

    /// The probability of at least `hits` in `requests`, if each is a hit with probability `p`.
    fn tail(requests: u64, p: f64, hits: u64) -> f64 {
        let mut probability = (1.0 - p).powf(requests as f64);
        let mut below = 0.0;
        for k in 0..hits {
            below += probability;
            probability *= (requests - k) as f64 / (k + 1) as f64 * p / (1.0 - p);
        }
        1.0 - below
    }

    #[test]
    fn at_the_threshold_few_errors_raise_more_false_alarms() {
        for (hits, worst) in [(1, 0.20), (2, 0.145), (5, 0.10), (10, 0.085)] {
            for requests in (10..1_500).filter(|requests| fewest(*requests, 0.01) == Some(hits)) {
                let alarms = tail(requests, 0.01, hits);
                assert!(alarms < worst, "{alarms} of the windows of {requests} requests");
            }
        }
    }

    #[test]
    fn below_the_threshold_false_alarms_are_rarer_than_the_confidence_allows() {
        for confidence in [0.9, 0.95, 0.99] {
            for requests in (30..2_000).step_by(7) {
                let is_sure = |hits: &u64| {
                    let share = Share::of(*hits, requests).unwrap();
                    share.is_beyond(Comparison::Above, 0.05, Some(confidence))
                };
                let hits = (0..=requests).find(is_sure).unwrap();
                let alarms = tail(requests, 0.03, hits);
                assert!(
                    alarms < 1.0 - confidence,
                    "{alarms} of the windows of {requests} requests, at {confidence}"
                );
            }
        }
    }
}
