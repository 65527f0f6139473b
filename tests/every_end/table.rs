//! The expected counts: one cell for each end and each kind of traffic.

use self::Traffic::*;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    /// The normal end: that of a body of unknown length, gRPC's trailers, or the close of a
    /// WebSocket.
    Complete,
    ExactLength,
    ContentLengthStream,
    Trailers,
    Empty,
    Head,
    HeadOfAStream,
    NoContent,
    NotModified,
    /// A client error: 404 or `NOT_FOUND`.
    CallersStatus,
    /// A server error: 500 or `INTERNAL`.
    FailureStatus,
    TrailersOnly,
    MissingTrailers,
    /// The service returns an error instead of a response. For a client, the connection is refused.
    ServiceError,
    /// The server aborts the body.
    BodyError,
    BodyTimeout,
    ClientLeavesBeforeTheHead,
    /// The client aborts the body.
    ClientLeavesInTheBody,
    /// The client aborts the body of a response with a failure status.
    ClientLeavesInAFailure,
    /// The client reads only the head.
    Unread,
    UnreadFailure,
    Panic,
    PanicInTheBody,
    PanicCaughtInside,
    PanicCaughtOutside,
    TimeoutInside,
    TimeoutOutside,
}

impl End {
    pub(crate) const ALL: [Self; 27] = [
        Self::Complete,
        Self::ExactLength,
        Self::ContentLengthStream,
        Self::Trailers,
        Self::Empty,
        Self::Head,
        Self::HeadOfAStream,
        Self::NoContent,
        Self::NotModified,
        Self::CallersStatus,
        Self::FailureStatus,
        Self::TrailersOnly,
        Self::MissingTrailers,
        Self::ServiceError,
        Self::BodyError,
        Self::BodyTimeout,
        Self::ClientLeavesBeforeTheHead,
        Self::ClientLeavesInTheBody,
        Self::ClientLeavesInAFailure,
        Self::Unread,
        Self::UnreadFailure,
        Self::Panic,
        Self::PanicInTheBody,
        Self::PanicCaughtInside,
        Self::PanicCaughtOutside,
        Self::TimeoutInside,
        Self::TimeoutOutside,
    ];
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Traffic {
    AxumHttp1,
    AxumHttp2,
    HyperHttp1,
    HyperHttp2,
    Sse,
    WebSocket,
    Unary,
    ServerStream,
    ClientStream,
    Bidi,
    Reqwest,
    HyperClient,
    TonicClient,
    TonicStreamClient,
}

impl Traffic {
    pub(crate) const ALL: [Self; 14] = [
        Self::AxumHttp1,
        Self::AxumHttp2,
        Self::HyperHttp1,
        Self::HyperHttp2,
        Self::Sse,
        Self::WebSocket,
        Self::Unary,
        Self::ServerStream,
        Self::ClientStream,
        Self::Bidi,
        Self::Reqwest,
        Self::HyperClient,
        Self::TonicClient,
        Self::TonicStreamClient,
    ];

    pub(crate) fn names(self) -> &'static Names {
        match self {
            AxumHttp1 | AxumHttp2 | HyperHttp1 | HyperHttp2 | Sse | WebSocket => &Names {
                operation: r#"http_route="/case""#,
                status: "http_response_status_code",
                ended: "http_server_requests_total",
                active: "http_server_active_requests",
                duration: "http_server_request_duration_seconds",
                head: "http_server_response_head_duration_seconds",
                stream: "http_server_stream_duration_seconds",
                open: "http_server_active_streams",
            },
            Unary | ServerStream | ClientStream | Bidi => &Names {
                operation: r#"rpc_method="test.Echo/"#,
                status: "rpc_response_status_code",
                ended: "rpc_server_calls_total",
                active: "rpc_server_active_calls",
                duration: "rpc_server_call_duration_seconds",
                head: "rpc_server_response_head_duration_seconds",
                stream: "rpc_server_stream_duration_seconds",
                open: "rpc_server_active_streams",
            },
            Reqwest | HyperClient => &Names {
                operation: r#"dependency="upstream",call="logical""#,
                status: "http_response_status_code",
                ended: "http_client_requests_total",
                active: "http_client_active_requests",
                duration: "http_client_request_duration_seconds",
                head: "http_client_response_head_duration_seconds",
                stream: "http_client_stream_duration_seconds",
                open: "http_client_active_streams",
            },
            TonicClient | TonicStreamClient => &Names {
                operation: r#"dependency="echo",call="logical""#,
                status: "rpc_response_status_code",
                ended: "rpc_client_calls_total",
                active: "rpc_client_active_calls",
                duration: "rpc_client_call_duration_seconds",
                head: "rpc_client_response_head_duration_seconds",
                stream: "rpc_client_stream_duration_seconds",
                open: "rpc_client_active_streams",
            },
        }
    }
}

