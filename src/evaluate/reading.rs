use std::time::Duration;

use super::share::Share;
use crate::rule::{Comparison, Rule, Scope, Signal, Threshold, Unit};
use crate::{
    collect::Figures,
    series::Bounds,
    window::{Timeline, Totals, Window},
};

/// The value of a rule's signal in a scope at one tick, with the verdict.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) value: f64,
    /// The threshold, in the unit of the value.
    pub(crate) threshold: f64,
    pub(crate) verdict: Verdict,
    /// The window that decided, and the requests in it. `None` for a signal without a window.
    pub(crate) window: Option<(Duration, u64)>,
    /// The failures in that window, or the slow requests or client errors for those signals.
    pub(crate) hits: u64,
    /// The sums at the start of that window.
    pub(crate) before: Totals,
}

/// Whether the value is past the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Within,
    /// The value is past the threshold without the rule's confidence. It neither fires nor
    /// resolves.
    Uncertain,
    Breached,
}

impl Verdict {
    pub(crate) fn of(is_breached: bool) -> Self {
        if is_breached { Self::Breached } else { Self::Within }
    }

    /// Whether the condition holds, given whether the alert is firing.
    pub(crate) fn holds(self, is_firing: bool) -> bool {
        self == Self::Breached || is_firing && self == Self::Uncertain
    }
}

impl Rule {
    /// Evaluates the rule in a scope. `None` without a verdict, such as with too few requests.
    pub(crate) fn read(
        &self,
        figures: &Figures,
        timeline: &Timeline,
        bounds: &Bounds,
    ) -> Option<Reading> {
        let (comparison, threshold) = self.condition()?;
        let without_window = |value: f64| Reading {
            value,
            threshold,
            verdict: Verdict::of(comparison.holds(value, threshold)),
            window: None,
            hits: 0,
            before: *figures.history.totals(),
        };
        match self.signal {
            Signal::InFlight => Some(without_window(figures.in_flight as f64)),
            Signal::OldestInFlight => {
                Some(without_window(figures.oldest.unwrap_or_default().as_secs_f64()))
            }
            Signal::RuntimeLag => Some(without_window(figures.runtime_lag?.as_secs_f64())),
            Signal::BurnRate { objective } => self.read_burn_rates(objective, figures, timeline),
            Signal::ErrorRatio => {
                let errors = |window: &Window<'_>| window.errors();
                self.read_share(figures, timeline, (comparison, threshold), errors)
            }
            Signal::ClientErrorRatio => {
                let client_errors = |window: &Window<'_>| window.client_errors();
                self.read_share(figures, timeline, (comparison, threshold), client_errors)
            }
            Signal::SlowRatio(slow) => {
                let slower = |window: &Window<'_>| window.slower_than(slow, bounds);
                self.read_share(figures, timeline, (comparison, threshold), slower)
            }
            _ => {
                let window = self.windows(figures, timeline).next()?;
                let (value, verdict) = self.evaluate(&window, comparison, threshold, bounds)?;
                Some(Reading {
                    value,
                    threshold,
                    verdict,
                    window: Some((window.elapsed(), window.requests())),
                    hits: 0,
                    before: window.before(),
                })
            }
        }
    }

    /// The comparison and the threshold in the signal's unit; for an SLO, those of its first burn
    /// rate.
    pub(crate) fn condition(&self) -> Option<(Comparison, f64)> {
        match self.signal {
            Signal::BurnRate { .. } => {
                self.burn_rates.first().map(|rate| (Comparison::Above, rate.factor))
            }
            _ => self.threshold.map(|(comparison, threshold)| (comparison, threshold.value())),
        }
    }

