//! The counts of requests that the alerts compare, as recording rules.
//!
//! Prometheus's `increase` misses the first value of a new series, and extrapolates. So a count is
//! the difference of two samples, as in the lookout's own windows. If the earlier sample is absent,
//! the lookout's age shows why.

use std::{collections::BTreeSet, time::Duration};

use super::{
    labels::{ROUTE_LABELS, called, served, with_dependency, with_route},
    yaml::Entry,
};
use crate::{
    facade::{OutcomeFilter, THROUGHPUT},
    generate::{
        Exports,
        count_kind::{CountKind, le, matcher},
        promql::{Matcher, duration, indented, number, selector, selectors},
    },
    operation::Traffic,
    rule::{Scope, method_and_route},
};

/// The labels of a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Service,
    Route,
    Dependency,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Count {
    level: Level,
    window: Duration,
    kind: CountKind,
}

/// Renders operands of expressions, and collects the counts that they use.
#[derive(Debug)]
pub(super) struct Counts<'a> {
    pub(super) exports: &'a Exports,
    /// The value of the label `job`.
    pub(super) job: &'a str,
    pub(super) scrape_interval: Duration,
    used: BTreeSet<Count>,
}

impl<'a> Counts<'a> {
    pub(super) fn new(exports: &'a Exports, job: &'a str, scrape_interval: Duration) -> Self {
        Self { exports, job, scrape_interval, used: BTreeSet::new() }
    }

    /// Returns the shortest window that has enough samples, and how far back a sample may be after
    /// failed scrapes.
    pub(super) fn lookback(&self) -> Duration {
        self.scrape_interval * 4
    }

    /// Returns the window in Prometheus for a window of the lookout.
    pub(super) fn window(&self, window: Duration) -> Duration {
        window.max(self.lookback())
    }

    /// Returns the conditions that select this lookout.
    pub(super) fn own_matchers(&self) -> Vec<Matcher> {
        let constant = self.constant_labels();
        let constant = constant.map(|label| Matcher::equal(label.key(), label.value()));
        [Matcher::equal("job", self.job)].into_iter().chain(constant).collect()
    }

    /// Returns the labels of each metric of the lookout. The labels of the target hide any other of
    /// their names, and an empty label is none.
    fn constant_labels(&self) -> impl Iterator<Item = &metrics::Label> {
        let labels = self.exports.naming.labels.iter();
        labels
            .filter(|label| !matches!(label.key(), "job" | "instance") && !label.value().is_empty())
    }

    /// Returns a metric of the lookout, with these further conditions.
    pub(super) fn own(&self, name: &'static str, further: &[Matcher]) -> String {
        let matchers: Vec<_> = self.own_matchers().into_iter().chain(further.to_vec()).collect();
        selector(self.exports.naming.name(name).as_str(), &matchers)
    }

    /// Returns the seconds since the start of the lookout: it counts its ticks, one each second.
    pub(super) fn age(&self) -> String {
        let name = format!("{}_count", self.exports.naming.name(THROUGHPUT).as_str());
        selector(&name, &self.own_matchers())
    }

    /// Returns the labels of a job, without those of its instances.
    pub(super) fn job_labels(&self) -> String {
        let constant = self.constant_labels().map(|label| label.key());
        ["job"].into_iter().chain(constant).collect::<Vec<_>>().join(", ")
    }

    /// Returns the labels of a job and an instance.
    pub(super) fn instance_labels(&self) -> String {
        format!("{}, instance", self.job_labels())
    }

    /// Returns the count of a scope for each instance, and for each route if the scope is each
    /// route.
    pub(super) fn of(&mut self, kind: CountKind, scope: &Scope, window: Duration) -> String {
        let series = self.recorded(kind, scope, window, &[]);
        // A route may have several methods.
        let Scope::Route(_) = scope else { return series };
        let le = if kind == CountKind::Buckets { ", le" } else { "" };
        format!("sum by ({}{le}) ({series})", self.labels_of(scope))
    }

    /// Returns the requests of a scope that lasted at most `bound`, which must be a bucket.
    pub(super) fn within(&mut self, bound: Duration, scope: &Scope, window: Duration) -> String {
        let series = self.recorded(CountKind::Buckets, scope, window, &[le(&[bound], None)]);
        format!("sum by ({}) ({series})", self.labels_of(scope))
    }

    /// Returns the count of a scope over a window that is longer than the life of an instance: for
    /// all instances together, as the sum of the counts of five minutes.
    pub(super) fn of_job(&mut self, kind: CountKind, scope: &Scope, window: Duration) -> String {
        let series = self.recorded(kind, scope, STEP, &[]);
        let (window, step) = (duration(window), duration(STEP));
        let labels = match scope {
            Scope::EachRoute => format!("{}, {ROUTE_LABELS}", self.job_labels()),
            _ => self.job_labels(),
        };
        format!("sum by ({labels}) (sum_over_time({series}[{window}:{step}]))")
    }

    /// Returns the labels of a count for each instance.
    pub(super) fn labels_of(&self, scope: &Scope) -> String {
        let instance = self.instance_labels();
        match scope {
            Scope::Service | Scope::Route(_) => instance,
            Scope::EachRoute => format!("{instance}, {ROUTE_LABELS}"),
            Scope::Dependency(_) => format!("{instance}, dependency"),
        }
    }

