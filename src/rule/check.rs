use std::{collections::BTreeSet, time::Duration};

use super::{
    Comparison, Rule, Scope, Signal, Threshold, WindowRange,
    problem::{Problem, Setting},
    scope::method_and_route,
    signal::Unit,
};
use crate::{causes::debug_as_display, facade::is_name, operation::MethodLabel, window};

/// A rule that can't make sense: it names the rule, what is wrong, and the mend.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule `{rule}`: {problem}")]
pub struct RuleError {
    rule: String,
    setting: Setting,
    problem: String,
}

debug_as_display!(RuleError);

impl RuleError {
    /// The name of the rule.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// The setting that is wrong.
    #[cfg(feature = "toml")]
    pub(crate) fn setting(&self) -> Setting {
        self.setting
    }
}

/// Checks each rule, and that their names differ.
pub(crate) fn check(rules: &[Rule]) -> Result<(), RuleError> {
    let mut names = BTreeSet::new();
    for rule in rules {
        let name = rule.name();
        let problem = rule.problem().or_else(|| {
            let is_new = names.insert(name.clone());
            let text = "another rule has the same name: give one of them another, with `named`";
            if is_new { None } else { Setting::Name.problem(text) }
        });
        if let Some(Problem { setting, text }) = problem {
            return Err(RuleError { rule: name, setting, problem: text });
        }
    }
    Ok(())
}

impl Rule {
    fn problem(&self) -> Option<Problem> {
        let condition_problem = match (self.signal, self.threshold) {
            (Signal::BurnRate { objective }, _) => self.slo_problem(objective),
            (_, Some((comparison, threshold))) => self
                .signal_problem()
                .or_else(|| self.threshold_problem(comparison, threshold))
                .or_else(|| self.over_problem()),
            (_, None) => Setting::Threshold.problem("has no threshold: add `above` or `below`"),
        };
        condition_problem
            .or_else(|| self.evidence_problem())
            .or_else(|| self.scope_problem())
            .or_else(|| self.name_problem())
    }

    fn slo_problem(&self, objective: f64) -> Option<Problem> {
        if !(objective > 0.0 && objective < 1.0) {
            Setting::Objective.problem(format!(
                "slo({objective}) is not an objective: use a number between 0 and 1, such as 0.999 for \
                 99.9 %"
            ))
        } else if let Some((comparison, threshold)) = self.threshold {
            Setting::from(comparison).problem(format!(
                "{comparison} {} can't be set for an SLO, which fires above its burn rates: use \
                 `burn_rates`",
                threshold.value()
            ))
        } else if self.over != WindowRange::DEFAULT {
            Setting::Over.problem(
                "over can't be set for an SLO, whose burn rates have windows of their own: use \
                 `burn_rates`",
            )
        } else if self.burn_rates.is_empty() {
            let text = "burn_rates is empty: give it one, or leave it out for the default";
            Setting::BurnRates.problem(text)
        } else {
            let problem = self.burn_rates.iter().find_map(|rate| rate.problem(objective));
            problem.and_then(|text| Setting::BurnRates.problem(text))
        }
    }

    fn over_problem(&self) -> Option<Problem> {
        let problem = self.signal.has_window().then(|| self.over.problem()).flatten();
        problem.and_then(|text| Setting::Over.problem(text))
    }

