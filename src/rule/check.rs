use std::time::Duration;

use super::{
    Comparison, Rule, Scope, Signal, Threshold, WindowRange,
    problem::{Problem, Setting},
    scope::method_and_route,
    signal::Unit,
};
use crate::{causes::debug_as_display, facade::is_name, operation::MethodLabel, window};

/// The error of an invalid rule. Its text names the rule, the problem and the fix.
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

    /// The invalid setting.
    #[cfg(feature = "toml")]
    pub(crate) fn setting(&self) -> Setting {
        self.setting
    }
}

/// Checks each rule by itself and against the rules before it.
pub(crate) fn check(rules: &[Rule]) -> Result<(), RuleError> {
    for (index, rule) in rules.iter().enumerate() {
        let conflict = || {
            let text = rule.conflict_with(&rules[..index]);
            text.and_then(|text| Setting::Name.problem(text))
        };
        if let Some(Problem { setting, text }) = rule.problem().or_else(conflict) {
            return Err(RuleError { rule: rule.name(), setting, problem: text });
        }
    }
    Ok(())
}

/// The labels that each alert has already; a rule cannot set them.
const OWN_LABELS: [&str; 4] = ["alertname", "instance", "service", "severity"];

impl Rule {
    /// The conflict with one of the other rules, and its fix.
    pub(crate) fn conflict_with(&self, others: &[Self]) -> Option<&'static str> {
        if self.name.is_some() && others.iter().any(|other| other.name == self.name) {
            Some("another rule has the same name: give one of them another name")
        } else if others.contains(self) {
            Some("another rule is identical: remove one of them")
        } else {
            None
        }
    }

    fn problem(&self) -> Option<Problem> {
        if let Some((one, other)) = self.overridden {
            return other.problem(format!(
                "{} and {} are mutually exclusive: remove one of them, or add a second rule",
                one.setter(),
                other.setter()
            ));
        }
        let condition_problem = match (self.signal, self.threshold) {
            (Signal::BurnRate { objective }, _) => self.slo_problem(objective),
            (_, Some((comparison, threshold))) => self
                .signal_problem()
                .or_else(|| self.threshold_problem(comparison, threshold))
                .or_else(|| self.window_problem()),
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
                 99.9%"
            ))
        } else if let Some((comparison, threshold)) = self.threshold {
            Setting::from(comparison).problem(format!(
                "{comparison} {} can't be set for an SLO, which fires above its burn rates: use \
                 `burn_rates`",
                threshold.value()
            ))
        } else if self.over != WindowRange::DEFAULT {
            Setting::Over.problem(
                "over can't be set for an SLO, whose burn rates have their own windows: use \
                 `burn_rates`",
            )
        } else if self.burn_rates.is_empty() {
            let text = "burn_rates is empty: add one, or remove it to use the defaults";
            Setting::BurnRates.problem(text)
        } else {
            let problem = self.burn_rates.iter().find_map(|rate| rate.problem(objective));
            problem.and_then(|text| Setting::BurnRates.problem(text))
        }
    }

    fn window_problem(&self) -> Option<Problem> {
        let Self { signal, min_requests, .. } = self;
        if signal.has_window() {
            self.over.problem().and_then(|text| Setting::Over.problem(text))
        } else if self.over != WindowRange::DEFAULT {
            Setting::Over.problem(format!(
                "over has no effect on the {signal}: this signal has no window, so remove it"
            ))
        } else if *min_requests > 0 {
            Setting::MinRequests.problem(format!(
                "min_requests({min_requests}) has no effect on the {signal}: this signal has no window, so \
                 remove it"
            ))
        } else {
            None
        }
    }

    /// Checks `min_errors`, `confidence` and `burn_rates`.
    fn evidence_problem(&self) -> Option<Problem> {
        let Self { min_errors, signal, .. } = self;
        let is_slo = matches!(signal, Signal::BurnRate { .. });
        let is_ratio = is_slo || signal.unit() == Unit::Ratio;
        let is_below = matches!(self.threshold, Some((Comparison::Below, _)));
        match self.confidence {
            Some(confidence) if !is_ratio => Setting::Confidence.problem(format!(
                "confidence({confidence}) can't be set for the {signal}: this signal is not a ratio, so \
                 remove it"
            )),
            Some(confidence) if !(confidence > 0.5 && confidence < 1.0) => {
                Setting::Confidence.problem(format!(
                    "confidence({confidence}) is out of range: use more than 0.5 and less than 1, \
                     such as 0.95"
                ))
            }
            _ if *min_errors > 0 && !is_ratio => Setting::MinErrors.problem(format!(
                "min_errors({min_errors}) can't be set for the {signal}: this signal counts no errors, so \
                 remove it"
            )),
            _ if *min_errors > 0 && is_below => Setting::MinErrors.problem(format!(
                "min_errors({min_errors}) can't be set for a ratio that fires below its threshold: \
                 remove it"
            )),
            _ if !is_slo && !self.burn_rates.is_empty() => Setting::BurnRates.problem(format!(
                "burn_rates can't be set for the {signal}: start with Rule::slo(..)"
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
            _ => None,
        }
    }

    fn threshold_problem(&self, comparison: Comparison, threshold: Threshold) -> Option<Problem> {
        let setting = Setting::from(comparison);
        match (self.signal.unit(), threshold) {
            (Unit::Seconds, Threshold::Duration(duration)) => {
                let reason = match (self.signal, comparison) {
                    (Signal::OldestInFlight, Comparison::Below) => {
                        "the oldest request, since there may be none"
                    }
                    (Signal::RuntimeLag, Comparison::Below) => {
                        "the runtime's lag, since a low lag is normal"
                    }
                    _ => return duration_problem(setting, &comparison.to_string(), duration),
                };
                setting
                    .problem(format!("below {duration:?} can't be set for {reason}: use `above`"))
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
                let reason = match unit {
                    _ if can_cross => return None,
                    Unit::Ratio => "a ratio is from 0 to 1, so that 1% is 0.01",
                    _ => "nothing is below 0",
                };
                setting.problem(format!("{comparison} {number} can never hold: {reason}"))
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
                    .problem("dependency is empty: use the name of a client_layer");
            }
            Scope::Dependency(_) => return None,
            Scope::Route(text) => text,
        };
        let (method, route) = method_and_route(text);
        if route.trim().is_empty() || route.contains(' ') {
            Setting::Route.problem(format!(
                "route {text:?} is not a route: use a template such as \"/orders/{{id}}\", or one \
                 with a method such as \"GET /orders/{{id}}\""
            ))
        } else if method.is_some_and(|method| !MethodLabel::is_name(method)) {
            Setting::Route.problem(format!(
                "route {text:?} starts with an unknown method: use one such as GET, or _OTHER for \
                 unregistered methods"
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
            "{scope} can't be set for the runtime's lag, which all requests share: remove it"
        ))
    }

    fn name_problem(&self) -> Option<Problem> {
        if self.name().trim().is_empty() {
            return Setting::Name.problem("the name is empty: set one");
        }
        self.labels.keys().find_map(|label| {
            if !is_name(label) {
                Setting::Labels.problem(format!(
                    "label {label:?} is not a name: use letters, digits and _, and no digit first"
                ))
            } else if label.starts_with("__") {
                Setting::Labels.problem(format!(
                    "label {label:?} starts with __, which Prometheus reserves: use another name"
                ))
            } else if OWN_LABELS.contains(&&**label) {
                Setting::Labels.problem(format!(
                    "label {label:?} has no effect, since each alert already has this label: use \
                     another name"
                ))
            } else {
                None
            }
        })
    }
}

fn duration_problem(setting: Setting, name: &str, duration: Duration) -> Option<Problem> {
    if duration.is_zero() {
        setting.problem(format!("{name} {duration:?} is too short: use more than 0"))
    } else if duration > window::LONGEST {
        setting
            .problem(format!("{name} {duration:?} is longer than the history: use at most an hour"))
    } else {
        None
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
