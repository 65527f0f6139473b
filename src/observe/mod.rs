//! The layers, and what users add to them: labels ([`Labels`]), what is not watched ([`IgnoreResponse`]), who
//! is told of each request ([`Observer`], [`AccessLog`]), streams that go on beyond their response
//! ([`UpgradeWatch`]).
//!
//! A request is counted once, whichever way it ends. It costs two reads of the raw clock (three where
//! the body takes several polls) and some adds to cells that this thread alone writes: there is no lock,
//! and in the steady state no allocation, but where bodies are counted, an observer is told, or a router
//! inside tells the route.

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
