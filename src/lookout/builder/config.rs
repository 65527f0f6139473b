use std::path::PathBuf;

use super::LookoutBuilder;
use crate::{
    config::{Config, Notifier, Source},
    lookout::{StartError, reload::Reloadable},
    notify::Worker,
};

/// Alerting: rules and notifiers in a file.
impl LookoutBuilder {
    /// Adds the rules and the notifiers of a TOML file; [`config`](crate::config) lists its keys.
    /// [`start`](Self::start) reads the file, and [`Lookout::reload`](crate::Lookout::reload) reads
    /// its rules again. Replaces an earlier file. Defaults to none. See the
    /// [guide](crate::guide::operations#put-rules-and-notifiers-into-a-file).
    pub fn config(mut self, path: impl Into<PathBuf>) -> Self {
        self.config = Some(Source::File(path.into()));
        self
    }

    /// Adds the rules and the notifiers of a TOML text. Errors call it `config`. `reload` cannot
    /// read it again.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::Lookout;
    ///
    /// let error = Lookout::builder().config_str("defaults = 1").start().unwrap_err();
    /// assert_eq!(error.to_string(), "config:1: defaults: 1 is not a boolean: use true or false");
    /// ```
    pub fn config_str(mut self, text: impl Into<String>) -> Self {
        self.config = Some(Source::Text(text.into()));
        self
    }

    /// Adds the rules and notifiers of the file. Returns the input of a later reload.
    pub(super) fn load(&mut self) -> Result<Option<Reloadable>, StartError> {
        let Some(source) = self.config.take() else { return Ok(None) };
        let given = self.rules.clone();
        let Config { rules, notifiers, controls, fingerprint } = source.load(&given)?;
        self.file_controls = controls;
        self.rules.extend(rules);
        for Notifier { name, service, matcher } in notifiers {
            self.add(name, matcher, |queue| Worker::new(queue, service));
        }
        Ok(source.is_file().then_some(Reloadable { source, given, fingerprint }))
    }
}