/// The metrics of a kind of traffic, and their labels.
pub(crate) struct Names {
    pub(crate) operation: &'static str,
    pub(crate) status: &'static str,
    pub(crate) ended: &'static str,
    pub(crate) active: &'static str,
    pub(crate) duration: &'static str,
    pub(crate) head: &'static str,
    pub(crate) stream: &'static str,
    pub(crate) open: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    Counted(Counted),
    /// The end can't occur, for this reason.
    Never(&'static str),
}

/// The counts of one end. An empty label is absent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub(crate) status: &'static str,
    pub(crate) outcome: &'static str,
    pub(crate) error: &'static str,
    pub(crate) has_head: bool,
    pub(crate) is_stream: bool,
}

/// An end after the response's head.
const fn head(status: &'static str, outcome: &'static str, error: &'static str) -> Cell {
    Cell::Counted(Counted { status, outcome, error, has_head: true, is_stream: false })
}

/// An end before the response's head.
const fn none(outcome: &'static str, error: &'static str) -> Cell {
    Cell::Counted(Counted { status: "", outcome, error, has_head: false, is_stream: false })
}

/// A stream, which is also in the histogram of streams.
const fn stream(cell: Cell) -> Cell {
    match cell {
        Cell::Counted(counted) => Cell::Counted(Counted { is_stream: true, ..counted }),
        never @ Cell::Never(_) => never,
    }
}

const SUCCESS: Cell = head("200", "success", "");
const SWITCHED: Cell = stream(head("101", "success", ""));
const OK: Cell = head("OK", "success", "");
const INTERNAL: Cell = head("INTERNAL", "failure", "INTERNAL");
const CANCELLED: Cell = none("cancelled", "cancelled");
const PANICKED: Cell = none("panicked", "panicked");
const TIMED_OUT: Cell = none("error", "timeout");

const NO_LENGTH: Cell = Cell::Never("its body has no length");
const NO_BODY: Cell = Cell::Never("after a 101 there is no body");
const POST: Cell = Cell::Never("gRPC uses only POST and 200");
const GRPC_ALONE: Cell = Cell::Never("only gRPC has its status in trailers");
const AT_ONCE: Cell = Cell::Never("its head and its only message arrive together");
const INFALLIBLE: Cell = Cell::Never("axum's services are infallible");
const STATUS_LAST: Cell = Cell::Never("its status comes after its body");
const UNSEEN: Cell = Cell::Never("a server does not see what its client reads");
const NO_CONDITION: Cell = Cell::Never("clients send no conditional request for it");
const OWN_BODY: Cell = Cell::Never("the client's own body does not panic");
const NO_CATCH: Cell = Cell::Never("nothing catches panics around a client");
const NO_TIMEOUT: Cell = Cell::Never("its body has no timeout of its own");
const THE_NEXT: Cell = Cell::Never("its body has no length: see HeadOfAStream");