    /// Returns the recorded series of a count.
    fn recorded(
        &mut self,
        kind: CountKind,
        scope: &Scope,
        window: Duration,
        further: &[Matcher],
    ) -> String {
        let count = Count { level: Level::of(scope), window, kind };
        self.used.insert(count);
        let mut matchers = self.own_matchers();
        match scope {
            Scope::Service | Scope::EachRoute => {}
            Scope::Dependency(name) => matchers.push(Matcher::equal("dependency", name)),
            Scope::Route(text) => {
                let (method, route) = method_and_route(text);
                matchers.extend(method.map(|method| Matcher::equal("method", method)));
                matchers.push(Matcher::equal("route", route));
            }
        }
        matchers.extend(further.to_vec());
        selector(&self.record_name(count), &matchers)
    }

    fn record_name(&self, Count { level, window, kind }: Count) -> String {
        let level = match level {
            Level::Service => "instance",
            Level::Route => "instance_route",
            Level::Dependency => "instance_dependency",
        };
        let name = self.exports.naming.name(kind.name());
        format!("{level}:{}:increase{}", name.as_str(), duration(window))
    }

    /// Returns the requests that the labels do not show, for a kind of count.
    pub(super) fn gaps(&self, kind: CountKind, scope: &Scope) -> Vec<&'static str> {
        let mut gaps = Vec::new();
        for traffic in Level::of(scope).traffic() {
            let gap = self.exports.filter(kind, &traffic).and_then(|filter| filter.gap);
            gaps.extend(gap.filter(|gap| !gaps.contains(gap)));
        }
        gaps
    }

    /// Returns the recording rules of the counts that were used.
    pub(super) fn records(&self) -> Vec<Entry> {
        let of = |count: &Count| Entry::Record {
            name: self.record_name(*count),
            expr: self.expression(*count),
        };
        self.used.iter().map(of).collect()
    }

    fn expression(&self, count: Count) -> String {
        let Count { level, window, kind } = count;
        let selectors = self.selectors(level, kind);
        let counted: Vec<_> =
            selectors.iter().map(|selector| self.increase(selector, window)).collect();
        let counted = counted.join("\nor\n");
        let (presets, instance) = (&self.exports.naming.presets, self.instance_labels());
        let (counted, mut labels) = match level {
            Level::Service => (counted, instance),
            Level::Route => (with_route(presets, &counted), format!("{instance}, {ROUTE_LABELS}")),
            Level::Dependency => {
                (with_dependency(presets, &counted), format!("{instance}, dependency"))
            }
        };
        if kind == CountKind::Buckets {
            labels.push_str(", le");
        }
        format!("sum by ({labels}) (\n{}\n)", indented(&counted))
    }

    /// Returns the increase of counters over a window: all of a lookout that is younger than the
    /// window; otherwise the difference; and all of a series that the lookout did not export at the
    /// start of the window.
    pub(super) fn increase(&self, selector: &str, window: Duration) -> String {
        let labels = self.instance_labels();
        let (age, over) = (self.age(), duration(window));
        let lookback = duration(self.lookback());
        let young = number((window + 2 * self.scrape_interval).as_secs_f64());
        format!(
            "  {selector}\n  \
             and on ({labels}) {age} <= {young}\n\
             or\n  \
             last_over_time({selector}[{lookback}])\n  \
             - last_over_time({selector}[{lookback}] offset {over}) >= 0\n\
             or\n  \
             {selector}\n  \
             and on ({labels}) last_over_time({age}[{lookback}] offset {over})"
        )
    }

    fn selectors(&self, level: Level, kind: CountKind) -> Vec<String> {
        let presets = &self.exports.naming.presets;
        let mut series = Vec::new();
        for traffic in level.traffic() {
            let mut matchers = self.own_matchers();
            if level == Level::Dependency {
                let label = presets.identifying_labels(&traffic).next();
                matchers.extend(label.map(Matcher::any));
            }
            match (kind, self.exports.filter(kind, &traffic)) {
                (CountKind::ClientErrors, None) => continue,
                (_, Some(OutcomeFilter { label, values, .. })) => {
                    matchers.push(matcher(label, &values))
                }
                (CountKind::Buckets, None)
                    if level == Level::Service && !self.exports.families.is_empty() =>
                {
                    matchers.push(le(&self.exports.common_buckets(), Some(r"\+Inf")));
                }
                _ => {}
            }
            let names = self.exports.metric_names(kind, &traffic);
            series.extend(names.into_iter().map(|name| (name, matchers.clone())));
        }
        selectors(series)
    }
}

/// The step of the counts over long windows, which add up to the window.
const STEP: Duration = Duration::from_secs(5 * 60);

impl Level {
    fn of(scope: &Scope) -> Self {
        match scope {
            Scope::Service => Self::Service,
            Scope::EachRoute | Scope::Route(_) => Self::Route,
            Scope::Dependency(_) => Self::Dependency,
        }
    }

    /// Returns the kinds of traffic that may have counts of this level.
    fn traffic(self) -> Vec<Traffic> {
        match self {
            Self::Service | Self::Route => served().into(),
            Self::Dependency => called().into(),
        }
    }
}
