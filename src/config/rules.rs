use toml::de::DeValue;

use crate::document::{Section, value};
use crate::rule::{BurnRate, Rule, Severity, Signal};

/// Creates the rule of a signal, or records the problem.
pub(super) type Make = fn(&mut Section<'_>) -> Option<Rule>;

/// Each signal with its constructor and the keys that only it has.
pub(super) const SIGNALS: [(&str, Make, &[&str]); 10] = [
    ("mean_latency", |_| Some(Rule::mean_latency()), &[]),
    ("latency_quantile", latency_quantile, &["quantile"]),
    ("slow_ratio", slow_ratio, &["slower_than"]),
    ("error_ratio", |_| Some(Rule::error_ratio()), &[]),
    ("client_error_ratio", |_| Some(Rule::client_error_ratio()), &[]),
    ("slo", slo, &["objective", "burn_rates"]),
    ("throughput", |_| Some(Rule::throughput()), &[]),
    ("in_flight", |_| Some(Rule::in_flight()), &[]),
    ("oldest_in_flight", |_| Some(Rule::oldest_in_flight()), &[]),
    ("runtime_lag", |_| Some(Rule::runtime_lag()), &[]),
];

/// Reads the rule of a section, and records its problems. Returns `None` if it has no condition.
pub(super) fn rule(mut section: Section<'_>) -> Option<Rule> {
    // The valid keys depend on the signal, so without a signal they are not checked.
    let rule = signal(&mut section)?;
    let rule = rest(&mut section, rule);
    let rule = threshold(&mut section, rule);
    section.finish();
    rule
}

fn signal(section: &mut Section<'_>) -> Option<Rule> {
    let (signal, make) = section.require("signal", "set one such as \"error_ratio\"", |value| {
        let word = value::one_of(value, &SIGNALS.map(|(name, ..)| name))?;
        let make = SIGNALS.into_iter().find_map(|(name, make, _)| (name == word).then_some(make));
        make.map(|make| (word, make)).ok_or_else(|| format!("{word:?} makes no rule"))
    })?;
    for (of, _, keys) in SIGNALS.into_iter().filter(|(name, ..)| *name != signal) {
        for key in keys {
            let stray =
                |_: &DeValue<'_>| Err(format!("applies only to the signal {of}: remove it"));
            section.read::<()>(key, stray);
        }
    }
    make(section)
}

fn latency_quantile(section: &mut Section<'_>) -> Option<Rule> {
    let fix = "set a number between 0 and 1, such as 0.99";
    section.require("quantile", fix, value::number).map(Rule::latency_quantile)
}

fn slow_ratio(section: &mut Section<'_>) -> Option<Rule> {
    let fix = "set a duration such as \"500ms\"";
    section.require("slower_than", fix, value::duration).map(Rule::slow_ratio)
}

fn slo(section: &mut Section<'_>) -> Option<Rule> {
    let fix = "set a percentage such as \"99.9%\"";
    let rule = section.require("objective", fix, value::ratio).map(Rule::slo)?;
    if !section.has("burn_rates") {
        return Some(rule);
    }
    let rates: Vec<_> = section.tables("burn_rates").into_iter().map(burn_rate).collect();
    let rates: Option<Vec<_>> = rates.into_iter().collect();
    rates.map(|rates| rule.burn_rates(rates))
}

fn burn_rate(mut section: Section<'_>) -> Option<BurnRate> {
    let over = section.require("over", "set a duration such as \"1h\"", value::duration);
    let factor = section.read("factor", value::number);
    let budget = section.read("budget", value::ratio);
    let short = section.read("short", value::duration);
    let rate = match (factor, budget) {
        (Some(factor), None) => over.map(|over| BurnRate::new(factor, over)),
        (None, Some(share)) => over.map(|over| BurnRate::of_budget(share, over)),
        _ => {
            section
                .report("needs either a factor or a budget: set factor = 14.4 or budget = \"2%\"");
            None
        }
    };
    section.finish();
    rate.map(|rate| short.map_or(rate, |short| rate.short(short)))
}

fn threshold(section: &mut Section<'_>, rule: Rule) -> Option<Rule> {
    let unit = rule.signal.unit();
    let read = |value: &DeValue<'_>| value::threshold(value, unit);
    match (section.has("above"), section.has("below")) {
        (true, true) => {
            section.report("has both above and below: move one of them to a rule of its own");
        }
        (false, false) if matches!(rule.signal, Signal::BurnRate { .. }) => return Some(rule),
        (false, false) => section.report("has no threshold: set above or below"),
        _ => {}
    }
    let above = section.read("above", read);
    let below = section.read("below", read);
    above.map(|above| rule.clone().above(above)).or_else(|| below.map(|below| rule.below(below)))
}

fn rest(section: &mut Section<'_>, rule: Rule) -> Rule {
    let rule = scope(section, rule);
    let rule = set(section, rule, "name", value::text, Rule::named);
    let rule = set(section, rule, "over", value::window_range, Rule::over);
    let rule = set(section, rule, "hold_for", value::duration, Rule::hold_for);
    let rule = set(section, rule, "keep_firing_for", value::duration, Rule::keep_firing_for);
    let rule = set(section, rule, "min_requests", value::count, Rule::min_requests);
    let rule = set(section, rule, "min_errors", value::count, Rule::min_errors);
    let rule = set(section, rule, "confidence", value::ratio, Rule::confidence);
    let rule = set(section, rule, "severity", severity, Rule::severity);
    let labels = |value: &DeValue<'_>| value::table(value, value::text);
    let rule = set(section, rule, "labels", labels, |rule, labels| {
        labels.into_iter().fold(rule, |rule, (name, value)| rule.label(name, value))
    });
    let rule = set(section, rule, "summary", value::text, Rule::summary);
    let rule = set(section, rule, "runbook", value::text, Rule::runbook);
    set(section, rule, "dashboard", value::text, Rule::dashboard)
}

fn scope(section: &mut Section<'_>, rule: Rule) -> Rule {
    let is_given = |key: &&str| section.has(key);
    let unscoped = rule.clone();
    let is_ambiguous =
        ["scope", "route", "dependency"].iter().filter(|key| is_given(key)).count() > 1;
    if is_ambiguous {
        section.report("has more than one of scope, route and dependency: keep one");
    }
    let scopes = |value: &DeValue<'_>| value::one_of(value, &["service", "each_route"]);
    let rule = set(section, rule, "scope", scopes, |rule, scope| match scope {
        "each_route" => rule.each_route(),
        _ => rule,
    });
    let rule = set(section, rule, "route", value::text, Rule::route);
    let rule = set(section, rule, "dependency", value::text, Rule::dependency);
    // Read all three keys, so that `finish` reports none of them as unknown.
    if is_ambiguous { unscoped } else { rule }
}

pub(super) fn severity(value: &DeValue<'_>) -> Result<Severity, String> {
    let known = [Severity::Info, Severity::Warning, Severity::Critical];
    let word = value::one_of(value, &known.map(Severity::as_str))?;
    Ok(known.into_iter().find(|severity| severity.as_str() == word).unwrap_or(Severity::Warning))
}

/// Applies a key's value to the rule, if the section has the key.
fn set<T>(
    section: &mut Section<'_>,
    rule: Rule,
    key: &'static str,
    read: impl FnOnce(&DeValue<'_>) -> Result<T, String>,
    set: impl FnOnce(Rule, T) -> Rule,
) -> Rule {
    match section.read(key, read) {
        Some(value) => set(rule, value),
        None => rule,
    }
}
