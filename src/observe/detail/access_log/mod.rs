//! The access log: an [`Observer`] that emits one `tracing` event for each request.

mod head;
mod json;
mod ncsa;
mod text;

use std::{borrow::Cow, fmt};

use http::HeaderName;
use tracing::Level;

pub(crate) use self::text::JsonString;
use self::{head::Head, json::Json, ncsa::Ncsa};
use crate::observe::{Observer, RequestEnd, RequestHead};
use crate::outcome::Status;

/// Logs each request when it ends, as a `tracing` event. Add it with
/// [`LookoutLayer::observer`](crate::observe::LookoutLayer::observer).
///
/// The events have the level `INFO`, the target [`tower_lookout::access`](Self::TARGET) and no
/// span. The message is the line. The fields `request_id`, `trace_id` and `grpc_status` are
/// separate, so that an NCSA line stays in the standard format; they are set if the request has
/// them. If a filter disables the target, the log keeps no data of a request.
///
/// - The time is the arrival of the request, in UTC. The path is the one that the layer sees:
///   inside axum's `nest`, without the prefix.
/// - The request id is the header `x-request-id`. The trace id is that of a valid
///   [`traceparent`](https://www.w3.org/TR/trace-context/#traceparent-header) of version 00. The
///   log reads both when the request reaches the layer.
/// - The response's bytes are the bytes of its body that were sent.
/// - Ignored requests, and requests after the lookout's shutdown, are not logged.
/// - A request without a response (cancelled, error, panic) has no status.
/// - Lines are printable ASCII; other bytes are escaped, so a client can't forge a line. A value
///   longer than 1,024 bytes is cut, and ends in `...`.
///
/// # Examples
///
/// Logs the client's address in axum:
///
/// ```no_run
/// use std::net::SocketAddr;
/// use axum::{Router, extract::ConnectInfo, routing::get};
/// use tower_lookout::{Lookout, observe::AccessLog};
///
/// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// let lookout = Lookout::builder().start()?;
/// let access_log = AccessLog::combined().remote_addr(|head| {
///     let ConnectInfo(peer) = head.extensions.get::<ConnectInfo<SocketAddr>>()?;
///     Some(peer.ip().to_string().into())
/// });
/// let app = Router::new()
///     .route("/orders/{id}", get(|| async { "an order" }))
///     .layer(lookout.layer().observer(access_log));
/// # let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
/// axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
/// # Ok(())
/// # }
/// ```
///
/// Writes the access log to standard output, and all other events to standard error:
///
/// ```
/// use tower_lookout::observe::AccessLog;
/// use tracing_subscriber::{filter::filter_fn, fmt, prelude::*};
///
/// let lines = fmt::layer()
///     .without_time()
///     .with_level(false)
///     .with_target(false)
///     .fmt_fields(fmt::format::debug_fn(|writer, field, value| match field.name() {
///         "message" => write!(writer, "{value:?}"),
///         _ => Ok(()),
///     }))
///     .with_filter(filter_fn(|event| event.target() == AccessLog::TARGET));
/// let rest = fmt::layer()
///     .with_writer(std::io::stderr)
///     .with_filter(filter_fn(|event| event.target() != AccessLog::TARGET));
/// tracing_subscriber::registry().with(lines).with(rest).init();
/// ```
#[doc(alias("logging", "apache", "nginx"))]
#[must_use = "an access log does nothing until a layer has it"]
pub struct AccessLog {
    format: Format,
    with_query: bool,
    request_id_header: HeaderName,
    remote_addr: Option<Box<RemoteAddrFn>>,
}

#[derive(Clone, Copy, Debug)]
enum Format {
    Common,
    Combined,
    Json,
}

/// Returns the address of a request's sender.
type RemoteAddrFn = dyn for<'a> Fn(&RequestHead<'a>) -> Option<Cow<'a, str>> + Send + Sync;

impl AccessLog {
    /// The target of the events, for filters.
    pub const TARGET: &'static str = "tower_lookout::access";

    /// Logs in NCSA's Common Log Format.
    ///
    /// ```text
    /// 192.0.2.7 - - [10/Oct/2000:13:55:36 +0000] "GET /orders/7 HTTP/1.1" 200 2326
    /// ```
    ///
    /// Unknown values are `-`: the client without [`remote_addr`](Self::remote_addr), the status
    /// without a response, the size of an empty body, and always the two user fields. Values are
    /// escaped as in Apache: a backslash before quotes and backslashes, `\xhh` for bytes that are
    /// not printable ASCII. A gRPC call has the HTTP status 200; the event's field `grpc_status`
    /// holds its gRPC status, such as `NOT_FOUND`.
    pub fn common() -> Self {
        Self::new(Format::Common)
    }

