//! The condition of a rule as an expression.

use std::time::Duration;

use super::counts::Counts;
use crate::{
    evaluate::normal_quantile,
    facade::RUNTIME_LAG,
    generate::{
        count_kind::CountKind,
        promql::{duration, indented, number},
    },
    rule::{BurnRate, Comparison, Rule, Scope, Signal, Unit, budget, method_and_route},
};

/// An expression that yields the alerts of a rule.
#[derive(Debug, Default)]
pub(super) struct Condition {
    pub(super) expr: String,
    /// How it differs from the lookout's own condition, a sentence each.
    pub(super) notes: Vec<String>,
}

/// Renders the condition of one rule.
#[derive(Debug)]
pub(super) struct Conditions<'a, 'b> {
    pub(super) rule: &'a Rule,
    pub(super) counts: &'a mut Counts<'b>,
    notes: Vec<String>,
}

/// The ratio of two counts, and its threshold.
struct Ratio<'a> {
    hits: &'a str,
    total: &'a str,
    comparison: Comparison,
    threshold: &'a str,
}

impl<'a, 'b> Conditions<'a, 'b> {
    pub(super) fn new(rule: &'a Rule, counts: &'a mut Counts<'b>) -> Self {
        Self { rule, counts, notes: Vec::new() }
    }

    /// Returns the condition, or the reason why PromQL cannot express it.
    pub(super) fn condition(mut self) -> Result<Condition, String> {
        let expr = match (self.rule.signal, self.rule.threshold) {
            (Signal::BurnRate { objective }, _) => self.burn_rates(objective),
            (_, None) => return Err("it has no threshold".to_owned()),
            (signal, Some((comparison, threshold))) => {
                self.against(signal, comparison, threshold.value())?
            }
        };
        self.note_windows();
        Ok(Condition { expr, notes: self.notes })
    }

    fn against(
        &mut self,
        signal: Signal,
        comparison: Comparison,
        threshold: f64,
    ) -> Result<String, String> {
        let compared = format!("{} {}", operator(comparison), number(threshold));
        let instance = self.counts.instance_labels();
        Ok(match signal {
            Signal::ErrorRatio => self.counted_ratio(CountKind::Errors, comparison, threshold),
            Signal::ClientErrorRatio => {
                self.counted_ratio(CountKind::ClientErrors, comparison, threshold)
            }
            Signal::SlowRatio(slow) => self.slow_ratio(slow, comparison, threshold)?,
            Signal::LatencyQuantile(q) => self.quantile(q, comparison, threshold)?,
            Signal::MeanLatency => {
                let (seconds, requests) =
                    (self.count(CountKind::Seconds), self.count(CountKind::Durations));
                let mean = format!("{seconds}\n/ {requests}\n{compared}");
                self.with_enough(mean, &requests)
            }
            Signal::Throughput => self.throughput(comparison, &compared),
            Signal::InFlight => {
                let gauges = self.counts.gauges(&self.rule.scope, |names| names.active);
                let sum = format!("sum by ({}) ({gauges})", self.gauge_labels());
                format!("{}\n{compared}", self.or_zero(sum, comparison))
            }
            Signal::OldestInFlight => {
                let gauges = self.counts.gauges(&self.rule.scope, |names| names.oldest);
                format!("max by ({}) ({gauges})\n{compared}", self.gauge_labels())
            }
            Signal::RuntimeLag => {
                self.notes.push(
                    "Prometheus sees the lag of the last second before a scrape, and misses a \
                     shorter stall between two scrapes."
                        .to_owned(),
                );
                let lag = self.counts.own(RUNTIME_LAG, &[]);
                format!("max by ({instance}) ({lag})\n{compared}")
            }
            Signal::BurnRate { .. } => return Err("it has no threshold".to_owned()),
        })
    }

    /// Returns the longest window of the rule.
    fn window(&self) -> Duration {
        self.counts.window(self.rule.over.longest())
    }

    /// Returns the labels of a gauge: those of a count, but without a dependency's.
    fn gauge_labels(&self) -> String {
        match self.rule.scope {
            Scope::Dependency(_) => self.counts.instance_labels(),
            _ => self.counts.labels_of(&self.rule.scope),
        }
    }

    fn count(&mut self, kind: CountKind) -> String {
        let window = self.window();
        self.counts.of(kind, &self.rule.scope, window)
    }

    /// Requires the requests of `min_requests`.
    fn with_enough(&self, condition: String, requests: &str) -> String {
        match self.rule.min_requests {
            // The value of no requests is not a number, which fulfils no condition.
            0 | 1 => condition,
            least => format!("{condition}\nand {requests} >= {least}"),
        }
    }

    /// Adds 0 for an instance without the series, if the rule fires below its threshold.
    fn or_zero(&self, series: String, comparison: Comparison) -> String {
        if comparison == Comparison::Above || self.rule.is_each_route() {
            return series;
        }
        let labels = self.counts.instance_labels();
        let zero = format!("0 * max by ({labels}) ({})", self.counts.age());
        format!("({series} or on ({labels}) {zero})")
    }