    /// Of what is asked for before a ratio is believed.
    fn evidence_problem(&self) -> Option<Problem> {
        let Self { min_errors, signal, .. } = self;
        let is_slo = matches!(signal, Signal::BurnRate { .. });
        let is_ratio = is_slo || signal.unit() == Unit::Ratio;
        let is_below = matches!(self.threshold, Some((Comparison::Below, _)));
        match self.confidence {
            Some(confidence) if !is_ratio => Setting::Confidence.problem(format!(
                "confidence({confidence}) can't be set for the {signal}, which is not a ratio: leave it \
                 out"
            )),
            Some(confidence) if !(confidence > 0.5 && confidence < 1.0) => {
                Setting::Confidence.problem(format!(
                    "confidence({confidence}) makes nothing sure: use more than 0.5 and less than 1, \
                     such as 0.95"
                ))
            }
            _ if *min_errors > 0 && !is_ratio => Setting::MinErrors.problem(format!(
                "min_errors({min_errors}) can't be set for the {signal}, which counts none: leave it \
                 out"
            )),
            _ if *min_errors > 0 && is_below => Setting::MinErrors.problem(format!(
                "min_errors({min_errors}) can't be set for a ratio that fires below its threshold: \
                 leave it out"
            )),
            _ if !is_slo && !self.burn_rates.is_empty() => Setting::BurnRates.problem(format!(
                "burn_rates can't be set for the {signal}: begin with Rule::slo(..)"
            )),
            _ => None,
        }
    }

    fn signal_problem(&self) -> Option<Problem> {
        match self.signal {
            Signal::LatencyQuantile(q) if !(q > 0.0 && q < 1.0) => Setting::Quantile.problem(format!(
                "latency_quantile({q}) is not a quantile: use a number between 0 and 1, such as 0.99"
            )),
            Signal::SlowRatio(slow) => duration_problem(Setting::SlowerThan, "slow_ratio", slow),
            Signal::RuntimeLag if self.min_requests > 0 => Setting::MinRequests.problem(format!(
                "min_requests({}) can't be set for the runtime's lag, which no request makes: \
                 leave it out",
                self.min_requests
            )),
            _ => None,
        }
    }

    fn threshold_problem(&self, comparison: Comparison, threshold: Threshold) -> Option<Problem> {
        let setting = Setting::from(comparison);
        match (self.signal.unit(), threshold) {
            (Unit::Seconds, Threshold::Duration(duration)) => {
                let why = match (self.signal, comparison) {
                    (Signal::OldestInFlight, Comparison::Below) => {
                        "the oldest request, since there may be none"
                    }
                    (Signal::RuntimeLag, Comparison::Below) => {
                        "the runtime's lag, since a low one is how it should be"
                    }
                    _ => return duration_problem(setting, &comparison.to_string(), duration),
                };
                setting.problem(format!("below {duration:?} can't be set for {why}: use `above`"))
            }
            (Unit::Seconds, Threshold::Number(number)) => setting.problem(format!(
                "{comparison} {number} is a number, but {} is compared with a duration: use \
                 .{comparison}(Duration::from_secs(..))",
                self.signal
            )),
            (_, Threshold::Duration(duration)) => setting.problem(format!(
                "{comparison} {duration:?} is a duration, but {} is compared with a number: use \
                 .{comparison}({})",
                self.signal,
                if self.signal.unit() == Unit::Ratio { "0.01" } else { "100" }
            )),
            (unit, Threshold::Number(number)) => {
                if !number.is_finite() || number < 0.0 {
                    return setting.problem(format!(
                        "{comparison} {number} can never be crossed: use a number of at least 0"
                    ));
                }
                let can_cross = match comparison {
                    Comparison::Above => unit != Unit::Ratio || number < 1.0,
                    Comparison::Below => number > 0.0 && (unit != Unit::Ratio || number <= 1.0),
                };
                let why = match unit {
                    _ if can_cross => return None,
                    Unit::Ratio => "a ratio is from 0 to 1, so that 1 % is 0.01",
                    _ => "nothing is below 0",
                };
                setting.problem(format!("{comparison} {number} can never hold: {why}"))
            }
        }
    }

