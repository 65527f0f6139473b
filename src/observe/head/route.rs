use std::{borrow::Cow, mem, sync::Arc};

use http::{Extensions, HeaderMap, Method, Request, Uri, Version};

use super::label;
use crate::observe::{
    LookoutId,
    exchange::{local, state::ExchangeState},
};
use crate::operation::{MethodLabel, OperationId};

/// What is known of a request's route.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Route<'a> {
    Unmatched,
    Template(&'a str),
    Looked(OperationId),
}

impl<'a> Route<'a> {
    #[inline]
    pub(crate) fn of<B>(request: &'a Request<B>) -> Self {
        Self::by_router(request.extensions())
    }

    /// By axum's router, if the request has passed through one.
    #[cfg_attr(not(feature = "axum"), expect(unused_variables, reason = "only axum leaves one"))]
    #[inline]
    pub(crate) fn by_router(extensions: &'a Extensions) -> Self {
        #[cfg(feature = "axum")]
        if let Some(path) = extensions.get::<axum::extract::MatchedPath>() {
            return Self::Template(path.as_str());
        }
        Self::Unmatched
    }
}

/// The head of a request, taken out of it for as long as somebody looks into it.
///
/// A reference into the request that is handed on would make the compiler keep a copy of the request,
/// also for those whom nobody looks into.
pub(crate) struct TakenHead {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) extensions: Extensions,
}

impl TakenHead {
    #[inline(always)]
    pub(crate) fn of<B>(request: &mut Request<B>) -> Self {
        Self {
            method: mem::take(request.method_mut()),
            uri: mem::take(request.uri_mut()),
            version: request.version(),
            headers: mem::take(request.headers_mut()),
            extensions: mem::take(request.extensions_mut()),
        }
    }

    #[inline(always)]
    pub(crate) fn give_back<B>(self, request: &mut Request<B>) {
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        *request.extensions_mut() = self.extensions;
    }

    /// As [`RequestHead::is_ignored`].
    pub(crate) fn is_ignored(&self, lookout: LookoutId) -> bool {
        self.as_ref().is_ignored(lookout)
    }

    fn as_ref(&self) -> RequestHead<'_> {
        RequestHead {
            method: &self.method,
            uri: &self.uri,
            version: self.version,
            headers: &self.headers,
            extensions: &self.extensions,
        }
    }

    /// The operation by the user's closure or templates; `None` where that is ignored.
    pub(crate) fn named(&self, lookout: LookoutId, method: MethodLabel) -> Option<Route<'static>> {
        let head = &self.as_ref();
        local::with_core(lookout, move |core| core.named(method, head)).flatten()
    }

    /// The facts of this request, with its labels.
    pub(crate) fn labelled(&self, facts: ExchangeState) -> ExchangeState {
        label::of_request(facts, &self.as_ref())
    }
}

/// Whether a route is one of those that are not watched.
pub(crate) fn is_ignored(lookout: LookoutId, route: &str) -> bool {
    local::with_core(lookout, move |core| core.ignores_route(route)).unwrap_or_default()
}

/// A request without its body, for closures that name routes, set labels or ignore requests, and
/// for observers.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestHead<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The request's target.
    pub uri: &'a Uri,
    /// The HTTP version.
    pub version: Version,
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// The request's extensions, from the layers outside.
    pub extensions: &'a Extensions,
}

impl<'a> RequestHead<'a> {
    pub(crate) fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    /// Whether the user's closure says that it is not watched.
    pub(crate) fn is_ignored(&self, lookout: LookoutId) -> bool {
        local::with_core(lookout, move |core| core.ignores(self)).unwrap_or_default()
    }
}

/// Says which requests are not watched.
pub(crate) type IgnoreFn = dyn for<'a> Fn(&RequestHead<'a>) -> bool + Send + Sync;

/// How a request's route is known that passed no router.
pub(crate) enum Naming {
    /// By the user's closure.
    Closure(Box<RouteFn>),
    /// By the path, which is matched against templates.
    Templates(matchit::Router<Arc<str>>),
}

impl Naming {
    /// Calls `with` with the route, if there is one.
    pub(crate) fn route<R>(
        &self,
        head: &RequestHead<'_>,
        with: impl FnOnce(&str) -> R,
    ) -> Option<R> {
        match self {
            Self::Closure(name) => name(head).map(|route| with(&route)),
            Self::Templates(router) => {
                router.at(head.uri.path()).ok().map(|found| with(found.value))
            }
        }
    }
}

/// Names the route of a request, or leaves it `unmatched`.
pub(crate) type RouteFn = dyn for<'a> Fn(&RequestHead<'a>) -> Option<Cow<'a, str>> + Send + Sync;
