use std::{fmt, time::Duration};

use super::{Reading, Rule, Signal, read::Verdict};
use crate::{
    collect::Figures,
    window::{Timeline, Window},
};

/// Why a rule has no verdict, or does not fire although its value is past the threshold.
///
/// Its [`Display`](fmt::Display) is a short phrase, such as `7 of 20 requests`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// The lookout has not evaluated the rule yet; it does so each second.
    NotEvaluated,
    /// No runtime is watched, so it has no lag.
    NoRuntime,
    /// No request has ended yet.
    NoRequests,
    /// Requests have ended, but none of the route or the dependency that the rule names.
    NothingMatches,
    /// The longest window holds fewer requests than [`min_requests`](Rule::min_requests).
    TooFewRequests {
        /// The requests in the longest window.
        requests: u64,
        /// How many a verdict needs.
        needed: u64,
    },
    /// The value is past the threshold, with fewer failures than [`min_errors`](Rule::min_errors).
    TooFewErrors {
        /// The failures in the window; slow requests or client errors for the ratios of these.
        errors: u64,
        /// How many the rule asks for.
        needed: u64,
    },
    /// The value is past the threshold, but the [`confidence`](Rule::confidence) is not reached.
    NotConfident {
        /// The confidence that the rule asks for.
        confidence: f64,
    },
    /// The lookout is younger than the window of a throughput.
    WindowNotFull {
        /// The age of the lookout.
        elapsed: Duration,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEvaluated => f.write_str("not evaluated yet"),
            Self::NoRuntime => f.write_str("no runtime is watched"),
            Self::NoRequests => f.write_str("no request has ended yet"),
            Self::NothingMatches => f.write_str("no request has matched its scope"),
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

impl Rule {
    /// The reason for no verdict, or for a value past the threshold that does not breach the rule.
    pub(crate) fn reason(
        &self,
        figures: &Figures,
        timeline: &Timeline,
        reading: Option<&Reading>,
    ) -> Option<Reason> {
        match reading {
            Some(reading) => self.reason_for_no_breach(reading),
            None if self.signal == Signal::RuntimeLag => Some(Reason::NoRuntime),
            None => Some(self.reason_for_no_verdict(figures, timeline)),
        }
    }

    fn reason_for_no_breach(&self, reading: &Reading) -> Option<Reason> {
        let (comparison, _) = self.condition()?;
        match (reading.verdict, self.confidence) {
            (Verdict::Doubtful, Some(confidence)) => Some(Reason::NotConfident { confidence }),
            (Verdict::Kept, _)
                if reading.hits < self.min_errors
                    && comparison.holds(reading.value, reading.threshold) =>
            {
                Some(Reason::TooFewErrors { errors: reading.hits, needed: self.min_errors })
            }
            _ => None,
        }
    }

    fn reason_for_no_verdict(&self, figures: &Figures, timeline: &Timeline) -> Reason {
        let window = self.longest_window(figures, timeline);
        let requests = window.requests();
        let needed = self.min_requests.max(1);
        if figures.history.totals().requests() == 0 && self.signal != Signal::Throughput {
            Reason::NoRequests
        } else if requests < needed && self.signal != Signal::Throughput {
            Reason::TooFewRequests { requests, needed }
        } else if requests < self.min_requests {
            Reason::TooFewRequests { requests, needed: self.min_requests }
        } else {
            Reason::WindowNotFull { elapsed: window.elapsed() }
        }
    }

    /// The longest window that the rule uses.
    pub(crate) fn longest_window<'a>(
        &self,
        figures: &'a Figures,
        timeline: &'a Timeline,
    ) -> Window<'a> {
        let longs = self.burn_rates.iter().map(|rate| rate.long);
        figures.history.window(timeline, longs.max().unwrap_or(self.over.longest()))
    }
}