    fn counted_ratio(&mut self, kind: CountKind, comparison: Comparison, threshold: f64) -> String {
        let gaps = self.counts.gaps(kind, &self.rule.scope);
        self.notes.extend(gaps.into_iter().map(|gap| format!("Of these requests, {gap}.")));
        let (mut hits, total) = (self.count(kind), self.count(CountKind::Requests));
        if comparison == Comparison::Below {
            hits = format!("({hits} or 0 * {total})");
        }
        let threshold = &number(threshold);
        let ratio = Ratio { hits: &hits, total: &total, comparison, threshold };
        let condition = self.ratio(&ratio);
        self.with_enough(condition, &total)
    }

    /// Returns the ratio past its threshold, with enough hits, and with the confidence of the rule.
    fn ratio(&self, ratio: &Ratio<'_>) -> String {
        let Ratio { hits, total, comparison, threshold } = ratio;
        let sign = operator(*comparison);
        let mut condition = format!("{hits}\n/ {total}\n{sign} {threshold}");
        if self.rule.min_errors > 0 {
            condition = format!("{condition}\nand {hits} >= {}", self.rule.min_errors);
        }
        match self.rule.confidence {
            Some(confidence) => {
                let bound = wilson_bound(ratio, normal_quantile(confidence));
                format!("{condition}\nand {bound} {sign} {threshold}")
            }
            None => condition,
        }
    }

    fn slow_ratio(
        &mut self,
        slow: Duration,
        comparison: Comparison,
        threshold: f64,
    ) -> Result<String, String> {
        let bounds = self.buckets();
        let fast = self.fast(slow, &bounds)?;
        let total = self.count(CountKind::Durations);
        let hits = format!("({total} - {fast})");
        let threshold = &number(threshold);
        let ratio = Ratio { hits: &hits, total: &total, comparison, threshold };
        let condition = self.ratio(&ratio);
        Ok(self.with_enough(condition, &total))
    }

    /// Returns the requests that lasted at most `limit`: exact if it is a bucket, otherwise
    /// interpolated.
    fn fast(&mut self, limit: Duration, bounds: &[Duration]) -> Result<String, String> {
        let (scope, window) = (&self.rule.scope, self.window());
        if bounds.contains(&limit) {
            return Ok(self.counts.within(limit, scope, window));
        }
        let Some(upper) = bounds.iter().copied().find(|bound| *bound > limit) else {
            return Err(above_the_buckets(limit, bounds));
        };
        let lower = bounds.iter().copied().rfind(|bound| *bound < limit);
        let from = lower.unwrap_or_default();
        let part = (limit - from).as_secs_f64() / (upper - from).as_secs_f64();
        let upper = self.counts.within(upper, scope, window);
        self.note_estimate(limit);
        Ok(match lower {
            Some(lower) => {
                let lower = self.counts.within(lower, scope, window);
                format!("({} * {lower} + {} * {upper})", number(1.0 - part), number(part))
            }
            None => format!("{} * {upper}", number(part)),
        })
    }

    /// Returns the bounds of the buckets that all requests of the rule have.
    fn buckets(&self) -> Vec<Duration> {
        match &self.rule.scope {
            Scope::Service | Scope::EachRoute => self.counts.exports.common_buckets(),
            Scope::Route(text) => {
                let (_, route) = method_and_route(text);
                self.counts.exports.buckets_of(route).to_vec()
            }
            Scope::Dependency(_) => self.counts.exports.buckets.clone(),
        }
    }

    fn quantile(
        &mut self,
        q: f64,
        comparison: Comparison,
        threshold: f64,
    ) -> Result<String, String> {
        let bounds = self.buckets();
        let limit = Duration::from_nanos((threshold * 1e9).round() as u64);
        if bounds.last().is_none_or(|largest| limit > *largest) {
            return Err(above_the_buckets(limit, &bounds));
        }
        let (buckets, total) = (self.count(CountKind::Buckets), self.count(CountKind::Durations));
        let value = format!("histogram_quantile({}, {buckets})", number(q));
        let condition = if bounds.contains(&limit) {
            // Exact: the quantile is above the bound if fewer requests than its rank are within.
            let fast = self.counts.within(limit, &self.rule.scope, self.window());
            let sign = if comparison == Comparison::Above { "<" } else { ">=" };
            format!("{value}\nand {fast} {sign} {} * {total}", number(q))
        } else {
            self.note_estimate(limit);
            format!("{value}\n{} {}", operator(comparison), number(threshold))
        };
        // Without requests the exact condition would compare 0 with 0.
        let least = self.rule.min_requests.max(1);
        Ok(format!("{condition}\nand {total} >= {least}"))
    }

    fn throughput(&mut self, comparison: Comparison, compared: &str) -> String {
        let window = self.window();
        let requests = self.count(CountKind::Requests);
        let counted = self.or_zero(requests.clone(), comparison);
        let seconds = number(window.as_secs_f64());
        let labels = self.counts.instance_labels();
        let is_old = format!("and on ({labels}) {} >= {seconds}", self.counts.age());
        let condition = format!("{counted} / {seconds}\n{compared}\n{is_old}");
        match self.rule.min_requests {
            0 => condition,
            least => format!("{condition}\nand {requests} >= {least}"),
        }
    }

