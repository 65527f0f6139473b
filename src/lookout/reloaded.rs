//! The result of a reload.

use std::fmt;

#[cfg(feature = "toml")]
use crate::config::ConfigError;
use crate::{alert::Replaced, causes::debug_as_display, rule::RuleError};

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
    /// Rules that were removed.
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
