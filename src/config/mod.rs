//! The keys of a TOML file with rules and notifiers, for
//! [`LookoutBuilder::config`](crate::LookoutBuilder::config). See the
//! [guide](crate::guide::operations#put-rules-and-notifiers-into-a-file) for reloads.
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
//!
//! [[notifier]]
//! kind = "slack"
//! url = { env = "SLACK_WEBHOOK_URL" }
//! or_else = "mail"
//!
//! [[notifier]]
//! kind = "email"
//! name = "mail"
//! server = "smtp://mail.example.com"
//! user = "alerts"
//! password = { file = "/run/secrets/mail" }
//! from = "Orders <alerts@example.com>"
//! to = "oncall@example.com"
//! ```
//!
//! # Rules
//!
//! Each key of a `[[rule]]` corresponds to a setter of [`Rule`], with the same default:
//!
//! | key | value |
//! |---|---|
//! | `signal` | one of the signals below; required |
//! | `quantile` | for `latency_quantile`, required: a number between 0 and 1 |
//! | `slower_than` | for `slow_ratio`, required: a duration |
//! | `objective` | for `slo`, required: a percentage such as `"99.9%"`, or a number |
//! | `burn_rates` | for `slo`: tables with `over`, `factor` or `budget`, and optionally `short` ([`BurnRate`]) |
//! | `above`, `below` | the threshold, in the unit of the signal; one of them is required, except for `slo` |
//! | `over` | the window: a duration, or a list of the shortest and the longest |
//! | `hold_for`, `keep_firing_for` | a duration |
//! | `min_requests`, `min_errors` | an integer |
//! | `confidence` | a percentage or a number |
//! | `scope`, `route`, `dependency` | at most one of them: `scope` is `service` or `each_route`, the others are names |
//! | `name` | a string ([`Rule::named`]) |
//! | `severity` | `info`, `warning` or `critical` |
//! | `labels` | a table of strings |
//! | `summary`, `runbook`, `dashboard` | a string |
//!
//! The signals are `mean_latency`, `latency_quantile`, `slow_ratio`, `error_ratio`,
//! `client_error_ratio`, `slo`, `throughput`, `in_flight`, `oldest_in_flight` and `runtime_lag`. A
//! threshold is a duration for latencies, ages and lags, a percentage or a number for ratios, and a
//! number for the others.
//!
//! A duration is a string such as `"500ms"` or `"1m 30s"`. An unknown key is an error that suggests
//! the nearest known key. The file must be a regular file of at most 1 MiB with at most 200
//! notifiers. Secret files must also be regular files of at most 1 MiB.
//!
//! # Notifiers
//!
//! Each `[[notifier]]` has a `kind`: `log`, or the kind of a
//! [receiver](crate::guide::notifiers#all-receivers), whose type documents its keys. The type's
//! feature must be enabled. All kinds except `log` also have these optional keys:
//!
//! | key | value |
//! |---|---|
//! | `root_certificate` | in PEM |
//! | `client_certificate`, `client_key` | both in PEM; the key is a secret |
//! | `bundled_roots` | `true` or `false` (feature `bundled-roots`) |
//!
//! All kinds have these optional keys:
//!
//! | key | value |
//! |---|---|
//! | `name` | the name in metrics and logs; defaults to the kind |
//! | `or_else` | the name of the fallback for alerts that this notifier fails to deliver ([`NotifierExt::or_else`]) |
//! | `repeat_every` | a duration of at least a minute, after which a firing alert is repeated ([`NotifierExt::repeat_every`]) |
//! | `when` | a table that selects alerts ([`NotifierExt::when`]); defaults to all |
//!
//! A fallback gets no other alerts, unless it has a `when`.
//!
//! `when` selects the alerts that match all of its keys, which correspond to the setters of
//! [`Matcher`](crate::notify::Matcher). A list matches if any of its values does:
//!
//! | key | value |
//! |---|---|
//! | `severity` | one of `info`, `warning` and `critical`, or a list |
//! | `min_severity` | one of `info`, `warning` and `critical` |
//! | `rule` | a name, or a list |
//! | `labels` | a table of strings or lists; an empty string matches alerts without the label |
//! | `reported` | `true` for reports, `false` for alerts of rules |
//! | `not` | a table of these keys; excludes the alerts that match all of them |
//!
//! # Silences
//!
//! `quiet_after_start = "2m"` at the top mutes the alerts of rules for that time after a start, at
//! most 1 h ([`quiet_after_start`]). The other controls are tables:
//!
//! ```toml
//! quiet_after_start = "2m"
//!
//! [[silence]]
//! when = { rule = "HighErrorRatio", labels = { route = "/checkout" } }
//! until = 2026-12-01T09:00:00+09:00
//! by = "anna"
//! reason = "the provider is down"
//!
//! [[maintenance]]
//! from = 2026-12-05T02:00:00Z
//! until = 2026-12-05T04:00:00Z
//! by = "ops"
//! reason = "database upgrade"
//!
//! [[inhibit]]
//! source = { rule = "HighErrorRatio" }
//! target = { rule = "RouteErrorRatio" }
//! equal = ["service"]
//! ```
//!
//! | table | key | value |
//! |---|---|---|
//! | `silence`, `maintenance` | `when` | the alerts, with the keys of a notifier's `when`; required for a silence, defaults to all for a maintenance window |
//! | | `from` | a time with an offset; required for a maintenance window, defaults to the start or the reload |
//! | | `until` | a time with an offset, at most 7 days later; required |
//! | | `by`, `reason` | texts; required |
//! | `inhibit` | `source`, `target` | alerts, with the keys of a notifier's `when`; required |
//! | | `equal` | a label, or a list, with the same value in both; defaults to none |
//!
//! A silence that has ended is ignored. A reload replaces the silences, maintenance windows and
//! inhibitions of the file. `quiet_after_start` applies only at a start.
//!
//! # Secrets
//!
//! A secret is `{ env = "NAME" }`, an environment variable, or `{ file = "path" }`. A relative path
//! is resolved against the folder of this file. A plain-text secret is an error, so that nobody
//! commits one; `allow_inline_secrets = true` at the top of the file permits it. Other addresses
//! may be plain text unless they contain an `@`, which may follow a password. No error, log or
//! `Debug` output contains a secret.
//!
//! [`quiet_after_start`]: crate::LookoutBuilder::quiet_after_start
//! [`BurnRate`]: crate::rule::BurnRate
//! [`NotifierExt::or_else`]: crate::notify::NotifierExt::or_else
//! [`NotifierExt::repeat_every`]: crate::notify::NotifierExt::repeat_every
//! [`NotifierExt::when`]: crate::notify::NotifierExt::when

