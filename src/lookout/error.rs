use std::io;

#[cfg(feature = "toml")]
use crate::config::ConfigError;
use crate::{causes::debug_as_display, rule::RuleError};

/// Why a lookout did not start: the error names the rule or the setting, and the fix. Its `Debug`
/// is its `Display`, since `main` prints that.
#[derive(thiserror::Error)]
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

debug_as_display!(StartError);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{self, Rule};

    #[test]
    fn what_main_prints_of_an_error_reads_like_its_text() {
        let rule = rule::check(&[Rule::error_ratio()]).unwrap_err();
        let error = StartError::from(rule);
        let text = "rule `HighErrorRatio`: has no threshold: add `above` or `below`";
        assert_eq!((error.to_string(), format!("{error:?}")), (text.to_owned(), text.to_owned()));
        let problem = "\"a b\" is not a name".to_owned();
        let setting = StartError::Setting { field: "service", problem };
        assert_eq!(format!("{setting:?}"), "service: \"a b\" is not a name");
        let thread = StartError::Thread(io::Error::other("no more threads"));
        let text = "the lookout's thread can't be started: no more threads";
        assert_eq!(format!("{thread:?}"), text);
    }
}
