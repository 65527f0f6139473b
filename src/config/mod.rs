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
//! Each key of a `[[rule]]` is a setter of [`Rule`], and has its default:
//!
//! | key | value |
//! |---|---|
//! | `signal` | `mean_latency`, `latency_quantile`, `slow_ratio`, `error_ratio`, `client_error_ratio`, `slo`, `throughput`, `in_flight`, `oldest_in_flight` or `runtime_lag`; it must be there |
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
//! | `summary`, `runbook`, `dashboard` | a text |
//!
//! A duration is a text such as `"500ms"` or `"1m 30s"`. An unknown key is an error, which names the key that may
//! have been meant. A file has at most 1 MiB and 200 notifiers, and is a regular file, as are the files of secrets.
//!
//! # Notifiers
//!
//! Each `[[notifier]]` has a `kind`, and mostly needs the feature of that name:
//!
//! | `kind` | keys |
//! |---|---|
//! | `log` | |
//! | `slack`, `discord`, `teams` | `url`, a secret; `mention`, whom a critical alert notifies |
//! | `slackbot` (feature `slack`) | `token`, a secret; `channel`; `mention`; `url` |
//! | `pagerduty` | `routing_key`, a secret; `url` |
//! | `webhook` | `url`, a secret; `headers`, a table of secrets |
//! | `alertmanager` | `members`, an address or several; `headers`, a table of secrets; `resend_every` |
//! | `email` | `server`, `from`, `to` (one or several); `user` and `password`, a secret; `hello_name` |
//! | all but `log` | `root_certificate`, a text in PEM; `client_certificate`, a text in PEM, with `client_key`, a secret; `bundled_roots`, `true` or `false` (feature `bundled-roots`) |
//!
//! and of the following what it needs:
//!
//! | key | value |
//! |---|---|
//! | `name` | by which counters and logs tell it; the kind if it is left out |
//! | `or_else` | the name of the one that takes what this one does not ([`NotifierExt::or_else`]); that one is told of nothing else, unless it has a `when` |
//! | `repeat_every` | a duration, a minute at least: what fires is told again ([`NotifierExt::repeat_every`]) |
//! | `when` | a table: the alerts that it is for ([`NotifierExt::when`]), all if it is left out |
//!
//! All keys of `when` have to match, as the setters of [`Matcher`](crate::notify::Matcher) do; of a list, one
//! of its values:
//!
//! | key | value |
//! |---|---|
//! | `severity` | one of `info`, `warning` and `critical`, or a list |
//! | `min_severity` | one of them |
//! | `rule` | a name, or a list |
//! | `labels` | a table of texts or lists; an empty text matches where there is no such label |
//! | `reported` | `true` for what was reported, `false` for what a rule raised |
//! | `not` | a table of such keys, which must not all match |
//!
//! # Secrets
//!
//! A secret is `{ env = "NAME" }`, an environment variable, or `{ file = "path" }`, from the folder of this
//! file if it is relative. A text is refused, so that none is committed, unless the file begins with
//! `allow_inline_secrets = true`. An address that has no `@`, and so no password, may be a text where it is
//! not called a secret. No secret is in any error, log or `Debug`.
//!
//! [`NotifierExt::or_else`]: crate::notify::NotifierExt::or_else
//! [`NotifierExt::repeat_every`]: crate::notify::NotifierExt::repeat_every
//! [`NotifierExt::when`]: crate::notify::NotifierExt::when

mod document;
mod error;
mod notifiers;
#[allow(dead_code, reason = "each kind of notifier needs a part of it")]
mod receivers;
mod rules;
#[allow(dead_code, reason = "each kind of notifier needs a part of it")]
mod secret;
mod value;
mod when;

use std::{
    borrow::Cow,
    fmt,
    path::{Path, PathBuf},
    slice,
};

use self::document::Document;
pub use self::error::ConfigError;
pub(crate) use self::notifiers::Notifier;
use self::secret::Secrets;
use crate::{
    files,
    rule::{self, Rule},
};

/// Where the text comes from.
#[derive(Clone)]
pub(crate) enum Source {
    File(PathBuf),
    /// With secrets in it, maybe.
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

/// The longest file that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// What a file says.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) rules: Vec<Rule>,
    pub(crate) notifiers: Vec<Notifier>,
    /// The same for the same notifiers and their secrets.
    pub(crate) fingerprint: u64,
}

impl Source {
    pub(crate) fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Reads and checks all of it; `given` are rules that are there besides.
    pub(crate) fn load(&self, given: &[Rule]) -> Result<Config, ConfigError> {
        match self {
            Self::Text(text) => parse("config".into(), Path::new(""), text, given),
            Self::File(path) => {
                let text = files::read_text(path, LONGEST);
                let text = text.map_err(|error| unreadable(path, &error))?;
                let folder = path.parent().unwrap_or(Path::new(""));
                parse(path.to_string_lossy(), folder, &text, given)
            }
        }
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> ConfigError {
    let path = path.display();
    ConfigError::new(vec![format!("{path}: can't be read: {error}: give the path of a TOML file")])
}

fn parse(
    name: Cow<'_, str>,
    folder: &Path,
    text: &str,
    given: &[Rule],
) -> Result<Config, ConfigError> {
    let document = Document::new(name, text);
    let mut root = document.parse()?;
    let is_empty = !["defaults", "rule", "notifier"].iter().any(|key| root.has(key));
    let mut rules = given.to_vec();
    let mut add = |rule: Rule, place: &dyn Fn(&str) -> (usize, String)| {
        if let Err(error) = rule::check(slice::from_ref(&rule)) {
            let (start, path) = place(error.setting().key());
            document.note(start, &path, &error.to_string());
        } else if let Some(problem) = rule.problem_beside(&rules) {
            let (start, path) = place("name");
            document.note(start, &path, &format!("rule `{}`: {problem}", rule.name()));
        }
        rules.push(rule);
    };
    let defaults = root.place_of("defaults");
    if root.read("defaults", value::flag) == Some(true) {
        let place = |_: &str| (defaults, "defaults".to_owned());
        Rule::defaults().into_iter().for_each(|rule| add(rule, &place));
    }
    for section in root.tables("rule") {
        let places = section.places();
        if let Some(rule) = rules::rule(section) {
            add(rule, &|key| places.of(key));
        }
    }
    let is_inline_allowed = root.read("allow_inline_secrets", value::flag) == Some(true);
    let secrets = Secrets::new(folder, is_inline_allowed);
    let notifiers = notifiers::notifiers(root.tables("notifier"), &secrets);
    root.finish();
    document.finish()?;
    if is_empty {
        // A file that was cut off, or not written yet, must not end all alerts.
        let text =
            "has no rule and no notifier: if it is meant to be empty, write defaults = false";
        document.note(0, "", text);
        document.finish()?;
    }
    let rules = rules.split_off(given.len());
    Ok(Config { rules, notifiers, fingerprint: secrets.fingerprint() })
}

#[cfg(test)]
mod limits_tests;
#[cfg(test)]
mod notifiers_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod when_tests;
