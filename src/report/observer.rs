use http::{HeaderMap, HeaderValue, Method, header::HeaderName};

use super::{MAX_NAME_CHARS, Report, Reporter};
use crate::{
    observe::{Observer, RequestEnd, RequestHead, ResponseHead},
    text::short,
};

/// The data of a request that a report in the response needs.
#[derive(Debug)]
pub struct PendingRequest {
    method: Method,
    ids: HeaderMap,
    report: Option<Report>,
}

/// As an observer of a layer, the reporter sends the [`Report`] in a response's extensions, with
/// the request's method, route and ids. An error type that becomes a response then needs no
/// reporter. Each operation is a separate alert, unless [`Report::grouped_by`] sets another key.
///
/// # Examples
///
/// ```
/// use axum::{Extension, Router, http::StatusCode, response::{IntoResponse, Response}, routing::post};
/// use tower_lookout::{Lookout, Report};
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("the order was not stored")]
/// struct NotStored(#[from] std::io::Error);
///
/// impl IntoResponse for NotStored {
///     fn into_response(self) -> Response {
///         let report = Extension(Report::of(&self));
///         (StatusCode::INTERNAL_SERVER_ERROR, report, "try again later").into_response()
///     }
/// }
///
/// async fn create() -> Result<(), NotStored> {
///     std::fs::write("/no/such/folder/order", "4711")?;
///     Ok(())
/// }
///
/// let lookout = Lookout::builder().start()?;
/// let app: Router = Router::new()
///     .route("/orders", post(create))
///     .layer(lookout.layer().observer(lookout.reporter()));
/// # Ok::<_, tower_lookout::StartError>(())
/// ```
impl Observer for Reporter {
    type State = PendingRequest;

    fn on_request(&self, head: &RequestHead<'_>) -> PendingRequest {
        let id = |name| {
            let value: &HeaderValue = head.headers.get(name)?;
            Some((HeaderName::from_static(name), value.clone()))
        };
        let ids = ["x-request-id", "traceparent"].into_iter().filter_map(id).collect();
        PendingRequest { method: head.method.clone(), ids, report: None }
    }

    fn on_response(&self, pending: &mut PendingRequest, head: &ResponseHead<'_>) {
        pending.report = head.extensions.get::<Report>().cloned();
    }

    fn on_end(&self, pending: PendingRequest, end: &RequestEnd<'_>) {
        let PendingRequest { method, ids, report } = pending;
        if let Some(mut report) = report {
            let operation = end.operation;
            // All errors of a type share a call site, so the operation separates their alerts.
            report.group.get_or_insert_with(|| short(operation.to_string().into(), MAX_NAME_CHARS));
            self.send(report.of_request(&method, Some(operation.route()), &ids));
        }
    }
}