    fn scope_problem(&self) -> Option<Problem> {
        if self.signal == Signal::RuntimeLag {
            return self.runtime_scope_problem();
        }
        let text = match &self.scope {
            Scope::Service | Scope::EachRoute => return None,
            Scope::Dependency(name) if name.trim().is_empty() => {
                return Setting::Dependency
                    .problem("dependency is empty: give the name of a client_layer");
            }
            Scope::Dependency(_) => return None,
            Scope::Route(text) => text,
        };
        let (method, route) = method_and_route(text);
        if route.trim().is_empty() || route.contains(' ') {
            Setting::Route.problem(format!(
                "route {text:?} names no route: use a template such as \"/orders/{{id}}\", or one \
                 with a method such as \"GET /orders/{{id}}\""
            ))
        } else if method.is_some_and(|method| !MethodLabel::is_name(method)) {
            Setting::Route.problem(format!(
                "route {text:?} begins with no method that is told apart: use one such as GET, or \
                 _OTHER for those that HTTP does not register"
            ))
        } else {
            None
        }
    }

    fn runtime_scope_problem(&self) -> Option<Problem> {
        let (setting, scope) = match &self.scope {
            Scope::Service => return None,
            Scope::EachRoute => (Setting::EachRoute, "each_route".to_owned()),
            Scope::Route(text) => (Setting::Route, format!("route {text:?}")),
            Scope::Dependency(name) => (Setting::Dependency, format!("dependency {name:?}")),
        };
        setting.problem(format!(
            "{scope} can't be set for the runtime's lag, which all requests share: leave it out"
        ))
    }

    fn name_problem(&self) -> Option<Problem> {
        if self.name().trim().is_empty() {
            return Setting::Name.problem("the name is empty: give it a word");
        }
        let label = self.labels.keys().find(|name| !is_name(name))?;
        Setting::Labels.problem(format!(
            "label {label:?} is not a name: use letters, digits and _, no digit first"
        ))
    }
}

