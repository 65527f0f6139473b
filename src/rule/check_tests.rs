//! Invalid rules are rejected, with an error that names the rule and the fix.

use super::*;
use crate::rule::BurnRate;

const SECOND: Duration = Duration::from_secs(1);

fn error_of(rule: Rule) -> String {
    check(&[rule]).unwrap_err().to_string()
}

#[test]
fn the_defaults_are_valid() {
    check(&Rule::defaults()).unwrap();
}

/// Checks that each rule is rejected with its name and the expected text.
fn assert_rejected<const N: usize>(rules: [(Rule, &str); N]) {
    for (rule, expected) in rules {
        let name = rule.name();
        let error = error_of(rule);
        assert!(error.contains(expected), "{error:?} lacks {expected:?}");
        assert!(error.starts_with(&format!("rule `{name}`: ")), "{error}");
    }
}

#[test]
fn an_impossible_threshold_route_label_or_name_is_rejected_with_the_fix() {
    let ratio = || Rule::error_ratio().above(0.01);
    assert_rejected([
        (Rule::error_ratio(), "has no threshold: add `above`"),
        (Rule::error_ratio().above(1.5), "above 1.5 can never hold: a ratio is from 0 to 1"),
        (Rule::error_ratio().above(1), "above 1 can never hold"),
        (Rule::error_ratio().below(0), "below 0 can never hold"),
        (Rule::error_ratio().above(f64::NAN), "above NaN can never be crossed"),
        (Rule::throughput().above(-1), "use a number of at least 0"),
        (Rule::error_ratio().above(SECOND), "is compared with a number: use .above(0.01)"),
        (Rule::mean_latency().above(3), "use .above(Duration::from_secs(..))"),
        (Rule::mean_latency().above(Duration::ZERO), "above 0ns is too short"),
        (Rule::slow_ratio(Duration::ZERO).above(0.1), "slow_ratio 0ns is too short"),
        (Rule::latency_quantile(99.0).above(SECOND), "such as 0.99"),
        (Rule::oldest_in_flight().above(SECOND * 7_200), "use at most an hour"),
        (Rule::oldest_in_flight().below(SECOND), "use `above`"),
        (ratio().below(0.001), "above and below are mutually exclusive"),
        (
            ratio().label("severity", "page"),
            "label \"severity\" has no effect, since each alert already has this label",
        ),
        (ratio().route(""), "is not a route"),
        (ratio().route("GET  /x"), "is not a route"),
        (ratio().route("get /x"), "starts with an unknown method"),
        (ratio().route("PROPFIND /x"), "or _OTHER for unregistered methods"),
        (
            ratio().label("__name__", "y"),
            "label \"__name__\" starts with __, which Prometheus reserves",
        ),
        (ratio().label("2x", "y"), "label \"2x\" is not a name"),
        (ratio().named(" "), "the name is empty"),
    ]);
}

#[test]
fn a_setting_without_effect_on_the_signal_is_rejected_with_the_fix() {
    let ratio = || Rule::error_ratio().above(0.01);
    let lag = || Rule::runtime_lag().above(SECOND);
    assert_rejected([
        (Rule::runtime_lag(), "has no threshold: add `above`"),
        (Rule::runtime_lag().above(0.5), "use .above(Duration::from_secs(..))"),
        (Rule::runtime_lag().above(Duration::ZERO), "above 0ns is too short"),
        (Rule::runtime_lag().below(SECOND), "below 1s can't be set for the runtime's lag"),
        (lag().each_route(), "each_route can't be set for the runtime's lag, which all"),
        (lag().route("GET /x"), "route \"GET /x\" can't be set for the runtime's lag"),
        (lag().dependency("x"), "dependency \"x\" can't be set for the runtime's lag"),
        (lag().min_requests(5), "min_requests(5) has no effect on the runtime lag: this signal"),
        (lag().over(SECOND * 5), "over has no effect on the runtime lag"),
        (
            Rule::in_flight().above(9).over(SECOND * 5),
            "on the requests in flight: this signal has no window, so remove it",
        ),
        (
            Rule::oldest_in_flight().above(SECOND).min_requests(3),
            "min_requests(3) has no effect on the oldest request in flight",
        ),
        (
            ratio().route("/a").dependency("b"),
            "route and dependency are mutually exclusive: remove one of them",
        ),
        (ratio().each_route().route("/a"), "each_route and route are mutually exclusive"),
        (ratio().over(Duration::ZERO), "over 0ns is shorter than a tick: use at least 1 s"),
        (ratio().over(SECOND * 3_601), "is longer than an hour: use at most 3600 s"),
        (ratio().over(SECOND * 60..=SECOND * 10), "put the shorter one first"),
    ]);
}

