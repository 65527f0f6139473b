//! Replaces the rules of a running lookout.

use tokio::sync::oneshot;

use super::{
    Lookout,
    reloaded::{ReloadError, Reloaded},
    thread::Command,
};
use crate::rule::{self, Rule};
#[cfg(feature = "toml")]
use crate::{
    catch_panic::logged,
    config::{Controls, Source},
};

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

/// Replaces the rules of a running lookout. The lookout's thread replaces all of them at once,
/// between two ticks, and delays no request.
///
/// A rule is identified by its name. The alerts of an unchanged rule continue without a message. So
/// do those of a rule that changed only its summary, runbook or dashboard. If the severity or the
/// labels changed, a firing alert is sent again, since receivers route by them. Any other change
/// makes a new rule: the alerts of the old one resolve, without a value, and the new one starts
/// inactive. Its windows reach as far back as before.
///
/// A new threshold of [`latency_quantile`](Rule::latency_quantile) or
/// [`slow_ratio`](Rule::slow_ratio) is rounded to the nearest bound, within 1/9, until the next
/// restart. [`Reloaded::needs_restart`] and a warning in the log report this.
impl Lookout {
    /// Reads the file of [`config`](super::LookoutBuilder::config) again, and replaces its rules.
    /// It also replaces the file's silences and inhibitions. The rules, silences and inhibitions of
    /// the builder and all notifiers stay. It checks the whole file, so a file that
    /// passes also works at the next start. It works on any runtime.
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
            let config = source.load(&given).map(|config| {
                let is_same = config.fingerprint == fingerprint;
                ([given, config.rules].concat(), config.controls, is_same)
            });
            // The caller may be gone.
            let _ = loaded.send(config);
        };
        let thread = std::thread::Builder::new().name("lookout-reload".to_owned());
        thread.spawn(load).map_err(ReloadError::Thread)?;
        let (rules, controls, are_notifiers_same) =
            is_loaded.await.map_err(|_| ReloadError::Ended)??;
        let mut reloaded = self.replace_rules(rules).await?;
        let Controls { silences, inhibitions, .. } = controls;
        if let Err(error) = self.inner.suppressor.configure(true, silences, inhibitions) {
            // The file was checked, so only the maximum number of silences can be exceeded.
            logged(|| tracing::error!(%error, "a silence of the file was not added"));
        }
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
