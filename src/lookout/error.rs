use std::io;

use crate::rule::RuleError;

/// Why a lookout did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A rule can't make sense.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// A setting of the builder can't be used.
    #[error("{field}: {problem}")]
    #[non_exhaustive]
    Setting {
        /// The builder's method.
        field: &'static str,
        /// What is wrong, and the mend.
        problem: String,
    },
    /// The lookout's thread, or its runtime, can't be made.
    #[error("the lookout's thread can't be started")]
    Thread(#[source] io::Error),
}
