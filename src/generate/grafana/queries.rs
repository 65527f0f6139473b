//! The PromQL of the panels, over the time range and with the variables of the dashboard.

use metrics::Label;

use crate::{
    facade::{Names, THROUGHPUT},
    generate::{
        Exports,
        count_kind::{CountKind, le, matcher},
        promql::{Matcher, number, selector, selectors, string},
    },
    operation::{Call, Dependency, Protocol, Traffic},
};

/// The window of rates: Grafana chooses it by the zoom and the scrape interval.
const WINDOW: &str = "$__rate_interval";

/// The kinds of traffic that a lookout watches.
#[derive(Clone, Debug, Default)]
pub(crate) struct InUse {
    /// A layer for gRPC exists.
    pub(crate) grpc: bool,
    /// The traffic of each dependency.
    pub(crate) called: Vec<Traffic>,
}

/// Renders the queries of the panels.
#[derive(Debug)]
pub(super) struct Queries<'a> {
    exports: &'a Exports,
    /// The traffic that the service serves.
    pub(super) served: Vec<Traffic>,
    /// The kinds of traffic of its dependencies, one for each set of names.
    pub(super) called: Vec<Traffic>,
}

/// The labels by which a sum is grouped, as `sum by (a, b) `.
fn aggregated(function: &str, by: &[&str], series: &str) -> String {
    match by {
        [] => format!("{function}({series})"),
        _ => format!("{function} by ({}) ({series})", by.join(", ")),
    }
}

impl<'a> Queries<'a> {
    pub(super) fn new(exports: &'a Exports, in_use: &InUse) -> Self {
        let served = [Protocol::Http, Protocol::Grpc].into_iter();
        let served = served.filter(|protocol| *protocol == Protocol::Http || in_use.grpc);
        let mut queries = Self {
            exports,
            served: served.map(|protocol| Traffic { protocol, dependency: None }).collect(),
            called: Vec::new(),
        };
        for traffic in &in_use.called {
            let name = queries.names(traffic).duration;
            if queries.called.iter().all(|known| queries.names(known).duration != name) {
                queries.called.push(traffic.clone());
            }
        }
        queries
    }

