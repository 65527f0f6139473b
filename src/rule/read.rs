use std::time::Duration;

use super::{Comparison, Rule, Scope, Signal, Threshold, share::Share};
use crate::{
    collect::Figures,
    series::Bounds,
    window::{Timeline, Totals, Window},
};

/// What a rule sees in a scope at one tick.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) value: f64,
    /// What the value is compared with, in its unit.
    pub(crate) threshold: f64,
    pub(crate) verdict: Verdict,
    /// The window that decided, and how many requests it held; none for a signal of the moment.
    pub(crate) window: Option<(Duration, u64)>,
    /// The sums before that window.
    pub(crate) before: Totals,
}

/// Whether what a rule sees is past its threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Kept,
    /// It is past it, but not as surely as the rule asks: that raises no alert, and ends none.
    Doubtful,
    Breached,
}

impl Verdict {
    pub(super) fn of(is_breached: bool) -> Self {
        if is_breached { Self::Breached } else { Self::Kept }
    }

    /// Whether an alert holds by it, that is firing or not.
    pub(crate) fn holds(self, is_firing: bool) -> bool {
        self == Self::Breached || is_firing && self == Self::Doubtful
    }
}

impl Rule {
    /// The verdict on a scope; `None` where there is too little to judge by.
    pub(crate) fn read(
        &self,
        figures: &Figures,
        timeline: &Timeline,
        bounds: &Bounds,
    ) -> Option<Reading> {
        let (comparison, threshold) = self.condition()?;
        let moment = |value: f64| Reading {
            value,
            threshold,
            verdict: Verdict::of(comparison.holds(value, threshold)),
            window: None,
            before: *figures.history.totals(),
        };
        match self.signal {
            Signal::InFlight => Some(moment(figures.in_flight as f64)),
            Signal::OldestInFlight => {
                Some(moment(figures.oldest.unwrap_or_default().as_secs_f64()))
            }
            Signal::RuntimeLag => Some(moment(figures.runtime_lag?.as_secs_f64())),
            Signal::BurnRate { objective } => self.read_burn_rates(objective, figures, timeline),
            Signal::Reports => None,
            Signal::ErrorRatio => {
                let errors = |window: &Window<'_>| window.errors();
                self.read_share(figures, timeline, (comparison, threshold), errors)
            }
            Signal::SlowRatio(slow) => {
                let slower = |window: &Window<'_>| window.slower_than(slow, bounds);
                self.read_share(figures, timeline, (comparison, threshold), slower)
            }
            _ => {
                let window = self.windows(figures, timeline).next()?;
                let (value, verdict) = self.judge(&window, comparison, threshold, bounds)?;
                Some(Reading {
                    value,
                    threshold,
                    verdict,
                    window: Some((window.elapsed(), window.requests())),
                    before: window.before(),
                })
            }
        }
    }

    /// What the signal is compared with, in its unit: of an SLO the first burn rate.
    pub(crate) fn condition(&self) -> Option<(Comparison, f64)> {
        match self.signal {
            Signal::BurnRate { .. } => {
                self.burn_rates.first().map(|rate| (Comparison::Above, rate.factor))
            }
            _ => self.threshold.map(|(comparison, threshold)| (comparison, threshold.value())),
        }
    }

    /// How long an alert outlives the last verdict: as long as the longest window, so that a pause in
    /// the traffic is no recovery. Of an SLO it is the longest short one: nothing spends the budget
    /// meanwhile, and an hour of it would tell nobody anything.
    pub(crate) fn forget_after(&self) -> Duration {
        let shorts = self.burn_rates.iter().map(|rate| rate.short);
        shorts.max().unwrap_or(self.over.longest())
    }

