use super::Outcome;

/// The end of an exchange on the request path. The [`Outcome`] also depends on the status, and on
/// whether this process is the server or the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    Complete,
    Cancelled,
    Aborted,
    Panicked,
    Error(ErrorKind),
}

impl Ending {
    /// A distinct number below 256.
    #[inline]
    pub(crate) fn code(self) -> u32 {
        match self {
            Self::Complete => 0,
            Self::Cancelled => 1,
            Self::Aborted => 2,
            Self::Panicked => 3,
            Self::Error(kind) => 4 + kind as u32,
        }
    }

    /// The outcome. `is_failure` states whether the status of a complete response is a failure.
    pub(crate) fn outcome(self, is_failure: bool) -> Outcome {
        match self {
            Self::Complete if is_failure => Outcome::Failure,
            Self::Complete => Outcome::Success,
            Self::Cancelled => Outcome::Cancelled,
            Self::Aborted => Outcome::Aborted,
            Self::Panicked => Outcome::Panicked,
            Self::Error(_) => Outcome::Error,
        }
    }
}

/// The kind of an error of a service or a body: the value of the `error_type` label, which has no
/// other values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(dead_code, reason = "some need a client's feature")]
pub enum ErrorKind {
    /// An error of no other kind.
    Other,
    Timeout,
    /// A connection could not be established.
    Connect,
    /// The connection, or the stream, was reset or closed before the end.
    ConnectionReset,
    /// A load shed or limit rejected the call.
    Overloaded,
    /// A body exceeded a layer's limit.
    TooLarge,
    /// The request's or the response's body could not be read.
    Body,
    /// The peer sent invalid HTTP, or a body that can't be decoded.
    Decode,
    Redirect,
    Cancelled,
}

impl ErrorKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Other => "error",
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::ConnectionReset => "connection_reset",
            Self::Overloaded => "overloaded",
            Self::TooLarge => "too_large",
            Self::Body => "body",
            Self::Decode => "decode",
            Self::Redirect => "redirect",
            Self::Cancelled => "cancelled",
        }
    }
}