    pub(super) fn names(&self, traffic: &Traffic) -> &'static Names {
        self.exports.naming.presets.names(traffic)
    }

    /// The labels that distinguish the operations of this traffic.
    pub(super) fn labels(&self, traffic: &Traffic) -> Vec<&'static str> {
        self.exports.naming.presets.identifying_labels(traffic).collect()
    }

    /// The labels that show how a request ended.
    pub(super) fn ended_labels(&self, traffic: &Traffic) -> Vec<&'static str> {
        self.names(traffic).outcome_labels().collect()
    }

    /// The labels of the dependency and of the kind of call.
    pub(super) fn dependency_labels(&self, traffic: &Traffic) -> Vec<&'static str> {
        let is_logical = match traffic.dependency.as_ref().map(|dependency| &dependency.call) {
            Some(Call::Logical | Call::Attempt) => 2,
            _ => 1,
        };
        self.labels(traffic).into_iter().take(is_logical).collect()
    }

    /// The constant labels that have a variable. The labels of the target hide any other of their
    /// names, and an empty label is none.
    pub(super) fn constant_labels(&self) -> impl Iterator<Item = &'a Label> {
        let labels = self.exports.naming.labels.iter();
        labels
            .filter(|label| !matches!(label.key(), "job" | "instance") && !label.value().is_empty())
    }

    /// The conditions of the variables for the job, the instances and the constant labels.
    fn own(&self) -> Vec<Matcher> {
        let constant = self.constant_labels();
        let constant = constant.map(|label| {
            let variable = format!("${}", variable_of(label));
            Matcher::pattern(label.key(), variable)
        });
        let target = [Matcher::equal("job", "$job"), Matcher::pattern("instance", "$instance")];
        target.into_iter().chain(constant).collect()
    }

    /// A condition of the variable for the routes of this traffic.
    fn of_routes(&self, traffic: &Traffic) -> Option<Matcher> {
        let (label, variable) = self.route_variable(traffic)?;
        Some(Matcher::pattern(label, format!("${variable}")))
    }

    /// The label of the route, and the name of its variable.
    pub(super) fn route_variable(&self, traffic: &Traffic) -> Option<(&'static str, &'static str)> {
        let label = self.labels(traffic).last().copied()?;
        match (&traffic.dependency, traffic.protocol) {
            (None, Protocol::Http) => Some((label, "route")),
            (None, Protocol::Grpc) => Some((label, "grpc_method")),
            _ => None,
        }
    }

    /// A metric of the lookout's own.
    pub(super) fn own_metric(&self, name: &'static str) -> String {
        selector(self.exports.naming.name(name).as_str(), &self.own())
    }

    /// A metric of a rule. The text of the name must not be taken for a variable.
    pub(super) fn of_rule(&self, name: &'static str, rule: &str) -> String {
        let metric = self.exports.naming.name(name);
        let mut matchers: Vec<_> = self.own().iter().map(Matcher::to_string).collect();
        matchers.push(format!("rule={}", without_variables(&string(rule))));
        format!("{}{{{}}}", metric.as_str(), matchers.join(","))
    }

    /// The rate of a counter of the lookout's own.
    pub(super) fn own_rate(&self, name: &'static str) -> String {
        format!("rate({}[{WINDOW}])", self.own_metric(name))
    }

    /// The counter of the lookout's ticks, which exists from its start.
    pub(super) fn ticks(&self) -> String {
        selector(&self.ticks_name(), &self.own())
    }

    pub(super) fn ticks_name(&self) -> String {
        format!("{}_count", self.exports.naming.name(THROUGHPUT).as_str())
    }

    /// The count of the durations of a kind of traffic, which each route has, for the job alone.
    pub(super) fn duration_count(&self, traffic: &Traffic) -> String {
        let names = self.exports.metric_names(CountKind::Durations, traffic);
        let job = || vec![Matcher::equal("job", "$job")];
        match &names[..] {
            [name] => selector(name, &job()),
            _ => selectors(names.into_iter().map(|name| (name, job()))).join(" or "),
        }
    }

    /// The starts of an instance in the window.
    pub(super) fn restarts(&self) -> String {
        format!("resets({}[{WINDOW}]) > 0", self.ticks())
    }

    /// The series of a kind of count. `None` if the traffic cannot have any.
    fn counted(
        &self,
        kind: CountKind,
        traffic: &Traffic,
        further: &[Matcher],
    ) -> Vec<(String, Vec<Matcher>)> {
        let mut matchers = self.own();
        matchers.extend(further.iter().cloned());
        match self.exports.filter(kind, traffic) {
            Some(filter) => matchers.push(matcher(filter.label, &filter.values)),
            None if kind == CountKind::ClientErrors => return Vec::new(),
            None => {}
        }
        let names = self.exports.metric_names(kind, traffic);
        names.into_iter().map(|name| (name, matchers.clone())).collect()
    }

    fn rates(&self, series: impl IntoIterator<Item = (String, Vec<Matcher>)>) -> String {
        let rates = selectors(series).into_iter().map(|series| format!("rate({series}[{WINDOW}])"));
        rates.collect::<Vec<_>>().join(" or ")
    }

    /// The rate of all requests of a kind that the service served.
    pub(super) fn of_service(&self, kind: CountKind, by: &[&str]) -> String {
        let common = (kind == CountKind::Buckets && !self.exports.families.is_empty())
            .then(|| le(&self.exports.common_buckets(), Some(r"\+Inf")));
        let further: Vec<_> = common.into_iter().collect();
        let series = self.served.iter().flat_map(|traffic| self.counted(kind, traffic, &further));
        aggregated("sum", by, &self.rates(series))
    }

    /// The rate of the requests of the selected routes, or of the calls of a dependency.
    pub(super) fn of(&self, kind: CountKind, traffic: &Traffic, by: &[&str]) -> String {
        let further: Vec<_> = self.of_routes(traffic).into_iter().collect();
        let further = further.into_iter().chain(self.any_dependency(traffic)).collect::<Vec<_>>();
        aggregated("sum", by, &self.rates(self.counted(kind, traffic, &further)))
    }

    fn any_dependency(&self, traffic: &Traffic) -> Option<Matcher> {
        traffic.dependency.as_ref()?;
        self.labels(traffic).first().map(|label| Matcher::any(*label))
    }

    /// A gauge of the requests of this traffic.
    pub(super) fn gauge(
        &self,
        function: &str,
        name: &'static str,
        traffic: &Traffic,
        by: &[&str],
    ) -> String {
        let mut matchers = self.own();
        matchers.extend(self.of_routes(traffic));
        matchers.extend(self.any_dependency(traffic));
        let name = self.exports.naming.name(name);
        aggregated(function, by, &selector(name.as_str(), &matchers))
    }

    /// A gauge of all requests that the service serves.
    pub(super) fn gauge_of_service(
        &self,
        function: &str,
        gauge: fn(&Names) -> &'static str,
        by: &[&str],
    ) -> String {
        let series = self.served.iter().map(|traffic| {
            let name = self.exports.naming.name(gauge(self.names(traffic)));
            (name.as_str().to_owned(), self.own())
        });
        aggregated(function, by, &selectors(series).join(" or "))
    }

    /// A quantile of a histogram other than that of the durations.
    pub(super) fn quantile_of(
        &self,
        quantile: f64,
        name: &'static str,
        traffic: &Traffic,
        by: &[&str],
    ) -> String {
        let name = format!("{}_bucket", self.exports.naming.name(name).as_str());
        let mut matchers = self.own();
        matchers.extend(self.of_routes(traffic));
        matchers.extend(self.any_dependency(traffic));
        let rates = self.rates([(name, matchers)]);
        quantile_of(quantile, &aggregated("sum", &with_le(by), &rates))
    }
}

