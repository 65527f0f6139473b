use std::fmt;

use crate::causes::debug_as_display;

/// The problems in a file of rules and notifiers, in the order of its lines.
///
/// Each problem names the file, the line, the key and the fix, such as `lookout.toml:12:
/// rule.above: "1.5" is not a ratio: use a percentage such as "1%", or a number such as 0.01`. No
/// problem contains a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<String>,
}

impl ConfigError {
    pub(crate) fn new(problems: Vec<String>) -> Self {
        Self { problems }
    }

    /// Returns the problems, at least one. If there are more than 100, a last line counts the rest.
    pub fn problems(&self) -> impl Iterator<Item = &str> {
        self.problems.iter().map(String::as_str)
    }
}

impl fmt::Display for ConfigError {
    /// Writes one line per problem.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

debug_as_display!(ConfigError);