    /// The windows of the range that hold enough requests, the shortest first.
    fn windows<'a>(
        &self,
        figures: &'a Figures,
        timeline: &'a Timeline,
    ) -> impl Iterator<Item = Window<'a>> {
        let longest = figures.history.window(timeline, self.over.longest());
        let lengths = (longest.requests() >= self.min_requests).then(|| self.over.lengths());
        let windows =
            lengths.into_iter().flatten().map(|over| figures.history.window(timeline, over));
        windows.filter(|window| {
            // A rate over a part of its window would call every start a drop in traffic.
            let is_whole =
                self.signal != Signal::Throughput || window.elapsed() >= self.over.shortest;
            is_whole && window.requests() >= self.min_requests
        })
    }

    /// The shortest window with enough requests decides, unless its ratio is past the threshold by too
    /// few hits to be sure. Then the next longer one decides: a quiet service needs more time to show
    /// that its ratio is no chance.
    fn read_share(
        &self,
        figures: &Figures,
        timeline: &Timeline,
        (comparison, threshold): (Comparison, f64),
        hits: impl Fn(&Window<'_>) -> u64,
    ) -> Option<Reading> {
        let mut unsure = None;
        for window in self.windows(figures, timeline) {
            let share = Share::of(hits(&window), window.requests())?;
            let value = share.ratio();
            let verdict = self.verdict_on(share, comparison, threshold);
            let reading = Reading {
                value,
                threshold,
                verdict,
                window: Some((window.elapsed(), window.requests())),
                before: window.before(),
            };
            if verdict == Verdict::Breached || !comparison.holds(value, threshold) {
                return Some(reading);
            }
            unsure = unsure.or(Some(reading));
        }
        unsure
    }

    fn judge(
        &self,
        window: &Window<'_>,
        comparison: Comparison,
        threshold: f64,
        bounds: &Bounds,
    ) -> Option<(f64, Verdict)> {
        let value = match self.signal {
            Signal::MeanLatency => window.mean()?.as_secs_f64(),
            Signal::Throughput => window.throughput()?,
            Signal::LatencyQuantile(q) => {
                let value = window.quantile(q, bounds)?.as_secs_f64();
                let (_, Threshold::Duration(threshold)) = self.threshold? else { return None };
                // Exact, whatever the estimate says: the quantile is above the threshold if and
                // only if more than a share 1 - q took longer.
                let rank = (q * window.requests() as f64).ceil() as u64;
                let is_above =
                    window.requests() - window.slower_than(threshold, bounds) < rank.max(1);
                let is_breached = is_above == (comparison == Comparison::Above);
                return Some((value, Verdict::of(is_breached)));
            }
            Signal::ErrorRatio
            | Signal::SlowRatio(_)
            | Signal::BurnRate { .. }
            | Signal::InFlight
            | Signal::OldestInFlight
            | Signal::RuntimeLag
            | Signal::Reports => return None,
        };
        Some((value, Verdict::of(comparison.holds(value, threshold))))
    }

    pub(super) fn verdict_on(
        &self,
        share: Share,
        comparison: Comparison,
        threshold: f64,
    ) -> Verdict {
        let is_beyond = |confidence| share.is_beyond(comparison, threshold, confidence);
        if share.hits < self.min_errors || !is_beyond(None) {
            Verdict::Kept
        } else if is_beyond(self.confidence) {
            Verdict::Breached
        } else {
            Verdict::Doubtful
        }
    }

    /// The durations at which the histogram must be split for exact verdicts.
    pub(crate) fn splits(&self) -> impl Iterator<Item = Duration> {
        let threshold = match (self.signal, self.threshold) {
            (Signal::LatencyQuantile(_), Some((_, Threshold::Duration(threshold)))) => {
                Some(threshold)
            }
            _ => None,
        };
        self.signal.split().into_iter().chain(threshold)
    }

    /// Whether it judges nothing without a runtime.
    pub(crate) fn needs_runtime(&self) -> bool {
        self.signal == Signal::RuntimeLag
    }

    pub(crate) fn is_each_route(&self) -> bool {
        self.scope == Scope::EachRoute
    }
}

/// How much an operation adds to what a rule sees, and that in words; `None` if nothing.
pub(crate) fn weight(
    rule: &Rule,
    figures: &Figures,
    timeline: &Timeline,
    bounds: &Bounds,
    over: Duration,
) -> Option<(f64, String)> {
    let window = figures.history.window(timeline, over);
    let requests = window.requests();
    let (weight, words) = match rule.signal {
        Signal::ErrorRatio | Signal::BurnRate { .. } => {
            let errors = window.errors();
            (errors as f64, format!("{errors} of {requests} requests failed"))
        }
        Signal::MeanLatency | Signal::LatencyQuantile(_) => {
            let mean = rule.signal.unit().show(window.mean()?.as_secs_f64());
            (window.time().as_secs_f64(), format!("{requests} requests, mean {mean}"))
        }
        Signal::SlowRatio(slow) => {
            let slow = window.slower_than(slow, bounds);
            (slow as f64, format!("{slow} of {requests} requests were slower"))
        }
        Signal::Throughput => (requests as f64, rule.signal.unit().show(window.throughput()?)),
        // What a blocked runtime holds up; what blocks it is most likely among it.
        Signal::InFlight | Signal::RuntimeLag | Signal::Reports => {
            (figures.in_flight as f64, format!("{} in flight", figures.in_flight))
        }
        Signal::OldestInFlight => {
            let oldest = figures.oldest?.as_secs_f64();
            let shown = rule.signal.unit().show(oldest);
            (oldest, format!("{} in flight, the oldest for {shown}", figures.in_flight))
        }
    };
    (weight > 0.0).then_some((weight, words))
}
