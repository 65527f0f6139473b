//! The outcome, status and error type of an exchange.

mod ending;
mod status;

use std::fmt;

pub(crate) use self::ending::{Ending, ErrorKind};
pub use self::status::{GrpcStatus, Status};

/// The outcome of a request or a call: the value of the `outcome` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Outcome {
    /// A complete response whose status is not a failure.
    Success,
    /// A complete response whose status is a failure by OpenTelemetry's convention.
    ///
    /// For HTTP, that is a status of at least 500 on a server, and of at least 400 on a client. For
    /// gRPC, it is [`GrpcStatus::is_server_failure`] on a server, any status but `OK` on a client,
    /// and a missing status on both.
    Failure,
    /// The service or the response body returned an error.
    Error,
    /// Dropped before the response: the client disconnected, or a timeout outside the layer
    /// expired.
    Cancelled,
    /// Dropped before the end of the response body. A dropped gRPC call is
    /// [`Cancelled`](Self::Cancelled) instead.
    Aborted,
    /// The service panicked, or a panic on its thread dropped the request.
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
    /// `Cancelled` and `Aborted` are not errors, since a client may disconnect for its own reasons.
    /// Their durations still count towards the latency.
    pub fn is_error(self) -> bool {
        matches!(self, Self::Failure | Self::Error | Self::Panicked)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
