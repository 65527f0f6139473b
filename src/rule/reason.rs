use std::{fmt, time::Duration};

/// The reason for no verdict, or for a value past the threshold that does not fire.
///
/// Its [`Display`](fmt::Display) is a short phrase, such as `7 of 20 requests`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// The lookout has not evaluated the rule yet. It evaluates rules once a second.
    NotEvaluated,
    /// The lookout measures no runtime.
    NoRuntime,
    /// No request has ended yet.
    NoRequests,
    /// Requests have ended, but none on the rule's route or dependency.
    NothingMatches,
    /// The longest window holds fewer requests than [`min_requests`](super::Rule::min_requests).
    TooFewRequests {
        /// The requests in the longest window.
        requests: u64,
        /// The requests that a verdict needs.
        needed: u64,
    },
    /// The value is past the threshold with fewer failures than
    /// [`min_errors`](super::Rule::min_errors).
    TooFewErrors {
        /// The failures in the window, or the slow requests or client errors for those signals.
        errors: u64,
        /// The failures that a breach needs.
        needed: u64,
    },
    /// The value is past the threshold, but the [`confidence`](super::Rule::confidence) is not
    /// reached.
    NotConfident {
        /// The confidence that a breach needs.
        confidence: f64,
    },
    /// The lookout is younger than the window of a throughput rule.
    WindowNotFull {
        /// The age of the lookout.
        elapsed: Duration,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEvaluated => f.write_str("not evaluated yet"),
            Self::NoRuntime => f.write_str("no runtime is measured"),
            Self::NoRequests => f.write_str("no request has ended yet"),
            Self::NothingMatches => f.write_str("no request has matched the rule's scope"),
            Self::TooFewRequests { requests, needed } => {
                write!(f, "{requests} of {needed} requests")
            }
            Self::TooFewErrors { errors, needed } => write!(f, "{errors} of {needed} errors"),
            Self::NotConfident { confidence } => {
                write!(f, "the confidence of {confidence} is not reached")
            }
            Self::WindowNotFull { elapsed } => {
                write!(f, "the window is not full after {} s", elapsed.as_secs())
            }
        }
    }
}
