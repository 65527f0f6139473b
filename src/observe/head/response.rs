use http::{Extensions, HeaderMap, Response, StatusCode, response::Parts};

/// A response without its body, for closures and observers.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ResponseHead<'a> {
    /// The response's status.
    pub status: StatusCode,
    /// The response's headers.
    pub headers: &'a HeaderMap,
    /// The response's extensions, set by the service and the layers inside.
    pub extensions: &'a Extensions,
}

impl<'a> ResponseHead<'a> {
    pub(crate) fn of<B>(response: &'a Response<B>) -> Self {
        Self {
            status: response.status(),
            headers: response.headers(),
            extensions: response.extensions(),
        }
    }

    pub(crate) fn of_parts(parts: &'a Parts) -> Self {
        Self { status: parts.status, headers: &parts.headers, extensions: &parts.extensions }
    }
}

/// A response extension that excludes the request from all metrics and rules.
///
/// It takes effect with the response's head, and only if
/// [`unwatched_responses`](crate::LookoutBuilder::unwatched_responses) is set. Until then the
/// request counts as in flight. A request that ends before its response's head is counted.
///
/// # Examples
///
/// ```
/// use axum::{Extension, response::IntoResponse};
/// use tower_lookout::observe::IgnoreResponse;
///
/// async fn healthz() -> impl IntoResponse {
///     (Extension(IgnoreResponse), "ok")
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a marker, which users construct")]
pub struct IgnoreResponse;
