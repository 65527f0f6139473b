use std::io;

#[cfg(feature = "toml")]
use crate::config::ConfigError;
use crate::rule::RuleError;

/// Why a lookout did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A rule can't make sense.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// A file of rules and notifiers has something in it that can't be used.
    #[cfg(feature = "toml")]
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A setting of the builder can't be used.
    #[error("{field}: {problem}")]
    #[non_exhaustive]
    Setting {
        /// The builder's method.
        field: &'static str,
        /// What is wrong, and the mend.
        problem: String,
    },
    /// The process has used up all numbers by which its lookouts are told apart.
    #[error("this process has started 268,435,456 lookouts: clone one instead of starting more")]
    TooMany,
    /// The lookout's thread, or its runtime, can't be made.
    #[error("the lookout's thread can't be started")]
    Thread(#[source] io::Error),
}