    /// How long an alert keeps firing without a verdict: for the longest window, so that a pause in
    /// the traffic does not resolve it. For an SLO, it is the longest short window: without traffic
    /// nothing spends the budget, and an hour would be too long.
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
            // A rate over a partial window would report a drop in traffic after each start.
            let is_full =
                self.signal != Signal::Throughput || window.elapsed() >= self.over.shortest;
            is_full && window.requests() >= self.min_requests
        })
    }

    /// The shortest window with enough requests decides, unless its ratio is past the threshold
    /// with too few hits or without the confidence. Then the next longer window decides, since a
    /// quiet service needs more time for a significant ratio.
    fn read_share(
        &self,
        figures: &Figures,
        timeline: &Timeline,
        (comparison, threshold): (Comparison, f64),
        hits: impl Fn(&Window<'_>) -> u64,
    ) -> Option<Reading> {
        let mut uncertain = None;
        for window in self.windows(figures, timeline) {
            let share = Share::of(hits(&window), window.requests())?;
            let value = share.ratio();
            let verdict = self.verdict_on(share, comparison, threshold);
            let reading = Reading {
                value,
                threshold,
                verdict,
                window: Some((window.elapsed(), window.requests())),
                hits: share.hits,
                before: window.before(),
            };
            if verdict == Verdict::Breached || !comparison.holds(value, threshold) {
                return Some(reading);
            }
            uncertain = uncertain.or(Some(reading));
        }
        uncertain
    }

    /// The value and the verdict for a signal that is neither a ratio nor without a window.
    fn evaluate(
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
                // Exact, unlike the estimate: the quantile is above the threshold if and only if
                // more than a share of 1 - q took longer.
                let rank = (q * window.requests() as f64).ceil() as u64;
                let is_above =
                    window.requests() - window.slower_than(threshold, bounds) < rank.max(1);
                let is_breached = is_above == (comparison == Comparison::Above);
                return Some((value, Verdict::of(is_breached)));
            }
            Signal::ErrorRatio
            | Signal::ClientErrorRatio
            | Signal::SlowRatio(_)
            | Signal::BurnRate { .. }
            | Signal::InFlight
            | Signal::OldestInFlight
            | Signal::RuntimeLag => return None,
        };
        Some((value, Verdict::of(comparison.holds(value, threshold))))
    }

    pub(crate) fn verdict_on(
        &self,
        share: Share,
        comparison: Comparison,
        threshold: f64,
    ) -> Verdict {
        let is_beyond = |confidence| share.is_beyond(comparison, threshold, confidence);
        if share.hits < self.min_errors || !is_beyond(None) {
            Verdict::Within
        } else if is_beyond(self.confidence) {
            Verdict::Breached
        } else {
            Verdict::Uncertain
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

    /// Whether the rule has no verdict without a runtime.
    pub(crate) fn needs_runtime(&self) -> bool {
        self.signal == Signal::RuntimeLag
    }

    /// Whether the rule names a route or a dependency.
    pub(crate) fn names_scope(&self) -> bool {
        matches!(self.scope, Scope::Route(_) | Scope::Dependency(_))
    }

    pub(crate) fn is_each_route(&self) -> bool {
        self.scope == Scope::EachRoute
    }
}

/// The contribution of an operation to a rule's value, with its text.
pub(crate) struct Weight {
    pub(crate) value: f64,
    /// The operation's figures, such as `3 of 30 failed (10%)`.
    own: String,
    /// The name of the sum over all operations, such as `failures`; empty if there is no sum.
    whole: &'static str,
}

impl Weight {
    /// The text with the share of the sum, such as `3 of 30 failed (10%), 75% of all failures`.
    pub(crate) fn with_share(self, share: f64) -> String {
        let Self { own, whole, .. } = self;
        match whole {
            "" => own,
            _ if share < 0.005 => format!("{own}, under 1% of all {whole}"),
            _ => format!("{own}, {:.0}% of all {whole}", share * 100.0),
        }
    }
}

/// The contribution of an operation to a rule's value; `None` if it is zero.
pub(crate) fn weight(
    rule: &Rule,
    figures: &Figures,
    timeline: &Timeline,
    bounds: &Bounds,
    over: Duration,
) -> Option<Weight> {
    let window = figures.history.window(timeline, over);
    let requests = window.requests();
    let part = |hits: u64, name: &str| {
        let ratio = Unit::Ratio.show(hits as f64 / requests.max(1) as f64);
        format!("{hits} of {requests} {name} ({ratio})")
    };
    let unit = rule.signal.unit();
    let (value, own, whole) = match rule.signal {
        Signal::ErrorRatio | Signal::BurnRate { .. } => {
            let errors = window.errors();
            (errors as f64, part(errors, "failed"), "failures")
        }
        Signal::ClientErrorRatio => {
            let client_errors = window.client_errors();
            (client_errors as f64, part(client_errors, "rejected"), "client errors")
        }
        Signal::MeanLatency | Signal::LatencyQuantile(_) => {
            let mean = unit.show(window.mean()?.as_secs_f64());
            (window.time().as_secs_f64(), format!("{requests} requests, mean {mean}"), "time spent")
        }
        Signal::SlowRatio(limit) => {
            let slow = window.slower_than(limit, bounds);
            let limit = Unit::Seconds.show(limit.as_secs_f64());
            (slow as f64, part(slow, &format!("slower than {limit}")), "slow requests")
        }
        Signal::Throughput => (requests as f64, unit.show(window.throughput()?), "requests"),
        // A blocked runtime holds up all requests in flight, most likely also the one that blocks
        // it.
        Signal::InFlight | Signal::RuntimeLag => {
            let in_flight = figures.in_flight;
            (in_flight as f64, format!("{in_flight} in flight"), "requests in flight")
        }
        Signal::OldestInFlight => {
            let oldest = figures.oldest?.as_secs_f64();
            let own =
                format!("{} in flight, the oldest for {}", figures.in_flight, unit.show(oldest));
            (oldest, own, "")
        }
    };
    (value > 0.0).then_some(Weight { value, own, whole })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_the_operations_figures_and_then_its_share() {
        let weight = |whole| Weight { value: 3.0, own: "3 of 30 failed (10%)".to_owned(), whole };
        for (whole, share, text) in [
            ("failures", 0.75, "3 of 30 failed (10%), 75% of all failures"),
            ("failures", 0.001, "3 of 30 failed (10%), under 1% of all failures"),
            ("", 0.75, "3 of 30 failed (10%)"),
        ] {
            assert_eq!(weight(whole).with_share(share), text);
        }
    }
}
