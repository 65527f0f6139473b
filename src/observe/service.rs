use std::{
    mem,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    LookoutId, ResponseBody, ResponseFuture,
    body::BodyRule,
    exchange::Exchange,
    route::{Route, TakenHead},
};
use crate::operation::MethodLabel;

/// A service whose requests are watched; made by a [`LookoutLayer`](super::LookoutLayer).
///
/// Request and error stay as they are, the response's body becomes a [`ResponseBody`].
#[derive(Clone, Copy, Debug)]
pub struct Watched<S> {
    inner: S,
    lookout: LookoutId,
    names_routes: bool,
}

impl<S> Watched<S> {
    pub(super) fn new(inner: S, lookout: LookoutId, names_routes: bool) -> Self {
        Self { inner, lookout, names_routes }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Watched<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Body,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let method = MethodLabel::of(request.method());
        let mut route = Route::of(&request);
        if self.names_routes && matches!(route, Route::Unmatched) {
            let head = TakenHead::of(&mut request);
            let (head, named) = head.named(self.lookout, method);
            head.give_back(&mut request);
            route = named.map_or(Route::Unmatched, Route::Looked);
        }
        let facts = Exchange::begin(self.lookout, method, route);
        // Ends the exchange if `call` panics.
        let guard = facts.map(Exchange);
        // Made in place: a future may be large to move.
        ResponseFuture {
            inner: self.inner.call(request),
            exchange: {
                mem::forget(guard);
                facts.map(Exchange)
            },
            rule: BodyRule::of(method),
        }
    }
}