    fn burn_rates(&mut self, objective: f64) -> String {
        let gaps = self.counts.gaps(CountKind::Errors, &self.rule.scope);
        self.notes.extend(gaps.into_iter().map(|gap| format!("Of these requests, {gap}.")));
        let scope = &self.rule.scope;
        let mut alternatives = Vec::new();
        for rate in &self.rule.burn_rates {
            let [long, short] = [rate.long, rate.short].map(|window| {
                let window = self.counts.window(window);
                [CountKind::Errors, CountKind::Requests]
                    .map(|kind| self.counts.of(kind, scope, window))
            });
            alternatives.push(self.burn_rate(*rate, objective, &long, &short));
        }
        match &alternatives[..] {
            [only] => only.clone(),
            _ => {
                let each = alternatives.iter().map(|one| format!("(\n{}\n)", indented(one)));
                each.collect::<Vec<_>>().join("\nor\n")
            }
        }
    }

    /// Returns the condition over a window that is longer than the lookout's history, for all
    /// instances.
    pub(super) fn long_burn_rate(&mut self, rate: BurnRate, objective: f64) -> String {
        let scope = &self.rule.scope;
        let [long, short] = [rate.long, rate.short].map(|window| {
            [CountKind::Errors, CountKind::Requests]
                .map(|kind| self.counts.of_job(kind, scope, window))
        });
        self.burn_rate(rate, objective, &long, &short)
    }

    fn burn_rate(
        &self,
        rate: BurnRate,
        objective: f64,
        long: &[String; 2],
        short: &[String; 2],
    ) -> String {
        let threshold = format!("{} * {}", number(rate.factor), number(budget(objective)));
        let [hits, total] = long;
        let comparison = Comparison::Above;
        let ratio = Ratio { hits, total, comparison, threshold: &threshold };
        let condition = self.ratio(&ratio);
        let condition = self.with_enough(condition, total);
        let [hits, total] = short;
        format!("{condition}\nand {hits}\n/ {total}\n> {threshold}")
    }

    fn note_estimate(&mut self, limit: Duration) {
        self.notes.push(format!(
            "The value at {} is interpolated, since no bucket ends there: add the bound to `buckets` \
             for an exact one.",
            Unit::Seconds.show(limit.as_secs_f64())
        ));
    }

    fn note_windows(&mut self) {
        let (rule, lookback) = (self.rule, self.counts.lookback());
        let windows: Vec<_> = if rule.burn_rates.is_empty() {
            rule.signal.has_window().then(|| rule.over.longest()).into_iter().collect()
        } else {
            rule.burn_rates.iter().flat_map(|rate| [rate.long, rate.short]).collect()
        };
        let mut short: Vec<_> = windows.into_iter().filter(|window| *window < lookback).collect();
        short.sort_unstable();
        short.dedup();
        if !short.is_empty() {
            let short: Vec<_> = short.into_iter().map(duration).collect();
            self.notes.push(format!(
                "A window of {} is {} here, four scrape intervals.",
                short.join(" or "),
                duration(lookback)
            ));
        }
        if rule.burn_rates.is_empty()
            && rule.signal.has_window()
            && rule.over.shortest < rule.over.longest()
            && rule.over.longest() > lookback
        {
            self.notes.push(format!(
                "The lookout decides by the shortest window from {} with enough requests.",
                duration(rule.over.shortest)
            ));
        }
        if rule.confidence.is_some() {
            self.notes.push(
                "Prometheus requires the confidence to resolve as well as to fire.".to_owned(),
            );
        }
    }
}

fn operator(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Above => ">",
        Comparison::Below => "<",
    }
}

/// Returns the bound of Wilson's score interval on the side of the threshold.
fn wilson_bound(Ratio { hits, total, comparison, .. }: &Ratio<'_>, z: f64) -> String {
    let (square, sign) = (
        number(z * z),
        match comparison {
            Comparison::Above => "-",
            Comparison::Below => "+",
        },
    );
    let (half, quarter, z) = (number(z * z / 2.0), number(z * z / 4.0), number(z));
    format!(
        "(\n  {hits} + {half}\n  {sign} {z} * sqrt({hits} * ({total} - {hits}) / {total} + {quarter})\n) \
         / ({total} + {square})"
    )
}

fn above_the_buckets(limit: Duration, bounds: &[Duration]) -> String {
    let limit = Unit::Seconds.show(limit.as_secs_f64());
    match bounds.last() {
        Some(largest) => {
            let largest = Unit::Seconds.show(largest.as_secs_f64());
            format!(
                "the largest bucket ends at {largest}, so no metric shows which requests took longer \
                 than {limit}: add a bound with `buckets`"
            )
        }
        None => format!(
            "the routes have no bucket in common, so no metric shows which requests took longer than \
             {limit}: add a bound of all with `buckets` and `buckets_for`"
        ),
    }
}
