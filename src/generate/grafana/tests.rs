use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::{
    facade::{MetricNaming, Preset, metrics},
    operation::{Call, Dependency, Protocol, System, Traffic},
    rule::with_names,
    series::{BUCKETS, Family},
};

fn exports(preset: Preset) -> Exports {
    let mut naming = MetricNaming::default();
    naming.presets.select(preset);
    let buckets = BUCKETS.to_vec();
    Exports { service: "orders".to_owned(), naming, buckets, families: Vec::new() }
}

/// All kinds of traffic.
fn in_use() -> InUse {
    let calls = [
        (Protocol::Http, Call::Logical),
        (Protocol::Grpc, Call::Attempt),
        (Protocol::Call, Call::Operation(System::Database("a".into()))),
        (Protocol::Call, Call::Operation(System::Messaging("b".into()))),
        (Protocol::Call, Call::Operation(System::Other)),
    ];
    let of = |(protocol, call)| {
        let dependency = Some(Dependency { name: "d".into(), call });
        Traffic { protocol, dependency }
    };
    InUse { grpc: true, called: called(calls.map(of)) }
}

fn rendered(exports: Exports, rules: impl IntoIterator<Item = Rule>) -> Value {
    let rules = with_names(rules.into_iter().collect());
    let dashboard = GrafanaDashboard::new(Arc::new(exports), rules.into(), in_use());
    serde_json::from_str(&dashboard.to_string()).unwrap()
}

/// The panels, those in collapsed rows included.
fn all_panels(dashboard: &Value) -> Vec<&Value> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    panels
        .flat_map(|panel| {
            [panel].into_iter().chain(panel["panels"].as_array().into_iter().flatten())
        })
        .collect()
}

fn expressions(dashboard: &Value) -> Vec<&str> {
    let panels = all_panels(dashboard).into_iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    targets.map(|target| target["expr"].as_str().unwrap()).collect()
}

/// The names of the metrics in an expression: they stand before a brace, or in `__name__`.
fn names(expression: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut names = BTreeSet::new();
    for (place, _) in expression.match_indices('{') {
        let before = &expression[..place];
        names.insert(before.rsplit(|c| !is_name(c)).next().unwrap().to_owned());
        let by_name = expression[place..].strip_prefix("{__name__=~\"");
        let by_name = by_name.and_then(|rest| rest.split('"').next());
        names.extend(by_name.into_iter().flat_map(|names| names.split('|')).map(str::to_owned));
    }
    names.remove("");
    names
}

#[test]
fn each_metric_is_in_the_catalogue_of_the_preset() {
    for preset in [
        Preset::OpenTelemetry,
        Preset::SpringBoot,
        Preset::AxumPrometheus,
        Preset::GoGrpcMiddleware,
    ] {
        for prefix in [None, Some("acme".to_owned())] {
            let mut exports = exports(preset);
            exports.naming.prefix = prefix;
            let naming = exports.naming.clone();
            let known: BTreeSet<_> = metrics(&naming.presets)
                .map(|metric| naming.name(metric.name).as_str().to_owned())
                .collect();
            let dashboard = rendered(exports, [Rule::error_ratio().above(0.1)]);
            for expression in expressions(&dashboard) {
                for name in names(expression).iter().filter(|name| *name != "up") {
                    let stem = ["_bucket", "_sum", "_count"]
                        .into_iter()
                        .find_map(|suffix| name.strip_suffix(suffix))
                        .unwrap_or(name);
                    let is_known = known.contains(name) || known.contains(stem);
                    assert!(is_known, "{preset:?}: {name} in {expression}");
                }
            }
        }
    }
}

#[test]
fn histograms_with_other_buckets_count_too_with_their_common_bounds() {
    let mut exports = exports(Preset::OpenTelemetry);
    exports.families = vec![Family {
        name: "slow".to_owned(),
        routes: vec!["/reports".to_owned()],
        buckets: [1, 10, 60].map(std::time::Duration::from_secs).to_vec(),
    }];
    let dashboard = rendered(exports, []);
    let panels = all_panels(&dashboard);
    let heatmap = panels.iter().find(|panel| panel["type"] == "heatmap").unwrap();
    let expression = heatmap["targets"][0]["expr"].as_str().unwrap();
    assert!(expression.contains("http_server_request_duration_slow_seconds_bucket"));
    assert!(expression.contains(r#"le=~"1(\\.0)?|10(\\.0)?|\\+Inf""#), "{expression}");
}

#[test]
fn grafana_finds_no_variable_in_the_text_of_a_user() {
    let odd = "$job ${instance} [[route]] \"{a}\" \\ é日";
    let rule = Rule::error_ratio().above(0.1).named(odd).summary(odd).runbook(odd);
    let mut exports = exports(Preset::OpenTelemetry);
    exports.service = odd.to_owned();
    let dashboard = rendered(exports, [rule]);
    let panels = all_panels(&dashboard);
    let panel = panels.iter().find(|panel| panel["id"].as_u64().is_some_and(|id| id >= 1_000));
    let panel = panel.unwrap();
    let texts = [&dashboard["title"], &panel["title"], &panel["description"], &panel["links"]];
    for text in texts.map(ToString::to_string) {
        assert!(!text.contains("$job") && !text.contains("${") && !text.contains("[["), "{text}");
    }
    let expression = panel["targets"][0]["expr"].as_str().unwrap();
    assert!(
        expression.ends_with(r#"rule="\u0024job \u0024{instance} [\u005broute]] \"{a}\" \\ é日"}"#),
        "{expression}"
    );
}

#[test]
fn the_id_of_a_panel_depends_on_the_name_of_the_rule_alone() {
    let ratio = || Rule::error_ratio().above(0.1);
    let ids = |rules: Vec<Rule>| panel_ids(&with_names(rules));
    let [first, second] = ids(vec![ratio(), Rule::in_flight().above(1.0)])[..] else {
        panic!("an id for each rule");
    };
    assert_eq!(ids(vec![Rule::in_flight().above(5.0), ratio()]), [second, first]);
}

proptest! {
    #[test]
    fn any_text_of_a_user_stays_in_its_string(
        name in "[\"\\\\{}'`$\n\r\t\u{85}\u{2028}\u{feff}é日a ]*",
        service in any::<String>(),
    ) {
        let rule = |name: &str| Rule::error_ratio().above(0.05).named(name).summary(name);
        let mut odd = exports(Preset::OpenTelemetry);
        odd.service = service.clone();
        let dashboard = rendered(odd, [rule(&name)]);
        let plain = rendered(exports(Preset::OpenTelemetry), [rule("n")]);
        prop_assert_eq!(expressions(&dashboard).len(), expressions(&plain).len());
        let job = &dashboard["templating"]["list"][1]["current"]["value"];
        prop_assert_eq!(job.as_str(), Some(&*service));
        prop_assert!(dashboard["uid"].as_str().is_some_and(|uid| uid.len() <= 40));
        for expression in expressions(&dashboard) {
            prop_assert!(!expression.contains(['\n', '\r']));
        }
    }

    #[test]
    fn the_value_of_a_parameter_needs_no_escape(text in any::<String>()) {
        let encoded = in_url(&text);
        prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
    }
}
