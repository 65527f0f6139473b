use super::{Reading, reading::Verdict, share::Share};
use crate::{
    collect::Figures,
    rule::{BurnRate, Comparison, Rule, budget},
    window::Timeline,
};

impl Rule {
    /// Evaluates the burn rates of an SLO. Any of them can breach the rule. If none does, but one
    /// is unknown, the verdict is unknown. The reading is that of the worst burn rate, relative to
    /// its threshold.
    pub(super) fn read_burn_rates(
        &self,
        objective: f64,
        figures: &Figures,
        timeline: &Timeline,
    ) -> Option<Reading> {
        let mut is_known = true;
        let mut worst: Option<Reading> = None;
        for rate in &self.burn_rates {
            match self.read_burn_rate(*rate, objective, figures, timeline) {
                Some(reading) => {
                    worst = worst.filter(|worst| is_worse(worst, &reading)).or(Some(reading));
                }
                None => is_known = false,
            }
        }
        worst.filter(|worst| worst.verdict == Verdict::Breached || is_known)
    }

    /// The minimum requests, the minimum errors and the confidence apply to the long window. The
    /// short one only shows that the errors continue.
    fn read_burn_rate(
        &self,
        rate: BurnRate,
        objective: f64,
        figures: &Figures,
        timeline: &Timeline,
    ) -> Option<Reading> {
        let threshold = rate.error_ratio(objective);
        let long = figures.history.window(timeline, rate.long);
        let short = figures.history.window(timeline, rate.short);
        if long.requests() < self.min_requests {
            return None;
        }
        let long_share = Share::of(long.errors(), long.requests())?;
        let short_share = Share::of(short.errors(), short.requests());
        // If the long window is below the threshold, the short one may be empty.
        let verdict = match self.verdict_on(long_share, Comparison::Above, threshold) {
            Verdict::Within => Verdict::Within,
            _ if !short_share?.is_beyond(Comparison::Above, threshold, None) => Verdict::Within,
            of_long => of_long,
        };
        // Both are above the factor if and only if the lower one is.
        let lower =
            short_share.map_or(long_share.ratio(), |share| share.ratio().min(long_share.ratio()));
        Some(Reading {
            value: lower / budget(objective),
            threshold: rate.factor,
            verdict,
            window: Some((long.elapsed(), long.requests())),
            hits: long_share.hits,
            before: long.before(),
        })
    }
}

/// Whether `one` is at least as bad: breached, or further past its threshold.
fn is_worse(one: &Reading, other: &Reading) -> bool {
    let by_factor = |reading: &Reading| {
        (reading.verdict == Verdict::Breached, reading.value / reading.threshold)
    };
    by_factor(one) >= by_factor(other)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_threshold_of_a_burn_rate_has_no_rounding_error() {
        let threshold = BurnRate::new(14.4, Duration::from_secs(3_600)).error_ratio(0.999);
        let equal = Share::of(144, 10_000).unwrap();
        assert!(!equal.is_beyond(Comparison::Above, threshold, None), "equal is not above");
        let more = Share::of(145, 10_000).unwrap();
        assert!(more.is_beyond(Comparison::Above, threshold, None));
    }
}