/// The name of the variable of a constant label.
pub(super) fn variable_of(label: &Label) -> String {
    format!("label_{}", label.key())
}

pub(super) fn with_le<'a>(by: &[&'a str]) -> Vec<&'a str> {
    by.iter().copied().chain(["le"]).collect()
}

pub(super) fn quantile_of(quantile: f64, buckets: &str) -> String {
    format!("histogram_quantile({}, {buckets})", number(quantile))
}

/// The ratio of two rates: 0 without hits, and no value without a request.
pub(super) fn ratio(hits: &str, total: &str) -> String {
    format!("({hits} or 0 * {total}) / ({total} > 0)")
}

/// A string literal of PromQL in which Grafana finds no variable.
fn without_variables(literal: &str) -> String {
    literal.replace('$', r"\u0024").replace("[[", r"[\u005b")
}

/// A text in which Grafana finds no variable: a word joiner, which has no width, splits each.
pub(super) fn plain(text: &str) -> String {
    text.replace('$', "$\u{2060}").replace("[[", "[\u{2060}[")
}

/// The kinds of traffic of dependencies, from all that a lookout knows.
pub(crate) fn called(all: impl IntoIterator<Item = Traffic>) -> Vec<Traffic> {
    let mut called = Vec::new();
    for traffic in all {
        // One for all dependencies: a selector has the names, not this one.
        let nameless = traffic.dependency.map(|dependency| Dependency {
            name: "".into(),
            call: match dependency.call {
                Call::Attempt => Call::Logical,
                call => call,
            },
        });
        let traffic = Traffic { dependency: nameless, ..traffic };
        if traffic.dependency.is_some() && !called.contains(&traffic) {
            called.push(traffic);
        }
    }
    called
}