mod controls;
mod notifiers;
mod rules;
mod when;

use std::{
    borrow::Cow,
    fmt,
    path::{Path, PathBuf},
    slice,
    time::SystemTime,
};

pub(crate) use self::{controls::Controls, notifiers::Notifier};
pub use crate::document::ConfigError;
use crate::{
    document::{Document, Secrets, value},
    files,
    rule::{self, Rule},
};

/// The file to load, or its text.
#[derive(Clone)]
pub(crate) enum Source {
    File(PathBuf),
    /// Not shown in `Debug` output, since it may contain secrets.
    Text(String),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(_) => f.debug_tuple("Text").field(&"***").finish(),
        }
    }
}

/// The maximum size of a file, in bytes.
const MAX_LENGTH: u64 = 1 << 20;

/// The rules and notifiers of a file.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) rules: Vec<Rule>,
    pub(crate) notifiers: Vec<Notifier>,
    pub(crate) controls: Controls,
    /// A fingerprint of the notifiers and their secrets.
    pub(crate) fingerprint: u64,
}

impl Source {
    pub(crate) fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Reads and checks the source. `given` are the rules that the code adds.
    pub(crate) fn load(&self, given: &[Rule]) -> Result<Config, ConfigError> {
        match self {
            Self::Text(text) => parse("config".into(), Path::new(""), text, given),
            Self::File(path) => {
                let text = files::read_text(path, MAX_LENGTH);
                let text = text.map_err(|error| unreadable(path, &error))?;
                let folder = path.parent().unwrap_or(Path::new(""));
                parse(path.to_string_lossy(), folder, &text, given)
            }
        }
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> ConfigError {
    let path = path.display();
    ConfigError::new(vec![format!("{path}: can't be read: {error}: set the path of a TOML file")])
}

fn parse(
    name: Cow<'_, str>,
    folder: &Path,
    text: &str,
    given: &[Rule],
) -> Result<Config, ConfigError> {
    let document = Document::new(name, text);
    let mut root = document.parse()?;
    let keys =
        ["defaults", "rule", "notifier", "silence", "maintenance", "inhibit", "quiet_after_start"];
    let is_empty = !keys.iter().any(|key| root.has(key));
    let mut rules = given.to_vec();
    let mut add = |rule: Rule, position: &dyn Fn(&str) -> (usize, String)| {
        if let Err(error) = rule::check(slice::from_ref(&rule)) {
            let (start, path) = position(error.setting().key());
            document.report(start, &path, &error.to_string());
        } else if let Some(problem) = rule.conflict_with(&rules) {
            let (start, path) = position("name");
            document.report(start, &path, &format!("rule `{}`: {problem}", rule.name()));
        }
        rules.push(rule);
    };
    let defaults = root.position_of("defaults");
    if root.read("defaults", value::flag) == Some(true) {
        let position = |_: &str| (defaults, "defaults".to_owned());
        Rule::defaults().into_iter().for_each(|rule| add(rule, &position));
    }
    for section in root.tables("rule") {
        let positions = section.positions();
        if let Some(rule) = rules::rule(section) {
            add(rule, &|key| positions.of(key));
        }
    }
    let is_inline_allowed = root.read("allow_inline_secrets", value::flag) == Some(true);
    let secrets = Secrets::new(folder, is_inline_allowed);
    let notifiers = notifiers::notifiers(root.tables("notifier"), &secrets);
    let controls = controls::controls(&document, &mut root, SystemTime::now());
    root.finish();
    document.finish()?;
    if is_empty {
        // A file that is truncated or not written yet must not remove all rules.
        let text = "has no rule and no notifier: if that is intended, set defaults = false";
        document.report(0, "", text);
        document.finish()?;
    }
    let rules = rules.split_off(given.len());
    Ok(Config { rules, notifiers, controls, fingerprint: secrets.fingerprint() })
}

#[cfg(test)]
mod limits_tests;
#[cfg(test)]
mod notifiers_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod when_tests;
