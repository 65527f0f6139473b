//! How an exchange ended, as it is judged and labelled.

use std::fmt;

/// How a request with its response ended; the `outcome` label of `http_server_requests_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Outcome {
    /// A complete response below 500: on a server a 4xx is the client's error, as OpenTelemetry
    /// has it.
    Success,
    /// A complete response of 500 or above.
    Failure,
    /// The service or the response body gave an error.
    Error,
    /// Dropped before there was a response: the client left, or a timeout outside the layer fired.
    Cancelled,
    /// Dropped in the middle of the response body.
    Aborted,
    /// The service panicked, or it was dropped while its thread unwound.
    Panicked,
}

impl Outcome {
    pub(crate) const COUNT: usize = 6;

    pub(crate) const ALL: [Self; Self::COUNT] =
        [Self::Success, Self::Failure, Self::Error, Self::Cancelled, Self::Aborted, Self::Panicked];

    /// The outcome of a response that was complete, by its status.
    #[inline]
    pub(crate) fn of_complete(status: u16) -> Self {
        if status >= 500 { Self::Failure } else { Self::Success }
    }

    /// The label's value, such as `success`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
            Self::Aborted => "aborted",
            Self::Panicked => "panicked",
        }
    }

    /// Whether the error ratio counts it: `Failure`, `Error` and `Panicked`.
    ///
    /// `Cancelled` and `Aborted` are no errors, since a client that leaves is no fault of the
    /// service; the time that it waited is in the latency all the same.
    pub fn is_error(self) -> bool {
        matches!(self, Self::Failure | Self::Error | Self::Panicked)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
