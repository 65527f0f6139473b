//! Layers, labels, observers and outbound calls.
//!
//! - [`LookoutLayer`] wraps a service and counts its requests.
//! - [`Labels`] sets label values, and [`IgnoreResponse`] excludes a request.
//! - [`Observer`] is called for each request; [`AccessLog`] implements it.
//! - [`UpgradeWatch`] counts connections that outlive their response, such as WebSockets.
//! - [`Dependency`] watches calls that are plain futures.
//!
//! See the guides for [axum](crate::guide::axum), [gRPC](crate::guide::grpc) and
//! [clients](crate::guide::clients).
//!
//! Each request is counted once, with its [`Outcome`](crate::Outcome). It costs two reads of the
//! raw clock (three if the body takes several polls) and a few additions to cells that only its
//! thread writes. The request path takes no lock, and in the steady state it allocates nothing,
//! unless bodies are counted, an observer is called, or a layer inside a router reports the route.

// Each request has one `Exchange`, which travels from the service through the future into the body
// and ends exactly once. No `Arc` is cloned: an exchange holds the lookout's number, and each
// thread looks up its shard by it. A folder uses only the folders before it: head, exchange,
// detail, http, client.

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
        observer::{Observer, RequestEnd},
    },
    head::{
        label::Labels,
        request::RequestHead,
        response::{IgnoreResponse, ResponseHead},
    },
    http::{
        body::ResponseBody,
        future::ResponseFuture,
        layer::LookoutLayer,
        mode::{Detailed, Http, HttpAndGrpc, Mode, Outer},
        outer::{RouteLayer, Routed},
        request_body::RequestBody,
        service::LookoutService,
        upgrade::{OpenUpgrade, UpgradeWatch},
    },
};

pub(crate) use self::{
    detail::access_log::JsonString,
    exchange::{
        core::{Core, ObserveConfig},
        layer_config::LayerConfig,
        local::{LookoutId, close, open},
    },
    head::{label::LabelSource, route::Naming, traceparent::trace_id},
    http::twice::arm,
};