    /// Logs in NCSA's Combined Log Format: [`common`](Self::common) plus the headers `Referer` and
    /// `User-Agent`.
    ///
    /// ```text
    /// 192.0.2.7 - - [10/Oct/2000:13:55:36 +0000] "GET /orders/7 HTTP/1.1" 200 2326 "https://shop.example/" "curl/8.5.0"
    /// ```
    pub fn combined() -> Self {
        Self::new(Format::Combined)
    }

    /// Logs a JSON object on one line, shown here on several.
    ///
    /// ```text
    /// {"time":"2000-10-10T13:55:36.250Z","remote_addr":"192.0.2.7",
    ///  "method":"GET","path":"/orders/7","version":"HTTP/1.1","route":"/orders/{id}",
    ///  "status":200,"grpc_status":null,"outcome":"success","duration_ms":12.345,
    ///  "request_bytes":0,"response_bytes":2326,"referer":null,"user_agent":"curl/8.5.0",
    ///  "request_id":"7b1c","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}
    /// ```
    ///
    /// All keys are always present; unknown values are `null`. `route` is
    /// [`Operation::route`](crate::Operation::route), `outcome` is an [`Outcome`](crate::Outcome).
    /// A gRPC call has no `status`. Invalid UTF-8 becomes U+FFFD.
    pub fn json() -> Self {
        Self::new(Format::Json)
    }

    fn new(format: Format) -> Self {
        Self {
            format,
            with_query: false,
            request_id_header: HeaderName::from_static("x-request-id"),
            remote_addr: None,
        }
    }

    /// Logs the query strings of the request and of its `Referer`. They may contain secrets, such
    /// as tokens. Defaults to off.
    pub fn with_query(mut self) -> Self {
        self.with_query = true;
        self
    }

    /// Sets the header that holds the request id. Defaults to `x-request-id`.
    pub fn request_id_header(mut self, header: HeaderName) -> Self {
        self.request_id_header = header;
        self
    }

    /// Sets the closure that returns the client's address. Defaults to none, since an HTTP request
    /// does not contain it; see [above](Self#examples) for axum.
    ///
    /// # Examples
    ///
    /// Behind one proxy of your own that appends to `X-Forwarded-For`, use the last address, since
    /// only that one comes from the proxy. A client can forge the addresses before it, and without
    /// such a proxy the last one, too.
    ///
    /// ```
    /// use tower_lookout::observe::AccessLog;
    ///
    /// let access_log = AccessLog::combined().remote_addr(|head| {
    ///     let lines = head.headers.get_all("x-forwarded-for");
    ///     let last = lines.iter().next_back()?.to_str().ok()?.rsplit(',').next()?;
    ///     Some(last.trim().into())
    /// });
    /// ```
    pub fn remote_addr(
        mut self,
        remote_addr: impl for<'a> Fn(&RequestHead<'a>) -> Option<Cow<'a, str>> + Send + Sync + 'static,
    ) -> Self {
        self.remote_addr = Some(Box::new(remote_addr));
        self
    }
}

impl Observer for AccessLog {
    type State = Option<Head>;

    fn on_request(&self, head: &RequestHead<'_>) -> Option<Head> {
        tracing::enabled!(target: AccessLog::TARGET, Level::INFO).then(|| Head::of(self, head))
    }

    fn on_end(&self, head: Option<Head>, end: &RequestEnd<'_>) {
        let Some(head) = &head else { return };
        match self.format {
            Format::Common => write(head, end, Ncsa { head, end, is_combined: false }),
            Format::Combined => write(head, end, Ncsa { head, end, is_combined: true }),
            Format::Json => write(head, end, Json { head, end }),
        }
    }
}

fn write(head: &Head, end: &RequestEnd<'_>, line: impl fmt::Display) {
    let request_id = head.request_id.as_ref().map(|id| id.quotable().to_string());
    tracing::info!(
        target: AccessLog::TARGET,
        parent: None,
        request_id = request_id.as_deref(),
        trace_id = head.trace_id.as_deref(),
        grpc_status = grpc_status(end),
        "{line}"
    );
}

fn grpc_status(end: &RequestEnd<'_>) -> Option<&'static str> {
    match end.status {
        Some(Status::Grpc(status)) => Some(status.name()),
        Some(Status::Http(_)) | None => None,
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog")
            .field("format", &self.format)
            .field("with_query", &self.with_query)
            .field("request_id_header", &self.request_id_header)
            .field("remote_addr", &self.remote_addr.is_some())
            .finish()
    }
}