fn duration_problem(setting: Setting, what: &str, duration: Duration) -> Option<Problem> {
    if duration.is_zero() {
        setting.problem(format!("{what} {duration:?} makes no sense: use more than 0"))
    } else if duration > window::LONGEST {
        setting
            .problem(format!("{what} {duration:?} is longer than the history: use at most an hour"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::BurnRate;

    const SECOND: Duration = Duration::from_secs(1);

    fn refused(rule: Rule) -> String {
        check(&[rule]).unwrap_err().to_string()
    }

    #[test]
    fn the_defaults_make_sense() {
        check(&Rule::defaults()).unwrap();
    }

    #[test]
    fn what_can_not_make_sense_is_refused_with_its_name_and_the_mend() {
        let ratio = || Rule::error_ratio().above(0.01);
        let lag = || Rule::runtime_lag().above(SECOND);
        let slo = || Rule::slo(0.999);
        let burns = |rate| slo().burn_rates([rate]);
        for (rule, says) in [
            (Rule::error_ratio(), "has no threshold: add `above`"),
            (Rule::error_ratio().above(1.5), "above 1.5 can never hold: a ratio is from 0 to 1"),
            (Rule::error_ratio().above(1), "above 1 can never hold"),
            (Rule::error_ratio().below(0), "below 0 can never hold"),
            (Rule::error_ratio().above(f64::NAN), "above NaN can never be crossed"),
            (Rule::throughput().above(-1), "use a number of at least 0"),
            (Rule::error_ratio().above(SECOND), "is compared with a number: use .above(0.01)"),
            (Rule::mean_latency().above(3), "use .above(Duration::from_secs(..))"),
            (Rule::mean_latency().above(Duration::ZERO), "above 0ns makes no sense"),
            (Rule::slow_ratio(Duration::ZERO).above(0.1), "slow_ratio 0ns makes no sense"),
            (Rule::latency_quantile(99.0).above(SECOND), "such as 0.99"),
            (Rule::oldest_in_flight().above(SECOND * 7_200), "use at most an hour"),
            (Rule::oldest_in_flight().below(SECOND), "use `above`"),
            (Rule::runtime_lag(), "has no threshold: add `above`"),
            (Rule::runtime_lag().above(0.5), "use .above(Duration::from_secs(..))"),
            (Rule::runtime_lag().above(Duration::ZERO), "above 0ns makes no sense"),
            (Rule::runtime_lag().below(SECOND), "below 1s can't be set for the runtime's lag"),
            (lag().each_route(), "each_route can't be set for the runtime's lag, which all"),
            (lag().route("GET /x"), "route \"GET /x\" can't be set for the runtime's lag"),
            (lag().dependency("x"), "dependency \"x\" can't be set for the runtime's lag"),
            (lag().min_requests(5), "min_requests(5) can't be set for the runtime's lag"),
            (ratio().over(Duration::ZERO), "over 0ns is shorter than a tick: use at least 1 s"),
            (ratio().over(SECOND * 3_601), "is longer than an hour: use at most 3600 s"),
            (ratio().over(SECOND * 60..=SECOND * 10), "give the shorter one first"),
            (
                Rule::slo(99.9),
                "slo(99.9) is not an objective: use a number between 0 and 1, such as 0.999",
            ),
            (Rule::slo(1.0), "slo(1) is not an objective"),
            (Rule::slo(0.0), "slo(0) is not an objective"),
            (Rule::slo(f64::NAN), "slo(NaN) is not an objective"),
            (
                Rule::slo(0.9),
                "never fires, since at slo(0.9) nothing burns faster than 10.0: use `burn_rates`",
            ),
            (
                slo().above(14.4),
                "above 14.4 can't be set for an SLO, which fires above its burn rates",
            ),
            (slo().over(SECOND * 300), "over can't be set for an SLO, whose burn rates have"),
            (slo().burn_rates([]), "burn_rates is empty: give it one"),
            (ratio().burn_rates([BurnRate::new(6.0, SECOND * 60)]), "begin with Rule::slo(..)"),
            (burns(BurnRate::new(0.0, SECOND * 60)), "can never be crossed: use a factor above 0"),
            (burns(BurnRate::of_budget(0.1, Duration::ZERO)), "can never be crossed"),
            (burns(BurnRate::new(6.0, SECOND * 21_600)), "over 21600s is longer than an hour"),
            (
                burns(BurnRate::new(6.0, SECOND * 6)),
                "a short window of 500ms, which is shorter than a",
            ),
            (
                burns(BurnRate::new(6.0, SECOND * 60).short(SECOND * 60)),
                "that is shorter than the long",
            ),
            (ratio().confidence(0.5), "confidence(0.5) makes nothing sure: use more than 0.5"),
            (ratio().confidence(95.0), "less than 1, such as 0.95"),
            (slo().confidence(1.0), "confidence(1) makes nothing sure"),
            (lag().confidence(0.95), "set for the runtime lag, which is not a ratio: leave it out"),
            (
                Rule::throughput().below(1).confidence(0.95),
                "for the throughput, which is not a ratio",
            ),
            (
                Rule::mean_latency().above(SECOND).min_errors(3),
                "min_errors(3) can't be set for the mean",
            ),
            (
                Rule::in_flight().above(9).min_errors(3),
                "for the requests in flight, which counts none",
            ),
            (Rule::error_ratio().below(0.1).min_errors(3), "that fires below its threshold"),
            (ratio().route(""), "names no route"),
            (ratio().route("GET  /x"), "names no route"),
            (ratio().route("get /x"), "begins with no method that is told apart"),
            (ratio().route("PROPFIND /x"), "or _OTHER for those that HTTP does not register"),
            (ratio().label("2x", "y"), "label \"2x\" is not a name"),
            (ratio().named(" "), "the name is empty"),
        ] {
            let name = rule.name();
            let error = refused(rule);
            assert!(error.contains(says), "{error:?} lacks {says:?}");
            assert!(error.starts_with(&format!("rule `{name}`: ")), "{error}");
        }
    }

    #[test]
    fn two_rules_of_one_name_are_refused() {
        let error = check(&[Rule::error_ratio().above(0.1), Rule::error_ratio().above(0.2)]);
        assert_eq!(
            error.unwrap_err().to_string(),
            "rule `HighErrorRatio`: another rule has the same name: give one of them another, with \
             `named`"
        );
    }
}