/// Returns the expected cell for an end of this traffic.
pub(crate) fn cell(end: End, traffic: Traffic) -> Cell {
    use End::*;
    match end {
        Complete => complete(traffic),
        ExactLength | ContentLengthStream => exact_length(traffic),
        Trailers => trailers(traffic),
        Empty => empty(traffic),
        Head => head_of_known_length(traffic),
        HeadOfAStream => head_of_a_stream(traffic),
        NoContent => no_content(traffic),
        NotModified => not_modified(traffic),
        CallersStatus => callers_status(traffic),
        FailureStatus => failure_status(traffic),
        TrailersOnly => trailers_only(traffic),
        MissingTrailers => missing_trailers(traffic),
        ServiceError => service_error(traffic),
        BodyError => body_error(traffic),
        BodyTimeout => body_timeout(traffic),
        ClientLeavesBeforeTheHead => CANCELLED,
        ClientLeavesInTheBody => client_leaves_in_the_body(traffic),
        ClientLeavesInAFailure => client_leaves_in_a_failure(traffic),
        Unread | UnreadFailure => unread(traffic, end),
        Panic => PANICKED,
        PanicInTheBody => panic_in_the_body(traffic),
        PanicCaughtInside => panic_caught_inside(traffic),
        PanicCaughtOutside => panic_caught_outside(traffic),
        TimeoutInside => timeout_inside(traffic),
        TimeoutOutside => CANCELLED,
    }
}

fn complete(traffic: Traffic) -> Cell {
    match traffic {
        AxumHttp1 | AxumHttp2 | HyperHttp1 | HyperHttp2 => SUCCESS,
        Reqwest | HyperClient => SUCCESS,
        Sse => stream(SUCCESS),
        WebSocket => SWITCHED,
        Unary | ClientStream | TonicClient => OK,
        ServerStream | Bidi | TonicStreamClient => stream(OK),
    }
}

fn exact_length(traffic: Traffic) -> Cell {
    match traffic {
        AxumHttp1 | AxumHttp2 | HyperHttp1 | HyperHttp2 => SUCCESS,
        Reqwest | HyperClient => SUCCESS,
        Sse => NO_LENGTH,
        WebSocket => NO_BODY,
        Unary | ServerStream | ClientStream | Bidi => NO_LENGTH,
        TonicClient | TonicStreamClient => NO_LENGTH,
    }
}

fn trailers(traffic: Traffic) -> Cell {
    match traffic {
        AxumHttp1 | AxumHttp2 | HyperHttp1 | HyperHttp2 => SUCCESS,
        Reqwest | HyperClient => SUCCESS,
        Sse => Cell::Never("axum's events end without trailers"),
        WebSocket => NO_BODY,
        Unary | ClientStream | TonicClient => OK,
        ServerStream | Bidi | TonicStreamClient => stream(OK),
    }
}

fn empty(traffic: Traffic) -> Cell {
    match traffic {
        AxumHttp1 | AxumHttp2 | HyperHttp1 | HyperHttp2 => SUCCESS,
        Reqwest | HyperClient => SUCCESS,
        // The poll for its first event ends the stream, so it was never open.
        Sse => SUCCESS,
        WebSocket => SWITCHED,
        Unary | ClientStream | TonicClient => Cell::Never("its response has exactly one message"),
        ServerStream | Bidi | TonicStreamClient => OK,
    }
}

fn head_of_known_length(traffic: Traffic) -> Cell {
    match traffic {
        AxumHttp1 | AxumHttp2 | HyperHttp1 | HyperHttp2 => SUCCESS,
        Reqwest | HyperClient => SUCCESS,
        Sse => THE_NEXT,
        WebSocket => Cell::Never("a WebSocket is requested by GET or CONNECT"),
        Unary | ServerStream | ClientStream | Bidi => POST,
        TonicClient | TonicStreamClient => POST,
    }
}

fn head_of_a_stream(traffic: Traffic) -> Cell {
    match traffic {
        AxumHttp1 | AxumHttp2 | HyperHttp1 | HyperHttp2 => SUCCESS,
        Reqwest | HyperClient | Sse => SUCCESS,
        WebSocket => Cell::Never("a WebSocket is requested by GET or CONNECT"),
        Unary | ServerStream | ClientStream | Bidi => POST,
        TonicClient | TonicStreamClient => POST,
    }
}

