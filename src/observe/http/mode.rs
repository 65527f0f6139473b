use std::{fmt, marker::PhantomData};

use http::Request;

use super::{request_body::RequestBody, upload_body};
use crate::observe::{
    detail::{DetailHandle, options::DetailOptions},
    exchange::{hooks::ExchangeHooks, state::ExchangeState, upload::Upload},
};

/// The kind of traffic that a layer watches. It is a type, so that a layer contains no code for
/// other kinds: even code that does not run slows a request down.
///
/// This trait is sealed: only the types below implement it. [`LookoutLayer`] and the types that it
/// creates are generic over it.
///
/// [`LookoutLayer`]: crate::observe::LookoutLayer
pub trait Mode: sealed::Sealed + Clone + fmt::Debug + Send + Sync + 'static {
    /// The body of the requests that the inner service receives: `B`, or a [`RequestBody`] if the
    /// layer counts bodies or calls observers.
    type RequestBody<B>;
    /// The same mode with body sizes and observers.
    type Detailed: Mode;

    #[doc(hidden)]
    type ExchangeHooks: ExchangeHooks;
    #[doc(hidden)]
    const GRPC: bool;
    /// Whether a layer inside reports the route.
    #[doc(hidden)]
    const TAKES_ROUTE: bool = false;

    /// Returns whether the request has a body that can be wrapped. Its method must allow content.
    #[doc(hidden)]
    #[inline(always)]
    fn has_watchable_body<B: 'static>(request: &Request<B>) -> bool {
        upload_body::has_watchable_body(request)
    }

    /// Prepares the request for the inner service.
    #[doc(hidden)]
    fn prepare<B: 'static>(
        &self,
        request: Request<B>,
        state: Option<ExchangeState>,
        upload: Option<Upload>,
    ) -> (Request<Self::RequestBody<B>>, Self::ExchangeHooks);

    #[doc(hidden)]
    fn detailed(self, set: impl FnOnce(&mut DetailOptions)) -> Self::Detailed;
}

mod sealed {
    pub trait Sealed {}
}

/// HTTP requests to a server: [`Lookout::layer`](crate::Lookout::layer).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Http;

/// HTTP and gRPC, distinguished by content type:
/// [`Lookout::grpc_layer`](crate::Lookout::grpc_layer) and
/// [`Lookout::client_layer`](crate::Lookout::client_layer).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct HttpAndGrpc;

/// HTTP requests to a whole router, where a layer inside reports the route:
/// [`Lookout::outer_layer`](crate::Lookout::outer_layer).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Outer;

/// Another mode with body sizes and observers:
/// [`LookoutLayer::bodies`](crate::observe::LookoutLayer::bodies),
/// [`LookoutLayer::observer`](crate::observe::LookoutLayer::observer).
#[derive(Clone, Debug)]
pub struct Detailed<T> {
    mode: PhantomData<T>,
    options: DetailOptions,
}

impl<T> Detailed<T> {
    fn new(set: impl FnOnce(&mut DetailOptions)) -> Self {
        let mut options = DetailOptions::default();
        set(&mut options);
        Self { mode: PhantomData, options }
    }
}

macro_rules! impl_plain_mode {
    ($mode:ty, GRPC = $grpc:literal) => {
        impl sealed::Sealed for $mode {}

        impl Mode for $mode {
            type RequestBody<B> = B;
            type Detailed = Detailed<Self>;
            type ExchangeHooks = ();
            const GRPC: bool = $grpc;

            #[inline(always)]
            fn prepare<B: 'static>(
                &self,
                mut request: Request<B>,
                _: Option<ExchangeState>,
                upload: Option<Upload>,
            ) -> (Request<B>, ()) {
                upload_body::watch_body(&mut request, upload);
                (request, ())
            }

            fn detailed(self, set: impl FnOnce(&mut DetailOptions)) -> Detailed<Self> {
                Detailed::new(set)
            }
        }
    };
}

impl_plain_mode!(Http, GRPC = false);
impl_plain_mode!(HttpAndGrpc, GRPC = true);

impl sealed::Sealed for Outer {}

impl Mode for Outer {
    type RequestBody<B> = B;
    type Detailed = Detailed<Self>;
    type ExchangeHooks = DetailHandle;
    const GRPC: bool = false;
    const TAKES_ROUTE: bool = true;

    fn prepare<B: 'static>(
        &self,
        mut request: Request<B>,
        state: Option<ExchangeState>,
        upload: Option<Upload>,
    ) -> (Request<B>, DetailHandle) {
        upload_body::watch_body(&mut request, upload);
        let handle = DetailHandle::for_route(state);
        handle.add_route_slot(&mut request);
        (request, handle)
    }

    fn detailed(self, set: impl FnOnce(&mut DetailOptions)) -> Detailed<Self> {
        Detailed::new(set)
    }
}

impl<T: Mode> sealed::Sealed for Detailed<T> {}

impl<T: Mode> Mode for Detailed<T> {
    type RequestBody<B> = RequestBody<B>;
    type Detailed = Self;
    type ExchangeHooks = DetailHandle;
    const GRPC: bool = T::GRPC;
    const TAKES_ROUTE: bool = T::TAKES_ROUTE;

    fn has_watchable_body<B: 'static>(request: &Request<B>) -> bool {
        upload_body::may_have_body(request)
    }

    fn prepare<B: 'static>(
        &self,
        mut request: Request<B>,
        state: Option<ExchangeState>,
        upload: Option<Upload>,
    ) -> (Request<RequestBody<B>>, DetailHandle) {
        let handle = DetailHandle::with_options(state, &request, &self.options);
        if T::TAKES_ROUTE {
            handle.add_route_slot(&mut request);
        }
        let request = request.map(|body| RequestBody::new(body, &handle, upload));
        (request, handle)
    }

    fn detailed(mut self, set: impl FnOnce(&mut DetailOptions)) -> Self {
        set(&mut self.options);
        self
    }
}
