//! Replaces the rules of a running lookout.

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
    /// A rule is invalid.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// The file is invalid, or unreadable.
    #[cfg(feature = "toml")]
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The lookout was not started with a file.
    #[cfg(feature = "toml")]
    #[error("there is no file to read again: start with .config(path), or use replace_rules(..)")]
    NoFile,
    /// The lookout has ended, or is ending.
    #[error("the lookout has ended, and evaluates no more rules")]
    Ended,
    /// The replacement panicked. The old rules stay in force, and their alerts start anew.
    #[error("the replacement of the rules panicked, and the old rules stay in force: {message}")]
    #[non_exhaustive]
    Panicked {
        /// The panic's message.
        message: String,
    },
    /// The thread that reads the file could not start.
    #[cfg(feature = "toml")]
    #[error("the thread that reads the file cannot start")]
    Thread(#[source] std::io::Error),
}

debug_as_display!(ReloadError);

/// The input of a reload.
#[cfg(feature = "toml")]
#[derive(Clone, Debug)]
pub(super) struct Reloadable {
    pub(super) source: Source,
    /// The rules of the builder, which stay.
    pub(super) given: Vec<Rule>,
    /// Identifies the notifiers of the file at the start.
    pub(super) fingerprint: u64,
}

/// Replaces the rules of a running lookout. The lookout's thread replaces all of them at once, between
/// two ticks, and delays no request.
///
/// A rule is identified by its name. The alerts of an unchanged rule continue without a message. So do
/// those of a rule that changed only its summary, runbook or dashboard. If the severity or the labels
/// changed, a firing alert is sent again, since receivers route by them. Any other change makes a new
/// rule: the alerts of the old one resolve, without a value, and the new one starts inactive. Its
/// windows reach as far back as before.
///
/// A new threshold of [`latency_quantile`](Rule::latency_quantile) or
/// [`slow_ratio`](Rule::slow_ratio) is rounded to the nearest bound, within 1/9, until a restart makes
/// it exact. [`Reloaded::needs_restart`] and the log note this.
impl Lookout {
    /// Reads the file of [`config`](super::LookoutBuilder::config) again, and replaces its rules. The
    /// rules of the builder and all notifiers stay. The whole file is checked, so a file that reloads
    /// also starts. It works on any runtime.
    ///
    /// # Errors
    ///
    /// A [`ReloadError`]. All rules stay as they were.
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
        // The file system may be slow, so a thread of its own reads the file.
        let load = move || {
            let Reloadable { source, given, fingerprint } = reloadable;
            let config = source
                .load(&given)
                .map(|config| ([given, config.rules].concat(), config.fingerprint == fingerprint));
            // The caller may be gone.
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

    /// Replaces all rules by these, those of a file included. It works on any runtime.
    ///
    /// # Errors
    ///
    /// A [`ReloadError`] that names the rule and the fix. All rules stay as they were.
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
