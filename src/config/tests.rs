//! Rules of a file, and their problems.

use std::time::Duration;

use super::*;
use crate::rule::{BurnRate, Severity, Signal};

/// Returns a signal's name in a file.
fn name_of(signal: Signal) -> &'static str {
    match signal {
        Signal::MeanLatency => "mean_latency",
        Signal::LatencyQuantile(_) => "latency_quantile",
        Signal::SlowRatio(_) => "slow_ratio",
        Signal::ErrorRatio => "error_ratio",
        Signal::ClientErrorRatio => "client_error_ratio",
        Signal::BurnRate { .. } => "slo",
        Signal::Throughput => "throughput",
        Signal::InFlight => "in_flight",
        Signal::OldestInFlight => "oldest_in_flight",
        Signal::RuntimeLag => "runtime_lag",
    }
}

#[test]
fn each_signal_name_creates_a_rule_of_that_signal() {
    for (name, ..) in rules::SIGNALS {
        let own = match name {
            "latency_quantile" => "quantile = 0.99",
            "slow_ratio" => "slower_than = '1s'",
            "slo" => "objective = '99%'",
            _ => "",
        };
        let text = |threshold| format!("[[rule]]\nsignal = '{name}'\n{own}\n{threshold}");
        let thresholds = ["", "above = '1s'", "above = 0.5"];
        let read = thresholds
            .into_iter()
            .find_map(|threshold| Source::Text(text(threshold)).load(&[]).ok());
        assert_eq!(name_of(read.unwrap().rules[0].signal), name);
    }
}

fn rules(text: &str) -> Vec<Rule> {
    Source::Text(text.to_owned()).load(&[]).unwrap().rules
}

