use std::collections::BTreeSet;

use super::{Comparison, Rule, Scope};

/// Gives each rule without an explicit name a unique name. The rules must have been checked.
///
/// The first rule of a signal and a scope keeps the default name, so a rule added after it does not
/// rename it. A later one gets its severity as a suffix, and a number if that name is not unique.
pub(crate) fn with_names(mut rules: Vec<Rule>) -> Vec<Rule> {
    let mut used: BTreeSet<_> = rules.iter().filter_map(|rule| rule.name.clone()).collect();
    for rule in rules.iter_mut().filter(|rule| rule.name.is_none()) {
        let base = rule.default_name();
        let with_severity = format!("{base}{}", camel_case(rule.severity.as_str()));
        let numbered = (2_u32..).map(|number| format!("{with_severity}{number}"));
        let mut names = [base, with_severity.clone()].into_iter().chain(numbered);
        rule.name = names.find(|name| used.insert(name.clone()));
    }
    rules
}

impl Rule {
    /// A name made from the signal and the scope. Prometheus accepts it as the name of an alert.
    pub(super) fn default_name(&self) -> String {
        let comparison = self.threshold.map_or(Comparison::Above, |(comparison, _)| comparison);
        let signal = self.signal.default_name(comparison);
        match &self.scope {
            Scope::Service => signal,
            Scope::EachRoute => format!("{signal}PerRoute"),
            Scope::Route(text) => format!("{signal}On{}", camel_case_or(text, "Route")),
            Scope::Dependency(name) => format!("{signal}Of{}", camel_case_or(name, "Dependency")),
        }
    }
}

/// The text in camel case, or `otherwise` if it has no ASCII letter or digit.
fn camel_case_or(text: &str, otherwise: &str) -> String {
    let word = camel_case(text);
    if word.is_empty() { otherwise.to_owned() } else { word }
}

/// The ASCII letters and digits; each run of them starts with a capital. A run in all capitals,
/// such as a method, keeps only the first one.
fn camel_case(text: &str) -> String {
    let mut camel = String::new();
    for part in text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()) {
        let (first, rest) = part.split_at(1);
        camel.push_str(&first.to_ascii_uppercase());
        if part.chars().any(|c| c.is_ascii_lowercase()) {
            camel.push_str(rest);
        } else {
            camel.push_str(&rest.to_ascii_lowercase());
        }
    }
    camel
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        facade::is_name,
        rule::{Severity, check},
    };

    fn ratio() -> Rule {
        Rule::error_ratio().above(0.05)
    }

    /// The names of rules that are added to one builder.
    fn names(rules: impl IntoIterator<Item = Rule>) -> Vec<String> {
        let rules: Vec<_> = rules.into_iter().collect();
        check(&rules).unwrap();
        with_names(rules).iter().map(Rule::name).collect()
    }

    #[test]
    fn a_default_name_consists_of_the_signal_and_the_scope() {
        for (rule, name) in [
            (ratio(), "HighErrorRatio"),
            (ratio().each_route(), "HighErrorRatioPerRoute"),
            (ratio().dependency("inventory"), "HighErrorRatioOfInventory"),
            (ratio().dependency("price-list v2"), "HighErrorRatioOfPriceListV2"),
            (ratio().dependency("größe"), "HighErrorRatioOfGrE"),
            (ratio().dependency("在庫"), "HighErrorRatioOfDependency"),
            (ratio().route("POST /orders"), "HighErrorRatioOnPostOrders"),
            (ratio().route("/orders/{id}"), "HighErrorRatioOnOrdersId"),
            (ratio().route("/"), "HighErrorRatioOnRoute"),
            (ratio().route("shop.Orders/CreateAll"), "HighErrorRatioOnShopOrdersCreateAll"),
            (Rule::slo(0.999).each_route(), "ErrorBudgetBurnPerRoute"),
        ] {
            assert_eq!(rule.name(), name);
            assert!(is_name(name), "{name} is not a Prometheus name");
        }
    }

    #[test]
    fn rules_of_other_scopes_do_not_conflict_with_the_defaults() {
        let more = [
            ratio().each_route(),
            ratio().dependency("inventory"),
            ratio().route("GET /a"),
            ratio().route("GET /b"),
        ];
        assert_eq!(
            names(Rule::defaults().into_iter().chain(more)),
            [
                "HighMeanLatency",
                "HighErrorRatio",
                "StuckRequests",
                "HighErrorRatioPerRoute",
                "HighErrorRatioOfInventory",
                "HighErrorRatioOnGetA",
                "HighErrorRatioOnGetB",
            ]
        );
    }

    #[test]
    fn rules_of_one_signal_and_scope_get_the_severity_or_a_number_as_a_suffix() {
        let critical = || ratio().severity(Severity::Critical);
        assert_eq!(
            names([
                critical(),
                ratio().above(0.01),
                ratio().above(0.02),
                critical().above(0.1),
                ratio().route("/a/b"),
                ratio().route("/a-b"),
            ]),
            [
                "HighErrorRatio",
                "HighErrorRatioWarning",
                "HighErrorRatioWarning2",
                "HighErrorRatioCritical",
                "HighErrorRatioOnAB",
                "HighErrorRatioOnABWarning",
            ]
        );
    }

    #[test]
    fn an_explicit_name_is_kept_at_any_position() {
        let lag = Rule::runtime_lag().above(Duration::from_secs(1)).named("HighErrorRatio");
        assert_eq!(names([ratio(), lag]), ["HighErrorRatioWarning", "HighErrorRatio"]);
    }

    #[test]
    fn naming_is_idempotent() {
        let once = with_names(vec![ratio(), ratio().above(0.1)]);
        assert_eq!(with_names(once.clone()), once);
    }
}
