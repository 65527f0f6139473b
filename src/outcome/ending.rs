use super::Outcome;

/// How an exchange came to its end, as the request path knows it. What it is judged as depends on the
/// status, too, and on whether this side served or called; see [`Outcome`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    Complete,
    Cancelled,
    Aborted,
    Panicked,
    Error(ErrorKind),
}

impl Ending {
    /// A number of its own for each, below 256.
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

    /// The outcome; `is_failure` is what the status says of a response that was complete.
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

/// What kind of error a service or a body gave: the `error_type` label, of which there are only these
/// values, whatever the error's text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(dead_code, reason = "some are told by the clients' errors alone, each with a feature")]
pub enum ErrorKind {
    /// None of the others.
    Other,
    Timeout,
    /// No connection could be made.
    Connect,
    /// The connection, or the stream, was reset or closed before the end.
    ConnectionReset,
    /// A limit shed the call.
    Overloaded,
    /// A body was longer than a layer allows.
    TooLarge,
    /// The request's body or the response's could not be read.
    Body,
    /// What came was not what was expected: no HTTP, or not decodable.
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