fn rejection(text: &str) -> String {
    Source::Text(text.to_owned()).load(&[]).unwrap_err().to_string()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn each_signal_with_its_settings_creates_the_same_rule_as_in_code() {
    for (text, rule) in [
        ("signal = 'mean_latency'\nabove = '3s'", Rule::mean_latency().above(ms(3_000))),
        (
            "signal = 'latency_quantile'\nquantile = 0.99\nabove = '800ms'",
            Rule::latency_quantile(0.99).above(ms(800)),
        ),
        (
            "signal = 'slow_ratio'\nslower_than = '500ms'\nabove = '1%'",
            Rule::slow_ratio(ms(500)).above(0.01),
        ),
        ("signal = 'error_ratio'\nabove = 0.01", Rule::error_ratio().above(0.01)),
        ("signal = 'slo'\nobjective = '99.9%'", Rule::slo(0.999)),
        (
            "signal = 'slo'\nobjective = 0.99\n\
             burn_rates = [{ factor = 6, over = '30m', short = '1m' }, { budget = '2%', over = '1h' }]",
            Rule::slo(0.99).burn_rates([
                BurnRate::new(6.0, ms(1_800_000)).short(ms(60_000)),
                BurnRate::of_budget(0.02, ms(3_600_000)),
            ]),
        ),
        ("signal = 'throughput'\nbelow = 1", Rule::throughput().below(1)),
        ("signal = 'in_flight'\nabove = 1_000", Rule::in_flight().above(1_000)),
        ("signal = 'oldest_in_flight'\nabove = '10s'", Rule::oldest_in_flight().above(ms(10_000))),
        ("signal = 'client_error_ratio'\nabove = '50%'", Rule::client_error_ratio().above(0.5)),
        ("signal = 'runtime_lag'\nabove = '500ms'", Rule::runtime_lag().above(ms(500))),
    ] {
        assert_eq!(rules(&format!("[[rule]]\n{text}")), [rule]);
    }
    assert_eq!(rules("defaults = true"), Rule::defaults());
    assert_eq!(rules("defaults = false"), []);
}

#[test]
fn each_key_calls_its_setter() {
    let ratio = || Rule::error_ratio().above(0.05);
    for (text, rule) in [
        ("over = '60s'", ratio().over(ms(60_000))),
        ("over = ['10s', '1m 30s']", ratio().over(ms(10_000)..=ms(90_000))),
        ("hold_for = '30s'", ratio().hold_for(ms(30_000))),
        ("keep_firing_for = '10s'", ratio().keep_firing_for(ms(10_000))),
        ("min_requests = 7", ratio().min_requests(7)),
        ("min_errors = 3", ratio().min_errors(3)),
        ("confidence = '95 %'", ratio().confidence(0.95)),
        ("scope = 'service'", ratio()),
        ("scope = 'each_route'", ratio().each_route()),
        ("route = 'GET /orders/{id}'", ratio().route("GET /orders/{id}")),
        ("dependency = 'inventory'", ratio().dependency("inventory")),
        ("name = 'Errors'", ratio().named("Errors")),
        ("severity = 'info'", ratio().severity(Severity::Info)),
        ("severity = 'warning'", ratio().severity(Severity::Warning)),
        ("severity = 'critical'", ratio().severity(Severity::Critical)),
        (
            "labels = { team = 'shop', tier = '1' }",
            ratio().label("team", "shop").label("tier", "1"),
        ),
        ("summary = 'It fails.'", ratio().summary("It fails.")),
        ("runbook = 'https://wiki/r'", ratio().runbook("https://wiki/r")),
        ("dashboard = 'https://grafana/d'", ratio().dashboard("https://grafana/d")),
    ] {
        let read = rules(&format!("[[rule]]\nsignal = 'error_ratio'\nabove = '5%'\n{text}"));
        assert_eq!(read, [rule], "{text}");
    }
}

/// The text of a file, and the expected problem.
const FILES: &[(&str, &str)] = &[
    ("rules = 1", "config:1: rules: unknown key: did you mean rule?"),
    (
        "color = 1",
        "config:1: color: unknown key: the keys are defaults, rule, allow_inline_secrets, \
         notifier, quiet_after_start, silence, maintenance, inhibit",
    ),
    ("rule = 1", "config:1: rule: write it as [[rule]]"),
    ("rule = [1]", "config:1: rule: write it as [[rule]]"),
    ("[rule]", "config:1: rule: write it as [[rule]]"),
    ("defaults = 'yes'", "config:1: defaults: \"yes\" is not a boolean: use true or false"),
    ("\n[[rule]]", "config:2: rule: has no signal: set one such as \"error_ratio\""),
    (
        "[[rule]]\nsignal = 'error_rate'",
        "config:2: rule.signal: \"error_rate\" is unknown: did you mean \"error_ratio\"?",
    ),
    (
        "[[rule]]\nsignal = 7",
        "config:2: rule.signal: 7 is unknown: use one of mean_latency, latency_quantile, \
         slow_ratio, error_ratio, client_error_ratio, slo, throughput, in_flight, oldest_in_flight, \
         runtime_lag",
    ),
    (
        "[[rule]]\nsignal = 'latency_quantile'\nabove = '1s'",
        "config:1: rule: has no quantile: set a number between 0 and 1, such as 0.99",
    ),
    (
        "[[rule]]\nsignal = 'slow_ratio'\nabove = '1%'",
        "config:1: rule: has no slower_than: set a duration such as \"500ms\"",
    ),
    (
        "[[rule]]\nsignal = 'latency_quantile'\nquantile = 99\nabove = '1s'",
        "config:3: rule.quantile: rule `HighLatencyP9900`: latency_quantile(99) is not a quantile: use a number \
         between 0 and 1, such as 0.99",
    ),
    (
        "[[rule]]\nsignal = 'mean_latency'\nabove = 3",
        "config:3: rule.above: 3 has no unit: use a duration such as \"3s\"",
    ),
    (
        "[[rule]]\nsignal = 'mean_latency'\nbelow = '3 parsecs'",
        "config:3: rule.below: \"3 parsecs\" is not a duration: use one such as \"500ms\" or \
         \"1m 30s\"",
    ),
    (
        "[[rule]]\nsignal = 'throughput'\nabove = '3'",
        "config:3: rule.above: \"3\" is not a number: write one without quotes",
    ),
    (
        "[[rule]]\nsignal = 'slo'",
        "config:1: rule: has no objective: set a percentage such as \"99.9%\"",
    ),
    (
        "[[rule]]\nsignal = 'slo'\nobjective = '99.9%'\nabove = 14.4",
        "config:4: rule.above: rule `ErrorBudgetBurn`: above 14.4 can't be set for an SLO, which \
         fires above its burn rates: use `burn_rates`",
    ),
    (
        "[[rule]]\nsignal = 'slo'\nobjective = 0.9\nburn_rates = [\n{ over = '1h' }]",
        "config:5: rule.burn_rates: needs either a factor or a budget: set factor = 14.4 or \
         budget = \"2%\"",
    ),
    (
        "[[rule]]\nsignal = 'slo'\nobjective = 0.9\nburn_rates = [\n{ over = '1h', factor = 99 }]",
        "config:4: rule.burn_rates: rule `ErrorBudgetBurn`: burn rate 99 over 3600s never fires, \
         since at slo(0.9) the highest burn rate is 10.0: use lower `burn_rates`, or a higher \
         objective",
    ),
    ("[[rule]]\nsignal = 'error_ratio'", "config:1: rule: has no threshold: set above or below"),
    (
        "[[rule]]\nsignal = 'slo'\nobjective = 0.9\nover = '60s'",
        "config:4: rule.over: rule `ErrorBudgetBurn`: over can't be set for an SLO, whose burn rates \
         have their own windows: use `burn_rates`",
    ),
];

/// The keys of a rule with the signal `error_ratio`, and the expected problem.
const RULES: &[(&str, &str)] = &[
    (
        "above = '1.5'",
        "config:3: rule.above: \"1.5\" is not a ratio: use a percentage such as \"1%\", or a \
         number such as 0.01",
    ),
    (
        "above = 1.5",
        "config:3: rule.above: rule `HighErrorRatio`: above 1.5 can never hold: a ratio is from 0 to 1, so \
         that 1% is 0.01",
    ),
    (
        "above = 0.1\nbelow = 0.2",
        "config:1: rule: has both above and below: move one of them to a rule of its own",
    ),
    (
        "above = 0.1\nquantile = 0.9",
        "config:4: rule.quantile: applies only to the signal latency_quantile: remove it",
    ),
    (
        "above = 0.1\nover = ['1s']",
        "config:4: rule.over: a list of 1 is not a range: use two durations such as [\"10s\", \
         \"60s\"]",
    ),
    (
        "above = 0.1\nover = ['60s', '10s']",
        "config:4: rule.over: rule `HighErrorRatio`: over 60s..=10s is empty: put the shorter one first",
    ),
    (
        "above = 0.1\nmin_requests = -1",
        "config:4: rule.min_requests: -1 is not a count: use a whole number of at least 0",
    ),
    (
        "above = 0.1\nroute = '/a'\nscope = 'each_route'",
        "config:1: rule: has more than one of scope, route and dependency: keep one",
    ),
    (
        "above = 0.1\nroute = 'get /a'",
        "config:4: rule.route: rule `HighErrorRatioOnGetA`: route \"get /a\" starts with an unknown \
         method: use one such as GET, or _OTHER for unregistered methods",
    ),
    (
        "above = 0.1\nscope = 'each'",
        "config:4: rule.scope: \"each\" is unknown: use one of service, each_route",
    ),
    (
        "above = 0.1\nseverity = 'crit'",
        "config:4: rule.severity: \"crit\" is unknown: use one of info, warning, critical",
    ),
    (
        "above = 0.1\nlabels = 'shop'",
        "config:4: rule.labels: \"shop\" is not a table: use one such as { team = \"shop\" }",
    ),
    (
        "above = 0.1\nlabels = { team = 1 }",
        "config:4: rule.labels: team: 1 is not a string: put it in quotes",
    ),
    (
        "above = 0.1\nsummary = ''",
        "config:4: rule.summary: is empty: set a value, or remove the key",
    ),
    (
        "above = 0.1\nhold_fro = '1s'",
        "config:4: rule.hold_fro: unknown key: did you mean hold_for?",
    ),
    // Prometheus's names of these keys.
    ("above = 0.1\nfor = '1m'", "config:4: rule.for: unknown key: did you mean hold_for?"),
    ("above = 0.1\nalert = 'Errors'", "config:4: rule.alert: unknown key: did you mean name?"),
];

#[test]
fn a_problem_names_its_line_key_and_fix() {
    for (text, expected) in FILES {
        assert_eq!(rejection(text), *expected, "{text}");
    }
    for (text, expected) in RULES {
        let text = format!("[[rule]]\nsignal = 'error_ratio'\n{text}");
        assert_eq!(rejection(&text), *expected, "{text}");
    }
}

#[test]
fn all_problems_are_listed_by_line() {
    let text = "\
defaults = true
[[rule]]
signal = 'error_ratio'
above = '1%'
[[rule]]
signal = 'in_flight'
above = '2s'
sumary = 'Many.'
[[rule]]
signal = 'throughput'
below = 1
label = { team = 'shop' }
[[rule]]
signal = 'error_ratio'
above = 0.01
";
    assert_eq!(
        rejection(text).lines().collect::<Vec<_>>(),
        [
            "config:7: rule.above: \"2s\" is not a number: write one without quotes",
            "config:8: rule.sumary: unknown key: did you mean summary?",
            "config:12: rule.label: unknown key: did you mean labels?",
            "config:13: rule: rule `HighErrorRatio`: another rule is identical: remove one of them",
        ]
    );
}

#[test]
fn a_rule_with_the_name_of_a_rule_in_code_is_rejected() {
    let given = [Rule::error_ratio().above(0.5).named("Errors")];
    let text = "[[rule]]\nsignal = 'error_ratio'\nabove = 0.1\nname = 'Errors'";
    let rejected = Source::Text(text.to_owned()).load(&given).unwrap_err();
    assert_eq!(
        rejected.to_string(),
        "config:4: rule.name: rule `Errors`: another rule has the same name: give one of them another \
         name"
    );
    let text = "[[rule]]\nsignal = 'error_ratio'\nabove = 0.1";
    assert_eq!(Source::Text(text.to_owned()).load(&given).unwrap().rules.len(), 1);
}

#[test]
fn invalid_toml_is_rejected_with_its_line() {
    let error = rejection("[[rule]]\nsignal = error_ratio\n");
    assert_eq!(
        error,
        "config:2: is not valid TOML: string values must be quoted, expected literal string"
    );
}

#[test]
fn the_error_for_an_unreadable_file_contains_its_path() {
    let error = Source::File("no/such.toml".into()).load(&[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no/such.toml: can't be read: No such file or directory (os error 2): set the path of a \
         TOML file"
    );
}
