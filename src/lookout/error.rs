use std::io;

#[cfg(feature = "toml")]
use crate::config::ConfigError;
use crate::{causes::debug_as_display, rule::RuleError};

/// Why a lookout did not start: the error names the rule or the setting, and the fix. Its `Debug`
/// is its `Display`, since a `main` that returns an error prints its `Debug`.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A rule is invalid.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// The file of rules and notifiers is invalid, or unreadable.
    #[cfg(feature = "toml")]
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A setting of the builder is invalid.
    #[error("{field}: {problem}")]
    #[non_exhaustive]
    Setting {
        /// The builder's method.
        field: &'static str,
        /// The problem and the fix.
        problem: String,
    },
    /// The process has started as many lookouts as it can count.
    #[error("this process has started 268,435,456 lookouts: clone one instead of starting more")]
    TooMany,
    /// The lookout's thread, or its runtime, could not start.
    #[error("the lookout's thread cannot start")]
    Thread(#[source] io::Error),
}

debug_as_display!(StartError);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{self, Rule};

    #[test]
    fn debug_of_an_error_is_its_display() {
        let rule = rule::check(&[Rule::error_ratio()]).unwrap_err();
        let error = StartError::from(rule);
        let text = "rule `HighErrorRatio`: has no threshold: add `above` or `below`";
        assert_eq!((error.to_string(), format!("{error:?}")), (text.to_owned(), text.to_owned()));
        let problem = "\"a b\" is not a name".to_owned();
        let setting = StartError::Setting { field: "service", problem };
        assert_eq!(format!("{setting:?}"), "service: \"a b\" is not a name");
        let thread = StartError::Thread(io::Error::other("no more threads"));
        let text = "the lookout's thread cannot start: no more threads";
        assert_eq!(format!("{thread:?}"), text);
    }
}
