use std::fmt;

use http::StatusCode;

/// The status of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// An HTTP status code.
    Http(StatusCode),
    /// A gRPC status code.
    Grpc(GrpcStatus),
}

impl Status {
    /// Whether the client caused the error: an HTTP 4xx, or a [`GrpcStatus::is_client_error`].
    pub fn is_client_error(self) -> bool {
        match self {
            Self::Http(status) => status.is_client_error(),
            Self::Grpc(status) => status.is_client_error(),
        }
    }
}

/// A gRPC status code, from 0 (`OK`) to 16 (`UNAUTHENTICATED`).
///
/// Its [`Display`](fmt::Display) is its name, such as `DEADLINE_EXCEEDED`. See
/// <https://grpc.io/docs/guides/status-codes/>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GrpcStatus(u8);

const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

impl GrpcStatus {
    /// The call succeeded.
    pub const OK: Self = Self(0);
    /// An unknown error, or a code above 16.
    pub const UNKNOWN: Self = Self(2);
    /// The server does not implement the method.
    pub const UNIMPLEMENTED: Self = Self(12);

    /// Returns the status with this code; [`UNKNOWN`](Self::UNKNOWN) above 16.
    pub fn from_code(code: u8) -> Self {
        if usize::from(code) < NAMES.len() { Self(code) } else { Self::UNKNOWN }
    }

    /// The code.
    pub fn code(self) -> u8 {
        self.0
    }

    /// The name, such as `DEADLINE_EXCEEDED`.
    pub fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }

    /// Whether the server failed, by OpenTelemetry's convention: `UNKNOWN`, `DEADLINE_EXCEEDED`,
    /// `UNIMPLEMENTED`, `INTERNAL`, `UNAVAILABLE` and `DATA_LOSS`. For a client, every status but
    /// `OK` is a failure.
    pub fn is_server_failure(self) -> bool {
        matches!(self.0, 2 | 4 | 12 | 13 | 14 | 15)
    }

    /// Whether the client caused the error, like an HTTP 4xx: `INVALID_ARGUMENT`, `NOT_FOUND`,
    /// `ALREADY_EXISTS`, `PERMISSION_DENIED`, `RESOURCE_EXHAUSTED`, `FAILED_PRECONDITION`,
    /// `ABORTED`, `OUT_OF_RANGE` and `UNAUTHENTICATED`.
    pub fn is_client_error(self) -> bool {
        matches!(self.0, 3 | 5..=11 | 16)
    }

    /// Parses a `grpc-status` header; [`UNKNOWN`](Self::UNKNOWN) if it is not a number.
    pub(crate) fn parse(value: &[u8]) -> Self {
        match *value {
            [ones @ b'0'..=b'9'] => Self::from_code(ones - b'0'),
            [b'1', ones @ b'0'..=b'9'] => Self::from_code(10 + ones - b'0'),
            _ => Self::UNKNOWN,
        }
    }

    /// The gRPC status that a client infers from the HTTP status of a response without one.
    ///
    /// <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>
    pub(crate) fn of_http(status: StatusCode) -> Self {
        Self(match status.as_u16() {
            400 => 13,
            401 => 16,
            403 => 7,
            404 => 12,
            429 | 502 | 503 | 504 => 14,
            _ => 2,
        })
    }
}

impl fmt::Display for GrpcStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
