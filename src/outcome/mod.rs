//! How an exchange ended, as it is judged and labelled.

mod ending;
mod status;

use std::fmt;

pub(crate) use self::ending::{Ending, ErrorKind};
pub use self::status::{GrpcStatus, Status};

/// How a request with its response ended; the `outcome` label of the counters of requests and calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Outcome {
    /// A complete response that is no failure.
    Success,
    /// A complete response whose status is a failure: on a server from 500 on, since a 4xx is the
    /// client's error, to a client from 400 on, as OpenTelemetry has it; of gRPC by
    /// [`GrpcStatus::is_server_failure`], to a client all but `OK`, and on both sides a call whose
    /// status is missing.
    Failure,
    /// The service or the response body gave an error.
    Error,
    /// Dropped before there was a response: the client left, or a timeout outside the layer fired.
    Cancelled,
    /// Dropped in the middle of the response body; a gRPC call that is dropped counts as
    /// [`Cancelled`](Self::Cancelled).
    Aborted,
    /// The service panicked, or it was dropped while its thread unwound.
    Panicked,
}

impl Outcome {
    pub(crate) const COUNT: usize = 6;

    pub(crate) const ALL: [Self; Self::COUNT] =
        [Self::Success, Self::Failure, Self::Error, Self::Cancelled, Self::Aborted, Self::Panicked];

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
