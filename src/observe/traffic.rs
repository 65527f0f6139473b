use std::fmt;

/// What a layer watches, as a type: what is not watched is not compiled in, since code that is only
/// there costs a request, too.
pub trait Watches: Clone + Copy + fmt::Debug + Send + Sync + 'static + sealed::Sealed {
    #[doc(hidden)]
    const GRPC: bool;
}

/// The HTTP requests that a server answers: [`Lookout::layer`](crate::Lookout::layer).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Http;

/// HTTP and gRPC, told apart by the content type: [`Lookout::grpc_layer`](crate::Lookout::grpc_layer)
/// and [`Lookout::client_layer`](crate::Lookout::client_layer).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct HttpAndGrpc;

impl Watches for Http {
    const GRPC: bool = false;
}

impl Watches for HttpAndGrpc {
    const GRPC: bool = true;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Http {}
    impl Sealed for super::HttpAndGrpc {}
}
