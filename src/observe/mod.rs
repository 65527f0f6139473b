//! The layers, and their extensions: labels ([`Labels`]), requests that are ignored
//! ([`IgnoreResponse`]), callbacks for each request ([`Observer`], [`AccessLog`]), WebSockets
//! ([`UpgradeWatch`]), and calls to databases and queues ([`Dependency`]). See the guides for
//! [axum](crate::guide::axum), [gRPC](crate::guide::grpc) and [clients](crate::guide::clients).
//!
//! A request is counted once, whichever way it ends. It costs two reads of the raw clock (three if
//! the body takes several polls) and a few adds to cells that only this thread writes. It takes no
//! lock, and in the steady state it allocates nothing, unless the layer counts bodies, has an
//! observer, or is an outer layer.

// One `Exchange` a request travels from the service through the future into the body, and ends exactly
// once. Nothing counts on a shared `Arc`: what travels is the lookout's number, which the thread's own
// storage resolves.

mod client;
mod detail;
mod exchange;
mod head;
mod http;

#[cfg(feature = "reqwest")]
pub use self::client::{
    reqwest_client::ReqwestFuture,
    watched_client::{WatchedClient, WatchedRequest},
};
pub use self::{
    client::{
        call_error::CallError,
        dependency::{CallFuture, CallResult, ClassifyFn, Dependency},
    },
    detail::{
        access_log::AccessLog,
        observer::{Finished, Observer},
    },
    head::{
        label::{IgnoreResponse, Labels, ResponseHead},
        route::RequestHead,
        upgrade::{OpenUpgrade, UpgradeWatch},
    },
    http::{
        body::ResponseBody,
        future::ResponseFuture,
        layer::LookoutLayer,
        mode::{Detailed, Http, HttpAndGrpc, Mode, Outer},
        outer::{RouteLayer, Routed},
        request_body::RequestBody,
        service::LookoutService,
    },
};

pub(crate) use self::{
    detail::access_log::JsonString,
    exchange::{
        core::{Core, ObserveConfig},
        local::{LookoutId, close, open},
    },
    head::{label::LabelSource, layer_config::LayerConfig, route::Naming, traceparent::trace_id},
    http::twice::arm,
};
