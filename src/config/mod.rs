//! A lookout's rules from a TOML file, for
//! [`LookoutBuilder::config`](crate::LookoutBuilder::config).
//!
//! ```toml
//! defaults = true                # Rule::defaults()
//!
//! [[rule]]
//! signal = "latency_quantile"
//! quantile = 0.99
//! above = "800ms"
//! over = ["10s", "60s"]
//! route = "POST /checkout"
//! severity = "critical"
//! labels = { team = "shop" }
//! runbook = "https://wiki.example.com/checkout"
//! ```
//!
//! # Rules
//!
//! Each key of a `[[rule]]` is a setter of [`Rule`], and has its default:
//!
//! | key | value |
//! |---|---|
//! | `signal` | `mean_latency`, `latency_quantile`, `slow_ratio`, `error_ratio`, `slo`, `throughput`, `in_flight`, `oldest_in_flight` or `runtime_lag`; it must be there |
//! | `quantile` | of `latency_quantile`: a number between 0 and 1 |
//! | `slower_than` | of `slow_ratio`: a duration |
//! | `objective` | of `slo`: a percentage such as `"99.9 %"`, or a number |
//! | `burn_rates` | of `slo`: tables with `over` and `factor` or `budget`, and `short` if it is not a twelfth ([`BurnRate`](crate::rule::BurnRate)) |
//! | `above`, `below` | one of them must be there, but for `slo`: a duration for latencies, ages and lags, a percentage or a number for ratios, a number for the rest |
//! | `over` | a duration, or the shortest and the longest |
//! | `hold_for`, `keep_firing_for` | a duration |
//! | `min_requests`, `min_errors` | a whole number |
//! | `confidence` | a percentage or a number |
//! | `scope`, `route`, `dependency` | one of them: `scope` is `service` or `each_route`, the others are names |
//! | `name` | a text ([`Rule::named`]) |
//! | `severity` | `info`, `warning` or `critical` |
//! | `labels` | a table of texts |
//! | `summary`, `runbook` | a text |
//!
//! A duration is a text such as `"500ms"` or `"1m 30s"`. A key that is not known is refused.

mod document;
mod error;
mod rules;
mod value;

use std::{
    borrow::Cow,
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    slice,
};

use self::document::Document;
pub use self::error::ConfigError;
use crate::rule::{self, Rule};

/// Where the text comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    File(PathBuf),
    Text(String),
}

/// What a file says.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) rules: Vec<Rule>,
}

impl Source {
    pub(crate) fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Reads and checks all of it; `given` are rules that are there besides.
    pub(crate) fn load(&self, given: &[Rule]) -> Result<Config, ConfigError> {
        match self {
            Self::Text(text) => parse("config".into(), text, given),
            Self::File(path) => {
                let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
                parse(path.to_string_lossy(), &text, given)
            }
        }
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> ConfigError {
    let path = path.display();
    ConfigError::new(vec![format!("{path}: can't be read: {error}: give the path of a TOML file")])
}

fn parse(name: Cow<'_, str>, text: &str, given: &[Rule]) -> Result<Config, ConfigError> {
    let document = Document::new(name, text);
    let mut root = document.parse()?;
    let mut rules = Vec::new();
    let mut names: BTreeSet<_> = given.iter().map(Rule::name).collect();
    let mut add = |place: usize, rule: Rule| {
        let name = rule.name();
        if let Err(error) = rule::check(slice::from_ref(&rule)) {
            document.note(place, "", &error.to_string());
        } else if !names.insert(name.clone()) {
            let problem = format!("another rule is called `{name}`: give one of them another name");
            document.note(place, "rule", &problem);
        }
        rules.push(rule);
    };
    let place = root.place_of("defaults");
    if root.read("defaults", value::flag) == Some(true) {
        Rule::defaults().into_iter().for_each(|rule| add(place, rule));
    }
    for section in root.tables("rule") {
        let place = section.place();
        if let Some(rule) = rules::rule(section) {
            add(place, rule);
        }
    }
    root.finish();
    document.finish()?;
    Ok(Config { rules })
}

#[cfg(test)]
mod tests;
