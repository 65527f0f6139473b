//! Other rules for a lookout that runs.

use std::fmt;

use tokio::sync::oneshot;

use super::{Lookout, thread::Command};
use crate::{
    alert::Replaced,
    causes::debug_as_display,
    rule::{self, Rule, RuleError},
};
#[cfg(feature = "toml")]
use crate::{
    catch_panic::logged,
    config::{ConfigError, Source},
};

/// The effect of a reload on the rules.
///
/// Its [`Display`](fmt::Display) is one line for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reloaded {
    /// Rules that did not change. Their alerts continue.
    pub kept: usize,
    /// Rules that kept their name and changed.
    pub changed: usize,
    /// Rules with a new name.
    pub added: usize,
    /// Rules whose name is gone.
    pub removed: usize,
    /// Changes that need a restart, a sentence each.
    pub needs_restart: Vec<String>,
}

/// Why a reload failed. The old rules stay in force. Its `Debug` is its `Display`.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// A rule can't make sense.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// The file has something in it that can't be used, or can't be read.
    #[cfg(feature = "toml")]
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The lookout was not started with a file.
    #[cfg(feature = "toml")]
    #[error("there is no file to read again: start with .config(path), or use replace_rules(..)")]
    NoFile,
    /// The lookout has ended, or ends.
    #[error("the lookout has ended, and judges nothing any more")]
    Ended,
    /// The swap panicked. The rules from before are in force; their alerts start over.
    #[error("the swap of the rules panicked, and the rules from before are in force: {message}")]
    #[non_exhaustive]
    Panicked {
        /// The panic's message.
        message: String,
    },
    /// No thread can be made to read the file.
    #[cfg(feature = "toml")]
    #[error("no thread can be made to read the file")]
    Thread(#[source] std::io::Error),
}

debug_as_display!(ReloadError);

/// What is read again.
#[cfg(feature = "toml")]
#[derive(Clone, Debug)]
pub(super) struct Reloadable {
    pub(super) source: Source,
    /// The rules that the builder was given, which stay.
    pub(super) given: Vec<Rule>,
    /// Of the notifiers, which are those of the start.
    pub(super) fingerprint: u64,
}

/// Other rules while it runs. They are swapped at once, between two ticks, on the lookout's own thread;
/// no request notices.
///
/// A rule is known by its name. One that is as it was goes on with its alerts, without a message. So does
/// one that fires as it did, and whose summary, runbook or dashboard are others; where the severity or the labels
/// are, an alert that fires is told again, since receivers route by them. Any other change makes another
/// rule: what the old one fires is resolved, with no value, and the new one begins at rest, with windows
/// that reach as far back as ever.
///
/// A threshold of [`latency_quantile`](Rule::latency_quantile) or [`slow_ratio`](Rule::slow_ratio) that
/// the lookout did not start with stands for the bound that is nearest to it, within 1/9, until a
/// restart makes it exact; [`Reloaded::needs_restart`] says so, as the log does.
impl Lookout {
    /// Reads the file of [`config`](super::LookoutBuilder::config) again and swaps the rules; those that
    /// the builder was given stay, and so do all notifiers. The whole file is checked, so the next start
    /// takes what this takes. It needs no particular runtime.
    ///
    /// # Errors
    ///
    /// A [`ReloadError`]; then all rules are as they were.
    ///
    /// # Examples
    ///
    /// On `SIGHUP`, in a task:
    ///
    /// ```no_run
    /// # #[cfg(unix)]
    /// # async fn reload(lookout: tower_lookout::Lookout) -> std::io::Result<()> {
    /// use tokio::signal::unix::{SignalKind, signal};
    ///
    /// let mut hangups = signal(SignalKind::hangup())?;
    /// while hangups.recv().await.is_some() {
    ///     if let Err(error) = lookout.reload().await {
    ///         eprintln!("{error}");
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "toml")]
    pub async fn reload(&self) -> Result<Reloaded, ReloadError> {
        let reloadable = self.inner.reloadable.clone().ok_or(ReloadError::NoFile)?;
        let _turn = self.inner.reloading.lock().await;
        let (loaded, is_loaded) = oneshot::channel();
        // A file may be slow, and neither the caller's runtime nor the lookout's may wait for it.
        let load = move || {
            let Reloadable { source, given, fingerprint } = reloadable;
            let config = source
                .load(&given)
                .map(|config| ([given, config.rules].concat(), config.fingerprint == fingerprint));
            // Nobody may wait any more, which is as well.
            let _ = loaded.send(config);
        };
        let thread = std::thread::Builder::new().name("lookout-reload".to_owned());
        thread.spawn(load).map_err(ReloadError::Thread)?;
        let (rules, are_notifiers_same) = is_loaded.await.map_err(|_| ReloadError::Ended)??;
        let mut reloaded = self.replace_rules(rules).await?;
        if !are_notifiers_same {
            let needs =
                "the notifiers of the file have changed: alerts go to the old ones until a restart";
            logged(|| tracing::warn!("{needs}"));
            reloaded.needs_restart.push(needs.to_owned());
        }
        Ok(reloaded)
    }

    /// Swaps all rules for these, those of a file among them. It needs no particular runtime.
    ///
    /// # Errors
    ///
    /// A [`ReloadError`] that names the rule and the mend; then all rules are as they were.
    pub async fn replace_rules(
        &self,
        rules: impl IntoIterator<Item = Rule>,
    ) -> Result<Reloaded, ReloadError> {
        let rules: Vec<_> = rules.into_iter().collect();
        rule::check(&rules)?;
        let rules = rule::with_names(rules);
        let (done, is_done) = oneshot::channel();
        let command = Command::ReplaceRules(rules, done);
        self.inner.commands.send(command).map_err(|_| ReloadError::Ended)?;
        is_done.await.map_err(|_| ReloadError::Ended)?
    }
}

impl Reloaded {
    pub(super) fn new(replaced: Replaced, needs_restart: Vec<String>) -> Self {
        let Replaced { kept, changed, added, removed } = replaced;
        Self { kept, changed, added, removed, needs_restart }
    }
}

impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kept, changed, added, removed, needs_restart } = self;
        write!(f, "rules: {kept} kept, {changed} changed, {added} added, {removed} removed")?;
        needs_restart.iter().try_for_each(|needs| write!(f, "; {needs}"))
    }
}
