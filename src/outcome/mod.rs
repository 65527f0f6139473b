//! How an exchange ended, as it is judged and labelled.

mod ending;
mod status;

use std::fmt;

pub(crate) use self::ending::{Ending, ErrorKind};
pub use self::status::{GrpcStatus, Status};

/// How a request and its response ended; the label `outcome` of the request counters. The
/// [guide](crate::guide::errors#every-end-of-a-request) lists all ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Outcome {
    /// A complete response whose status is not a failure.
    Success,
    /// A complete response whose status is a failure. For a server: from 500 on, since a 4xx is the
    /// client's error. For a client: from 400 on, as in OpenTelemetry. For gRPC:
    /// [`GrpcStatus::is_server_failure`], for a client all but `OK`, and on both sides a call
    /// without a status.
    Failure,
    /// An error of the service or of the response body.
    Error,
    /// Dropped before there was a response: the client left, or a timeout outside the layer fired.
    Cancelled,
    /// Dropped in the middle of the response body. A gRPC call counts as
    /// [`Cancelled`](Self::Cancelled).
    Aborted,
    /// The service panicked, or was dropped while its thread unwound.
    Panicked,
}

impl Outcome {
    pub(crate) const COUNT: usize = 6;

    pub(crate) const ALL: [Self; Self::COUNT] =
        [Self::Success, Self::Failure, Self::Error, Self::Cancelled, Self::Aborted, Self::Panicked];

    /// Returns the value of the label, such as `success`.
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

    /// Returns whether the error ratio counts it: `Failure`, `Error` and `Panicked`.
    ///
    /// `Cancelled` and `Aborted` are not errors, since a client that leaves is not a fault of the
    /// service. The latency still contains the time that it waited.
    pub fn is_error(self) -> bool {
        matches!(self, Self::Failure | Self::Error | Self::Panicked)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
