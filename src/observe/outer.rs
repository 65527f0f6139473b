//! Around a whole router no route is known: the router's inside hands it out, through a slot that the
//! layer outside puts into the request.

use std::{
    mem,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    Entrance, Http, ResponseBody, body::BodyRule, error_kind::kind_of, exchange::Exchange,
    facts::Facts, route::Route,
};
use crate::{operation::MethodLabel, outcome::Ending};

/// Where the inside says which route a request took.
#[derive(Clone, Debug)]
struct Slot(Arc<Mutex<Facts>>);

impl Slot {
    fn facts(&self) -> Facts {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_route(&self, entrance: Entrance, method: MethodLabel, route: Route<'_>) {
        let mut facts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if facts.lookout() == entrance.lookout {
            *facts = facts.of_route(method, route);
        }
    }
}

/// Watches what stands around a router, such as its 404s, CORS, authentication and timeouts; made by
/// [`Lookout::outer_layer`](crate::Lookout::outer_layer).
#[derive(Clone, Copy, Debug)]
pub struct OuterLayer(pub(crate) Entrance);

/// Tells an [`OuterLayer`] which route a request took; made by
/// [`Lookout::route_layer`](crate::Lookout::route_layer).
#[derive(Clone, Copy, Debug)]
pub struct RouteLayer(pub(crate) Entrance);

/// A service of an [`OuterLayer`].
#[derive(Clone, Debug)]
pub struct Outer<S> {
    inner: S,
    entrance: Entrance,
}

/// A service of a [`RouteLayer`].
#[derive(Clone, Debug)]
pub struct Routed<S> {
    inner: S,
    entrance: Entrance,
}

impl<S> Layer<S> for OuterLayer {
    type Service = Outer<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Outer { inner, entrance: self.0 }
    }
}

impl<S> Layer<S> for RouteLayer {
    type Service = Routed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Routed { inner, entrance: self.0 }
    }
}

pin_project! {
    /// The future of an [`Outer`] service.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct OuterFuture<F> {
        #[pin]
        inner: F,
        alive: Alive,
        rule: BodyRule,
    }
}

/// An exchange whose route may still come.
#[derive(Debug)]
struct Alive(Option<Slot>);

impl Alive {
    fn take(&mut self) -> Option<Exchange> {
        self.0.take().map(|slot| Exchange(slot.facts()))
    }
}

/// Dropped before its response, or by an unwinding: the exchange ends so.
impl Drop for Alive {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Outer<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>, Error: 'static>,
    ResBody: Body,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = OuterFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let method = MethodLabel::of(request.method());
        let facts = self.entrance.enter::<Http, _>(method, &mut request);
        let slot = facts.map(|facts| Slot(Arc::new(Mutex::new(facts))));
        let alive = Alive(slot.clone());
        if let Some(slot) = slot {
            request.extensions_mut().insert(slot);
        }
        OuterFuture { inner: self.inner.call(request), alive, rule: BodyRule::of(method) }
    }
}

impl<F, B, E> Future for OuterFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    E: 'static,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let inside = Inside(this.alive);
        let polled = this.inner.poll(cx);
        mem::forget(inside);
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(response)) => {
                let exchange = &mut this.alive.take();
                Poll::Ready(Ok(ResponseBody::wrap::<Http>(response, exchange, *this.rule)))
            }
            Poll::Ready(Err(error)) => {
                Exchange::end(&mut this.alive.take(), Ending::Error(kind_of(&error)));
                Poll::Ready(Err(error))
            }
        }
    }
}

/// Ends the exchange as panicked where a panic unwinds through it, also if that is caught outside.
struct Inside<'a>(&'a mut Alive);

impl Drop for Inside<'_> {
    #[cold]
    fn drop(&mut self) {
        Exchange::end(&mut self.0.take(), Ending::Panicked);
    }
}

impl<S, B> Service<Request<B>> for Routed<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let route = Route::of(&request);
        if let (Some(slot), Route::Template(_)) = (request.extensions().get::<Slot>(), route) {
            slot.take_route(self.entrance, MethodLabel::of(request.method()), route);
        }
        self.inner.call(request)
    }
}
