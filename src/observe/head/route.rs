use std::{borrow::Cow, sync::Arc};

use http::{Extensions, Request};

use super::request::RequestHead;
use crate::operation::OperationId;

/// The route of a request, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Route<'a> {
    Unmatched,
    Template(&'a str),
    /// The operation has already been looked up.
    LookedUp(OperationId),
}

impl<'a> Route<'a> {
    #[inline]
    pub(crate) fn of<B>(request: &'a Request<B>) -> Self {
        Self::by_router(request.extensions())
    }

    /// Returns the route that axum's router matched, if the request has passed through a router.
    #[cfg_attr(not(feature = "axum"), expect(unused_variables, reason = "only axum sets one"))]
    #[inline]
    pub(crate) fn by_router(extensions: &'a Extensions) -> Self {
        #[cfg(feature = "axum")]
        if let Some(path) = extensions.get::<axum::extract::MatchedPath>() {
            return Self::Template(path.as_str());
        }
        Self::Unmatched
    }
}

/// Decides which requests are ignored.
pub(crate) type IgnoreFn = dyn for<'a> Fn(&RequestHead<'a>) -> bool + Send + Sync;

/// Names the route of a request that passed no router.
pub(crate) enum Naming {
    /// Calls the user's closure.
    Closure(Box<RouteFn>),
    /// Matches the path against templates.
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

/// Returns the route of a request; `None` leaves it `unmatched`.
pub(crate) type RouteFn = dyn for<'a> Fn(&RequestHead<'a>) -> Option<Cow<'a, str>> + Send + Sync;