#[test]
fn an_impossible_objective_confidence_or_burn_rate_is_rejected_with_the_fix() {
    let ratio = || Rule::error_ratio().above(0.01);
    let lag = || Rule::runtime_lag().above(SECOND);
    let slo = || Rule::slo(0.999);
    let burns = |rate| slo().burn_rates([rate]);
    assert_rejected([
        (
            Rule::slo(99.9),
            "slo(99.9) is not an objective: use a number between 0 and 1, such as 0.999",
        ),
        (Rule::slo(1.0), "slo(1) is not an objective"),
        (Rule::slo(0.0), "slo(0) is not an objective"),
        (Rule::slo(f64::NAN), "slo(NaN) is not an objective"),
        (Rule::slo(0.9), "never fires, since at slo(0.9) the highest burn rate is 10.0: use lower"),
        (slo().above(14.4), "above 14.4 can't be set for an SLO, which fires above its burn rates"),
        (slo().over(SECOND * 300), "over can't be set for an SLO, whose burn rates have"),
        (slo().burn_rates([]), "burn_rates is empty: add one"),
        (ratio().burn_rates([BurnRate::new(6.0, SECOND * 60)]), "start with Rule::slo(..)"),
        (burns(BurnRate::new(0.0, SECOND * 60)), "can never be crossed: use a factor above 0"),
        (burns(BurnRate::of_budget(0.1, Duration::ZERO)), "can never be crossed"),
        (burns(BurnRate::new(6.0, SECOND * 21_600)), "over 21600s is longer than an hour"),
        (burns(BurnRate::new(6.0, SECOND * 6)), "a short window of 500ms, which is shorter than a"),
        (
            burns(BurnRate::new(6.0, SECOND * 60).short(SECOND * 60)),
            "that is shorter than the long",
        ),
        (ratio().confidence(0.5), "confidence(0.5) is out of range: use more than 0.5"),
        (ratio().confidence(95.0), "less than 1, such as 0.95"),
        (slo().confidence(1.0), "confidence(1) is out of range"),
        (lag().confidence(0.95), "set for the runtime lag: this signal is not a ratio, so"),
        (
            Rule::throughput().below(1).confidence(0.95),
            "for the throughput: this signal is not a ratio",
        ),
        (
            Rule::mean_latency().above(SECOND).min_errors(3),
            "min_errors(3) can't be set for the mean",
        ),
        (
            Rule::in_flight().above(9).min_errors(3),
            "for the requests in flight: this signal counts no errors",
        ),
        (Rule::error_ratio().below(0.1).min_errors(3), "that fires below its threshold"),
    ]);
}

#[test]
fn two_rules_with_the_same_explicit_name_and_two_identical_rules_are_rejected() {
    let ratio = |threshold| Rule::error_ratio().above(threshold);
    let error = |rules: [Rule; 2]| check(&rules).unwrap_err().to_string();
    assert_eq!(
        error([ratio(0.1).named("Errors"), ratio(0.2).named("Errors")]),
        "rule `Errors`: another rule has the same name: give one of them another name"
    );
    assert_eq!(
        error([ratio(0.1), ratio(0.1)]),
        "rule `HighErrorRatio`: another rule is identical: remove one of them"
    );
    check(&[ratio(0.1), ratio(0.2)]).unwrap();
}