fn no_content(traffic: Traffic) -> Cell {
    match traffic {
        AxumHttp1 | AxumHttp2 | HyperHttp1 | HyperHttp2 => head("204", "success", ""),
        Reqwest | HyperClient => head("204", "success", ""),
        // After a 204, an `EventSource` does not reconnect.
        Sse => head("204", "success", ""),
        WebSocket => NO_BODY,
        Unary | ServerStream | ClientStream | Bidi => POST,
        TonicClient | TonicStreamClient => POST,
    }
}

fn not_modified(traffic: Traffic) -> Cell {
    match traffic {
        AxumHttp1 | AxumHttp2 | HyperHttp1 | HyperHttp2 => head("304", "success", ""),
        Reqwest | HyperClient => head("304", "success", ""),
        Sse | WebSocket => NO_CONDITION,
        Unary | ServerStream | ClientStream | Bidi => POST,
        TonicClient | TonicStreamClient => POST,
    }
}

fn callers_status(traffic: Traffic) -> Cell {
    match traffic {
        AxumHttp1 | AxumHttp2 | HyperHttp1 | HyperHttp2 => head("404", "success", ""),
        Sse | WebSocket => head("404", "success", ""),
        Reqwest | HyperClient => head("404", "failure", "404"),
        Unary | ServerStream | ClientStream | Bidi => head("NOT_FOUND", "success", ""),
        TonicClient | TonicStreamClient => head("NOT_FOUND", "failure", "NOT_FOUND"),
    }
}

fn failure_status(traffic: Traffic) -> Cell {
    match traffic {
        AxumHttp1 | AxumHttp2 | HyperHttp1 | HyperHttp2 => head("500", "failure", "500"),
        Reqwest | HyperClient | Sse | WebSocket => head("500", "failure", "500"),
        Unary | ClientStream | TonicClient => INTERNAL,
        // The status is in the trailers, after two messages.
        ServerStream | Bidi | TonicStreamClient => stream(INTERNAL),
    }
}

fn trailers_only(traffic: Traffic) -> Cell {
    match traffic {
        AxumHttp1 | AxumHttp2 | HyperHttp1 | HyperHttp2 | Sse | WebSocket => GRPC_ALONE,
        Reqwest | HyperClient => GRPC_ALONE,
        Unary | ServerStream | ClientStream | Bidi => INTERNAL,
        TonicClient | TonicStreamClient => INTERNAL,
    }
}

fn missing_trailers(traffic: Traffic) -> Cell {
    match traffic {
        AxumHttp1 | AxumHttp2 | HyperHttp1 | HyperHttp2 | Sse | WebSocket => GRPC_ALONE,
        Reqwest | HyperClient => GRPC_ALONE,
        Unary | ClientStream | TonicClient => head("", "failure", "missing_status"),
        ServerStream | Bidi => stream(head("", "failure", "missing_status")),
        TonicStreamClient => stream(head("", "failure", "missing_status")),
    }
}

fn service_error(traffic: Traffic) -> Cell {
    match traffic {
        AxumHttp1 | AxumHttp2 | Sse | WebSocket => INFALLIBLE,
        HyperHttp1 | HyperHttp2 => none("error", "error"),
        Unary | ServerStream | ClientStream | Bidi => none("error", "error"),
        Reqwest | HyperClient | TonicClient | TonicStreamClient => none("error", "connect"),
    }
}

fn body_error(traffic: Traffic) -> Cell {
    match traffic {
        AxumHttp1 | AxumHttp2 | HyperHttp1 | HyperHttp2 => head("200", "error", "error"),
        Sse => stream(head("200", "error", "error")),
        // The request has ended already. Only the connection breaks off.
        WebSocket => SWITCHED,
        Unary | ServerStream | ClientStream | Bidi => head("", "error", "error"),
        Reqwest | HyperClient => head("200", "error", "connection_reset"),
        TonicClient | TonicStreamClient => head("", "error", "connection_reset"),
    }
}

