use std::marker::PhantomData;

use crate::observe::detail::options::DetailOptions;

/// The kind of traffic that a layer watches, as a type: code for other kinds is not compiled in,
/// since even code that does not run slows a request down.
pub trait Mode: kind::Kind {
    /// The same mode with bodies and observers.
    type Detailed: Mode;

    #[doc(hidden)]
    fn detailed(self, set: impl FnOnce(&mut DetailOptions)) -> Self::Detailed;
}

macro_rules! impl_mode {
    ($($plain:ty),*) => {
        $(impl Mode for $plain {
            type Detailed = Detailed<Self>;

            fn detailed(self, set: impl FnOnce(&mut DetailOptions)) -> Detailed<Self> {
                Detailed { mode: PhantomData, options: DetailOptions::default() }.detailed(set)
            }
        })*
    };
}

impl_mode!(Http, HttpAndGrpc, Outer);

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

impl<T: Mode> Mode for Detailed<T> {
    type Detailed = Self;

    fn detailed(mut self, set: impl FnOnce(&mut DetailOptions)) -> Self {
        set(&mut self.options);
        self
    }
}

mod kind {
    use std::fmt;

    use http::Request;

    use super::{
        super::{request_body::RequestBody, upload_body},
        Detailed, Http, HttpAndGrpc, Outer,
    };
    use crate::observe::{
        detail::DetailHandle,
        exchange::{hooks::ExchangeHooks, state::ExchangeState, upload::Upload},
    };

    /// The private half of [`Mode`](super::Mode).
    pub trait Kind: Clone + fmt::Debug + Send + Sync + 'static {
        const GRPC: bool;
        /// Whether a layer inside reports the route.
        const TAKES_ROUTE: bool = false;
        type ExchangeHooks: ExchangeHooks;
        /// The body type of the inner service's requests.
        type RequestBody<B>;

        /// Whether a request, whose method allows content, has a body that can be wrapped.
        #[inline(always)]
        fn has_watchable_body<B: 'static>(request: &Request<B>) -> bool {
            upload_body::has_watchable_body(request)
        }

        /// Prepares the request for the inner service.
        fn prepare<B: 'static>(
            &self,
            request: Request<B>,
            state: Option<ExchangeState>,
            upload: Option<Upload>,
        ) -> (Request<Self::RequestBody<B>>, Self::ExchangeHooks);
    }

    impl Kind for Http {
        const GRPC: bool = false;
        type ExchangeHooks = ();
        type RequestBody<B> = B;

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
    }

    impl Kind for HttpAndGrpc {
        const GRPC: bool = true;
        type ExchangeHooks = ();
        type RequestBody<B> = B;

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
    }

    impl Kind for Outer {
        const GRPC: bool = false;
        const TAKES_ROUTE: bool = true;
        type ExchangeHooks = DetailHandle;
        type RequestBody<B> = B;

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
    }

    impl<T: Kind> Kind for Detailed<T> {
        const GRPC: bool = T::GRPC;
        const TAKES_ROUTE: bool = T::TAKES_ROUTE;
        type ExchangeHooks = DetailHandle;
        type RequestBody<B> = RequestBody<B>;

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
    }
}
