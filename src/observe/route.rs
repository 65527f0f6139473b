use std::{borrow::Cow, mem};

use http::{Extensions, HeaderMap, Method, Request, Uri};

use super::{LookoutId, local};
use crate::operation::{MethodLabel, OperationId};

/// What is known of a request's route.
#[derive(Clone, Copy, Debug)]
pub(super) enum Route<'a> {
    Unmatched,
    Template(&'a str),
    Looked(OperationId),
}

impl<'a> Route<'a> {
    /// By axum's router, if it has passed through one.
    #[cfg_attr(not(feature = "axum"), expect(unused_variables, reason = "only axum leaves one"))]
    #[inline]
    pub(super) fn of<B>(request: &'a Request<B>) -> Self {
        #[cfg(feature = "axum")]
        if let Some(path) = request.extensions().get::<axum::extract::MatchedPath>() {
            return Self::Template(path.as_str());
        }
        Self::Unmatched
    }
}

/// The head of a request, taken out of it for as long as the user's closure reads it.
///
/// A reference into the request would make the compiler keep a copy of it for those without a
/// closure, too.
pub(super) struct TakenHead {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    extensions: Extensions,
}

impl TakenHead {
    #[inline(always)]
    pub(super) fn of<B>(request: &mut Request<B>) -> Self {
        Self {
            method: mem::take(request.method_mut()),
            uri: mem::take(request.uri_mut()),
            headers: mem::take(request.headers_mut()),
            extensions: mem::take(request.extensions_mut()),
        }
    }

    #[inline(always)]
    pub(super) fn give_back<B>(self, request: &mut Request<B>) {
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        *request.extensions_mut() = self.extensions;
    }

    /// The operation by the user's closure.
    #[inline(never)]
    pub(super) fn named(
        self,
        lookout: LookoutId,
        method: MethodLabel,
    ) -> (Self, Option<OperationId>) {
        let head = &RequestHead {
            method: &self.method,
            uri: &self.uri,
            headers: &self.headers,
            extensions: &self.extensions,
        };
        let named = local::with(lookout, move |core, _| core.named(method, head)).flatten();
        (self, named)
    }
}

/// What a closure may tell a route from: the request without its body.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestHead<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The request's target.
    pub uri: &'a Uri,
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// What the layers outside put into the request.
    pub extensions: &'a Extensions,
}

/// Names the route of a request, or leaves it `unmatched`.
pub(crate) type RouteFn = dyn for<'a> Fn(&RequestHead<'a>) -> Option<Cow<'a, str>> + Send + Sync;
