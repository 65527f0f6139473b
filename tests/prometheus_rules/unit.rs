//! Unit tests of promtool: series over time, and the alerts that then fire.

use std::{fmt::Write, time::Duration};

use tower_lookout::{Lookout, LookoutBuilder, Preset, Rule};

use crate::file::{Folder, run};

/// A lookout with one rule, and what promtool expects of its file.
pub(crate) struct Case {
    file: String,
    interval: &'static str,
    tests: String,
}

/// Series over time; each value is a scrape, 15 s after the one before.
pub(crate) struct Scenario {
    series: Vec<(String, String)>,
    alerts: String,
}

pub(crate) const INSTANCE: &str = r#"job="test",instance="a:1""#;

/// How long the series last: enough scrapes for all scenarios but those of the long windows.
const SCRAPES: u32 = 400;

impl Case {
    pub(crate) fn of(rule: Rule) -> Self {
        Self::with(|builder| builder.rule(rule))
    }

    pub(crate) fn of_preset(preset: Preset, rule: Rule) -> Self {
        Self::with(|builder| builder.preset(preset).rule(rule))
    }

    pub(crate) fn with(set: impl FnOnce(LookoutBuilder) -> LookoutBuilder) -> Self {
        let lookout = set(Lookout::builder().service("test")).start().unwrap();
        Self { file: lookout.prometheus_rules().to_string(), interval: "15s", tests: String::new() }
    }

    /// A lookout with one rule that is scraped each minute.
    pub(crate) fn each_minute(rule: Rule, scenarios: impl IntoIterator<Item = Scenario>) -> Self {
        let lookout = Lookout::builder().service("test").rule(rule).start().unwrap();
        let rules = lookout.prometheus_rules().scrape_interval(Duration::from_secs(60));
        let case = Self { file: rules.to_string(), interval: "1m", tests: String::new() };
        scenarios.into_iter().fold(case, Self::scenario)
    }

    /// Adds a scenario.
    pub(crate) fn scenario(mut self, scenario: Scenario) -> Self {
        let Scenario { series, alerts } = scenario;
        writeln!(self.tests, "- interval: {}\n  input_series:", self.interval).unwrap();
        for (labels, values) in series {
            writeln!(self.tests, "  - series: '{labels}'\n    values: '{values}'").unwrap();
        }
        write!(self.tests, "  promql_expr_test:\n{alerts}").unwrap();
        self
    }
}

impl Scenario {
    /// A lookout that has been scraped since its start.
    pub(crate) fn new() -> Self {
        Self::empty().instance("a:1", &format!("0+15x{SCRAPES}"))
    }

    pub(crate) fn empty() -> Self {
        Self { series: Vec::new(), alerts: String::new() }
    }

    /// Adds the series of each lookout: the seconds since its start, and whether a scrape succeeds.
    pub(crate) fn instance(self, instance: &str, age: &str) -> Self {
        let labels = format!(r#"job="test",instance="{instance}""#);
        let name = "http_server_throughput_requests_per_second_count";
        let series = [
            (format!("{name}{{{labels}}}"), age.to_owned()),
            (format!("up{{{labels}}}"), format!("1+0x{SCRAPES}")),
        ];
        Self { series: self.series.into_iter().chain(series).collect(), ..self }
    }

    /// Adds a series of the instance `a:1`.
    pub(crate) fn series(self, name: &str, labels: &str, values: &str) -> Self {
        let comma = if labels.is_empty() { "" } else { "," };
        self.raw(&format!("{name}{{{INSTANCE}{comma}{labels}}}"), values)
    }

    pub(crate) fn raw(mut self, series: &str, values: &str) -> Self {
        // The quotes of YAML.
        self.series.push((series.replace('\'', "''"), values.to_owned()));
        self
    }

    /// Adds the requests of a route: `good` succeed, and `bad` fail with 500.
    pub(crate) fn requests(self, route: &str, good: &str, bad: &str) -> Self {
        let name = "http_server_requests_total";
        let labels = format!(r#"http_request_method="GET",http_route="{route}""#);
        self.series(name, &format!(r#"{labels},status_class="2xx",outcome="success""#), good)
            .series(name, &format!(r#"{labels},status_class="5xx",outcome="failure""#), bad)
    }

    /// Adds a duration histogram of 100 ms, 1 s and more, and its sum.
    pub(crate) fn durations(self, [fast, medium, all]: [&str; 3], sum: &str) -> Self {
        let name = "http_server_request_duration_seconds";
        let labels = r#"http_request_method="GET",http_route="/a",http_response_status_code="200""#;
        let bucket = |le: &str| format!(r#"{labels},le="{le}""#);
        let (bucket_name, count) = (format!("{name}_bucket"), format!("{name}_count"));
        self.series(&bucket_name, &bucket("0.1"), fast)
            .series(&bucket_name, &bucket("1"), medium)
            .series(&bucket_name, &bucket("+Inf"), all)
            .series(&count, labels, all)
            .series(&format!("{name}_sum"), labels, sum)
    }

    /// Expects this number of firing alerts of a rule at a time.
    pub(crate) fn firing(self, at: &str, alert: &str, count: u32) -> Self {
        let query =
            format!(r#"count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)"#);
        self.expects(at, &query, &[("{}", f64::from(count))])
    }

    /// Expects the samples of a query at a time.
    pub(crate) fn expects(mut self, at: &str, query: &str, samples: &[(&str, f64)]) -> Self {
        let alerts = &mut self.alerts;
        writeln!(alerts, "  - expr: '{}'\n    eval_time: {at}", query.replace('\'', "''")).unwrap();
        writeln!(alerts, "    exp_samples:").unwrap();
        for (labels, value) in samples {
            writeln!(alerts, "    - labels: '{labels}'\n      value: {value}").unwrap();
        }
        self
    }
}

/// Runs promtool on all cases at once.
pub(crate) fn check(cases: impl IntoIterator<Item = Case>) {
    let Some(promtool) = crate::support::program("promtool") else { return };
    let folder = Folder::new();
    let files = cases.into_iter().enumerate().map(|(number, Case { file, interval, tests })| {
        let rules = format!("{number}.rules.yml");
        folder.write(&rules, &file);
        let text =
            format!("rule_files: [{rules}]\nevaluation_interval: {interval}\ntests:\n{tests}");
        folder.write(&format!("{number}.test.yml"), &text)
    });
    let files: Vec<_> = files.collect();
    run(&promtool, &["test", "rules"], &files);
}
