use std::borrow::Cow;

use super::{request::RequestHead, response::ResponseHead};
use crate::catch_panic::guarded;

/// The source of a label's values.
pub(crate) enum LabelSource {
    Request(Box<RequestLabelFn>),
    Response(Box<ResponseLabelFn>),
    /// The [`Labels`] of a response.
    Handler,
}

/// Returns a label's value for a request, if it has one.
pub(crate) type RequestLabelFn =
    dyn for<'a> Fn(&RequestHead<'a>) -> Option<Cow<'a, str>> + Send + Sync;

/// Returns a label's value for a response, if it has one.
pub(crate) type ResponseLabelFn =
    dyn for<'a> Fn(&ResponseHead<'a>) -> Option<Cow<'a, str>> + Send + Sync;

/// Label values that a handler sets, in the extensions of its response.
///
/// Only labels that are declared with [`handler_label`](crate::LookoutBuilder::handler_label) are
/// recorded.
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
    /// Creates an empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the value of a label. The last value wins; a label that is not declared is dropped.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().rfind(|(label, _)| *label == name).map(|(_, value)| &**value)
    }
}

/// Calls a user's closure. Returns `None` if it panics, since a missing route or label must not
/// fail the request.
pub(crate) fn call_user<T>(closure: impl FnOnce() -> Option<T>) -> Option<T> {
    guarded(closure).unwrap_or_default()
}