fn body_timeout(traffic: Traffic) -> Cell {
    match traffic {
        AxumHttp1 | AxumHttp2 | HyperHttp1 | HyperHttp2 => head("200", "error", "timeout"),
        Sse => stream(head("200", "error", "timeout")),
        WebSocket => NO_BODY,
        Unary | ServerStream | ClientStream | Bidi => head("", "error", "timeout"),
        Reqwest => head("200", "error", "timeout"),
        HyperClient | TonicClient | TonicStreamClient => NO_TIMEOUT,
    }
}

fn client_leaves_in_the_body(traffic: Traffic) -> Cell {
    match traffic {
        AxumHttp1 | AxumHttp2 | HyperHttp1 | HyperHttp2 => head("200", "aborted", "aborted"),
        Reqwest | HyperClient => head("200", "aborted", "aborted"),
        Sse => stream(head("200", "aborted", "aborted")),
        WebSocket => SWITCHED,
        Unary | ClientStream | TonicClient => AT_ONCE,
        ServerStream | Bidi | TonicStreamClient => head("", "cancelled", "cancelled"),
    }
}

fn client_leaves_in_a_failure(traffic: Traffic) -> Cell {
    match traffic {
        AxumHttp1 | AxumHttp2 | HyperHttp1 | HyperHttp2 => head("500", "failure", "500"),
        Reqwest | HyperClient => head("500", "failure", "500"),
        Sse | WebSocket => Cell::Never("the same as any HTTP response: see axum"),
        Unary | ServerStream | ClientStream | Bidi => STATUS_LAST,
        TonicClient | TonicStreamClient => STATUS_LAST,
    }
}

fn unread(traffic: Traffic, end: End) -> Cell {
    match traffic {
        AxumHttp1 | AxumHttp2 | HyperHttp1 | HyperHttp2 | Sse | WebSocket => UNSEEN,
        Unary | ServerStream | ClientStream | Bidi => UNSEEN,
        Reqwest | HyperClient if end == End::Unread => SUCCESS,
        Reqwest | HyperClient => head("500", "failure", "500"),
        TonicClient | TonicStreamClient => STATUS_LAST,
    }
}

fn panic_in_the_body(traffic: Traffic) -> Cell {
    match traffic {
        AxumHttp1 | AxumHttp2 | HyperHttp1 | HyperHttp2 => head("200", "panicked", "panicked"),
        Sse => stream(head("200", "panicked", "panicked")),
        WebSocket => SWITCHED,
        Unary | ClientStream => AT_ONCE,
        ServerStream | Bidi => head("", "panicked", "panicked"),
        Reqwest | HyperClient | TonicClient | TonicStreamClient => OWN_BODY,
    }
}

fn panic_caught_inside(traffic: Traffic) -> Cell {
    match traffic {
        AxumHttp1 | AxumHttp2 | HyperHttp1 | HyperHttp2 => head("500", "failure", "500"),
        Sse | WebSocket => head("500", "failure", "500"),
        // The gRPC status of an HTTP 500.
        Unary | ServerStream | ClientStream | Bidi => head("UNKNOWN", "failure", "UNKNOWN"),
        Reqwest | HyperClient | TonicClient | TonicStreamClient => NO_CATCH,
    }
}

fn panic_caught_outside(traffic: Traffic) -> Cell {
    match traffic {
        AxumHttp1 | AxumHttp2 | HyperHttp1 | HyperHttp2 | Sse | WebSocket => PANICKED,
        Unary | ServerStream | ClientStream | Bidi => PANICKED,
        Reqwest | HyperClient | TonicClient | TonicStreamClient => NO_CATCH,
    }
}

fn timeout_inside(traffic: Traffic) -> Cell {
    match traffic {
        // tower-http's timeout returns a response.
        AxumHttp1 | AxumHttp2 | HyperHttp1 | HyperHttp2 => head("408", "success", ""),
        Sse | WebSocket => head("408", "success", ""),
        // tower's timeout returns an error.
        Unary | ServerStream | ClientStream | Bidi => TIMED_OUT,
        Reqwest | HyperClient | TonicClient | TonicStreamClient => TIMED_OUT,
    }
}
