//! The access log: an [`Observer`] that writes a line for each request, as an event of `tracing`.

mod head;
mod json;
mod ncsa;
mod text;

use std::{borrow::Cow, fmt};

use http::HeaderName;
use tracing::Level;

pub(crate) use self::text::JsonString;
use self::{head::Head, json::Json, ncsa::Ncsa};
use crate::observe::{Finished, Observer, RequestHead};
use crate::outcome::Status;

/// Emits one `tracing` event for each request that has ended, in any way. For
/// [`LookoutLayer::observer`](crate::observe::LookoutLayer::observer).
///
/// The events have the level `INFO` and the target [`tower_lookout::access`](Self::TARGET), and are
/// in no span. The line is the message. The fields `request_id`, `trace_id` and `grpc_status` exist
/// if the request has them, so that a line in NCSA's format stays as tools expect it. If a filter
/// disables the target, the log keeps nothing of a request.
///
/// - The time is the arrival of the request, in UTC. The path is the one that the layer sees;
///   inside axum's `nest` it has no prefix.
/// - The request ID is the header `x-request-id`. The trace ID is that of a valid
///   [`traceparent`](https://www.w3.org/TR/trace-context/#traceparent-header) of version 00. Both
///   are read when the request arrives at the layer.
/// - The size is the number of body bytes that were sent.
/// - The log has a line for each request that the lookout watches, for as long as the lookout runs.
/// - A request without a response (cancelled, or ended with an error or a panic) has no status.
/// - Text from clients cannot break a line: lines are printable ASCII, with the rest escaped. A
///   value is cut after 1,024 bytes, and then ends in `...`.
///
/// # Examples
///
/// With the address of the client:
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
/// Print only the lines to standard output, and all other events to standard error:
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
    form: Form,
    with_query: bool,
    request_id_header: HeaderName,
    remote_addr: Option<Box<RemoteAddrFn>>,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Common,
    Combined,
    Json,
}

/// Says who sent a request.
type RemoteAddrFn = dyn for<'a> Fn(&RequestHead<'a>) -> Option<Cow<'a, str>> + Send + Sync;

impl AccessLog {
    /// The target of the events, to filter them by.
    pub const TARGET: &'static str = "tower_lookout::access";

    /// NCSA's Common Log Format.
    ///
    /// ```text
    /// 192.0.2.7 - - [10/Oct/2000:13:55:36 +0000] "GET /orders/7 HTTP/1.1" 200 2326
    /// ```
    ///
    /// What is not known is `-`: the client without [`remote_addr`](Self::remote_addr), the status
    /// without a response, the size of an empty body, and always the two fields for users. Quotes and
    /// backslashes have a backslash before them, what is not printable ASCII is `\xhh`, as Apache
    /// has it. The status of a gRPC call is 200, as HTTP's is; gRPC's own is the event's field
    /// `grpc_status`, such as `NOT_FOUND`.
    pub fn common() -> Self {
        Self::new(Form::Common)
    }

    /// NCSA's Combined Log Format: [`common`](Self::common), with the headers `Referer` and
    /// `User-Agent`.
    ///
    /// ```text
    /// 192.0.2.7 - - [10/Oct/2000:13:55:36 +0000] "GET /orders/7 HTTP/1.1" 200 2326 "https://shop.example/" "curl/8.5.0"
    /// ```
    pub fn combined() -> Self {
        Self::new(Form::Combined)
    }

    /// A JSON object, here with line breaks that it does not have.
    ///
    /// ```text
    /// {"time":"2000-10-10T13:55:36.250Z","remote_addr":"192.0.2.7",
    ///  "method":"GET","path":"/orders/7","version":"HTTP/1.1","route":"/orders/{id}",
    ///  "status":200,"grpc_status":null,"outcome":"success","duration_ms":12.345,
    ///  "request_bytes":0,"response_bytes":2326,"referer":null,"user_agent":"curl/8.5.0",
    ///  "request_id":"7b1c","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}
    /// ```
    ///
    /// All keys are always there, and `null` where nothing is known. `route` is
    /// [`Operation::route`](crate::Operation::route), `outcome` an [`Outcome`](crate::Outcome). A gRPC
    /// call has no `status`. Bytes that are no UTF-8 are U+FFFD.
    pub fn json() -> Self {
        Self::new(Form::Json)
    }

    fn new(form: Form) -> Self {
        Self {
            form,
            with_query: false,
            request_id_header: HeaderName::from_static("x-request-id"),
            remote_addr: None,
        }
    }

    /// Whether the queries of the request and of its `Referer` are written. They may hold secrets, such
    /// as tokens. Defaults to false.
    pub fn with_query(mut self, with_query: bool) -> Self {
        self.with_query = with_query;
        self
    }

    /// The header that has the request's id. Defaults to `x-request-id`.
    pub fn request_id_header(mut self, header: HeaderName) -> Self {
        self.request_id_header = header;
        self
    }

    /// Who sent the request. Defaults to not known, since a request itself does not say: see
    /// [above](Self#examples) for axum.
    ///
    /// # Examples
    ///
    /// Behind one proxy of your own that adds to `X-Forwarded-For`. The last address there is the
    /// proxy's word; all before it is what the client says, and without such a proxy the last is, too.
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
    type Kept = Option<Head>;

    fn begun(&self, head: &RequestHead<'_>) -> Option<Head> {
        tracing::enabled!(target: AccessLog::TARGET, Level::INFO).then(|| Head::of(self, head))
    }

    fn finished(&self, head: Option<Head>, finished: &Finished<'_>) {
        let Some(head) = &head else { return };
        match self.form {
            Form::Common => write(head, finished, Ncsa { head, finished, is_combined: false }),
            Form::Combined => write(head, finished, Ncsa { head, finished, is_combined: true }),
            Form::Json => write(head, finished, Json { head, finished }),
        }
    }
}

fn write(head: &Head, finished: &Finished<'_>, line: impl fmt::Display) {
    let request_id = head.request_id.as_ref().map(|id| id.quotable().to_string());
    tracing::info!(
        target: AccessLog::TARGET,
        parent: None,
        request_id = request_id.as_deref(),
        trace_id = head.trace_id.as_deref(),
        grpc_status = grpc_status(finished),
        "{line}"
    );
}

fn grpc_status(finished: &Finished<'_>) -> Option<&'static str> {
    match finished.status {
        Some(Status::Grpc(status)) => Some(status.name()),
        Some(Status::Http(_)) | None => None,
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog")
            .field("form", &self.form)
            .field("with_query", &self.with_query)
            .field("request_id_header", &self.request_id_header)
            .field("remote_addr", &self.remote_addr.is_some())
            .finish()
    }
}
