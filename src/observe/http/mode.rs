use std::{fmt, marker::PhantomData};

use crate::observe::detail::observer::SharedObserver;

/// What a layer watches, as a type: what is not watched is not compiled in, since code that is only
/// there costs a request, too.
pub trait Mode: kind::Kind {
    /// The same, with bodies or observers.
    type Detailed: Mode;

    #[doc(hidden)]
    fn detailed(self, ask: impl FnOnce(&mut DetailOptions)) -> Self::Detailed;
}

macro_rules! watches {
    ($($plain:ty),*) => {
        $(impl Mode for $plain {
            type Detailed = Detailed<Self>;

            fn detailed(self, ask: impl FnOnce(&mut DetailOptions)) -> Detailed<Self> {
                Detailed { watches: PhantomData, asked: DetailOptions::default() }.detailed(ask)
            }
        })*
    };
}

watches!(Http, HttpAndGrpc, Outer);

/// The HTTP requests that a server answers: [`Lookout::layer`](crate::Lookout::layer).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Http;

/// HTTP and gRPC, told apart by the content type: [`Lookout::grpc_layer`](crate::Lookout::grpc_layer)
/// and [`Lookout::client_layer`](crate::Lookout::client_layer).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct HttpAndGrpc;

/// The HTTP requests that come to a router, whose routes the inside hands out:
/// [`Lookout::outer_layer`](crate::Lookout::outer_layer).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Outer;

/// The bodies, too, and what an [`Observer`](crate::observe::Observer) is told:
/// [`LookoutLayer::bodies`](crate::observe::LookoutLayer::bodies),
/// [`LookoutLayer::observer`](crate::observe::LookoutLayer::observer).
#[derive(Clone, Debug)]
pub struct Detailed<T> {
    watches: PhantomData<T>,
    asked: DetailOptions,
}

/// What a detailed layer was asked for.
#[derive(Clone, Default)]
pub struct DetailOptions {
    pub(crate) counts_sizes: bool,
    pub(crate) observers: Vec<SharedObserver>,
}

impl<T: Mode> Mode for Detailed<T> {
    type Detailed = Self;

    fn detailed(mut self, ask: impl FnOnce(&mut DetailOptions)) -> Self {
        ask(&mut self.asked);
        self
    }
}

impl fmt::Debug for DetailOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetailOptions")
            .field("counts_sizes", &self.counts_sizes)
            .field("observers", &self.observers.len())
            .finish()
    }
}

mod kind {
    use std::fmt;

    use http::Request;

    use super::{
        super::{
            request_body::RequestBody,
            upload::{self, Upload},
        },
        Detailed, Http, HttpAndGrpc, Outer,
    };
    use crate::observe::{
        detail::{DetailHandle, hooks::ExchangeHooks},
        exchange::state::ExchangeState,
    };

    /// What the layers' code asks of a type that [`Mode`].
    pub trait Kind: Clone + fmt::Debug + Send + Sync + 'static {
        const GRPC: bool;
        /// Whether the inside is asked for the route.
        const TAKES_ROUTE: bool = false;
        type ExchangeHooks: ExchangeHooks;
        /// What the inner service gets as its request's body.
        type RequestBody<B>;

        /// Whether a request, of a method that has content, has a body whose bytes can be seen.
        #[inline(always)]
        fn has_watchable_body<B: 'static>(request: &Request<B>) -> bool {
            upload::has_watchable_body(request)
        }

        fn accompany<B: 'static>(
            &self,
            request: Request<B>,
            facts: Option<ExchangeState>,
            upload: Option<Upload>,
        ) -> (Request<Self::RequestBody<B>>, Self::ExchangeHooks);
    }

    impl Kind for Http {
        const GRPC: bool = false;
        type ExchangeHooks = ();
        type RequestBody<B> = B;

        #[inline(always)]
        fn accompany<B: 'static>(
            &self,
            mut request: Request<B>,
            _: Option<ExchangeState>,
            upload: Option<Upload>,
        ) -> (Request<B>, ()) {
            upload::watch_body(&mut request, upload);
            (request, ())
        }
    }

    impl Kind for HttpAndGrpc {
        const GRPC: bool = true;
        type ExchangeHooks = ();
        type RequestBody<B> = B;

        #[inline(always)]
        fn accompany<B: 'static>(
            &self,
            mut request: Request<B>,
            _: Option<ExchangeState>,
            upload: Option<Upload>,
        ) -> (Request<B>, ()) {
            upload::watch_body(&mut request, upload);
            (request, ())
        }
    }

    impl Kind for Outer {
        const GRPC: bool = false;
        const TAKES_ROUTE: bool = true;
        type ExchangeHooks = DetailHandle;
        type RequestBody<B> = B;

        fn accompany<B: 'static>(
            &self,
            mut request: Request<B>,
            facts: Option<ExchangeState>,
            upload: Option<Upload>,
        ) -> (Request<B>, DetailHandle) {
            upload::watch_body(&mut request, upload);
            let ticket = DetailHandle::of_route(facts);
            ticket.put_into(&mut request);
            (request, ticket)
        }
    }

    impl<T: Kind> Kind for Detailed<T> {
        const GRPC: bool = T::GRPC;
        const TAKES_ROUTE: bool = T::TAKES_ROUTE;
        type ExchangeHooks = DetailHandle;
        type RequestBody<B> = RequestBody<B>;

        fn has_watchable_body<B: 'static>(request: &Request<B>) -> bool {
            upload::may_have_body(request)
        }

        fn accompany<B: 'static>(
            &self,
            mut request: Request<B>,
            facts: Option<ExchangeState>,
            upload: Option<Upload>,
        ) -> (Request<RequestBody<B>>, DetailHandle) {
            let ticket = DetailHandle::of_all(facts, &request, &self.asked);
            if T::TAKES_ROUTE {
                ticket.put_into(&mut request);
            }
            let request = request.map(|body| RequestBody::new(body, &ticket, upload));
            (request, ticket)
        }
    }
}
