use std::borrow::Cow;

use http::{Extensions, HeaderMap, Response, StatusCode, response::Parts};

use crate::catch_panic::guarded;
use crate::observe::{
    RequestHead,
    exchange::{local, state::ExchangeState},
};

/// Where the values of a label come from.
pub(crate) enum LabelSource {
    Request(Box<RequestLabelFn>),
    Response(Box<ResponseLabelFn>),
    /// The [`Labels`] of a response.
    Handler,
}

/// Gives a label's value for a request, if it has one.
pub(crate) type RequestLabelFn =
    dyn for<'a> Fn(&RequestHead<'a>) -> Option<Cow<'a, str>> + Send + Sync;

/// Gives a label's value for a response, if it has one.
pub(crate) type ResponseLabelFn =
    dyn for<'a> Fn(&ResponseHead<'a>) -> Option<Cow<'a, str>> + Send + Sync;

/// A response without its body, for closures that set labels.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ResponseHead<'a> {
    /// The response's status.
    pub status: StatusCode,
    /// The response's headers.
    pub headers: &'a HeaderMap,
    /// The response's extensions, from the service and the layers inside.
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

/// Label values that only a handler knows. The handler puts them into the extensions of its
/// response. [`handler_label`](crate::LookoutBuilder::handler_label) declares the labels.
///
/// # Examples
///
/// ```
/// use axum::{Extension, response::IntoResponse};
/// use tower_lookout::observe::Labels;
///
/// async fn order() -> impl IntoResponse {
///     (Extension(Labels::new().with("plan", "gold")), "an order")
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Labels(Vec<(&'static str, Cow<'static, str>)>);

impl Labels {
    /// Returns no values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the value of a label. A later value replaces an earlier one. A label that is not
    /// declared is ignored.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().rfind(|(label, _)| *label == name).map(|(_, value)| &**value)
    }
}

/// In the extensions of a response: its request is not counted, if
/// [`unwatched_responses`](crate::LookoutBuilder::unwatched_responses) is set. Until the response's
/// head the request is in flight like any other, and a request that ends before its head counts.
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
#[expect(clippy::exhaustive_structs, reason = "a marker, which users make")]
pub struct IgnoreResponse;

/// The facts of a request with its labels.
pub(crate) fn of_request(facts: ExchangeState, head: &RequestHead<'_>) -> ExchangeState {
    let labels = local::with_core(facts.lookout(), move |core| core.label_request(head));
    labels.map_or(facts, |labels| facts.with_labels(labels))
}

/// The facts of an exchange with the labels of its response; none where the response says that it does
/// not count.
pub(crate) fn of_response(head: &ResponseHead<'_>, facts: ExchangeState) -> Option<ExchangeState> {
    let labels =
        local::with_core(facts.lookout(), move |core| core.label_response(head, facts.labels()));
    match labels {
        Some(Some(labels)) => Some(facts.with_labels(labels)),
        Some(None) => {
            facts.unwatch();
            None
        }
        // The lookout is closed.
        None => Some(facts),
    }
}

/// What a closure of the user's gives: nothing where it panics, since no name or label is worth a request.
pub(crate) fn asked<T>(closure: impl FnOnce() -> Option<T>) -> Option<T> {
    guarded(closure).unwrap_or_default()
}
