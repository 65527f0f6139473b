use super::{Reading, reading::Verdict, share::Share};
use crate::{
    collect::Figures,
    rule::{BurnRate, Comparison, Rule, budget},
    window::Timeline,
};

impl Rule {
    /// The verdict of a rule on a burn rate: breached by any of its burn rates; unknown if none is, and
    /// one of them is unknown. Told is the one that is furthest past its factor, or nearest to it.
    pub(super) fn read_burn_rates(
        &self,
        objective: f64,
        figures: &Figures,
        timeline: &Timeline,
    ) -> Option<Reading> {
        let mut is_known = true;
        let mut told: Option<Reading> = None;
        for rate in &self.burn_rates {
            match self.read_burn_rate(*rate, objective, figures, timeline) {
                Some(reading) => {
                    told = told.filter(|told| says_more(told, &reading)).or(Some(reading));
                }
                None => is_known = false,
            }
        }
        told.filter(|told| told.verdict == Verdict::Breached || is_known)
    }

    /// Requests, errors and confidence are asked of the long window: the short one says no more than
    /// that it goes on.
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
        let spent = Share::of(long.errors(), long.requests())?;
        let spends = Share::of(short.errors(), short.requests());
        // Where the long one is not above, it does not matter what the short one is.
        let verdict = match self.verdict_on(spent, Comparison::Above, threshold) {
            Verdict::Kept => Verdict::Kept,
            _ if !spends?.is_beyond(Comparison::Above, threshold, None) => Verdict::Kept,
            of_long => of_long,
        };
        // Both are above a factor if and only if the lower one is.
        let lower = spends.map_or(spent.ratio(), |spends| spends.ratio().min(spent.ratio()));
        Some(Reading {
            value: lower / budget(objective),
            threshold: rate.factor,
            verdict,
            window: Some((long.elapsed(), long.requests())),
            hits: spent.hits,
            before: long.before(),
        })
    }
}

/// Whether one says more than the other: it is breached, or further past its factor.
fn says_more(one: &Reading, other: &Reading) -> bool {
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
    fn a_threshold_of_a_burn_rate_has_no_rounding_error() {
        let threshold = BurnRate::new(14.4, Duration::from_secs(3_600)).error_ratio(0.999);
        let equal = Share::of(144, 10_000).unwrap();
        assert!(!equal.is_beyond(Comparison::Above, threshold, None), "equal is not above");
        let more = Share::of(145, 10_000).unwrap();
        assert!(more.is_beyond(Comparison::Above, threshold, None));
    }
}
