use std::fmt;

/// How urgent an alert is. Receivers get it as the label `severity`, and can route by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Severity {
    /// For information only.
    Info,
    /// Needs attention in working hours.
    Warning,
    /// Needs attention now, at any hour.
    Critical,
}

impl Severity {
    /// The label's value, such as `critical`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
