//! The layers, and what users add to them: labels ([`Labels`]), what is not watched ([`Unwatched`]), who
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

mod access_log;
mod answer;
mod body;
mod call_error;
mod companion;
mod core;
mod dependency;
mod detail;
mod entrance;
mod error_kind;
mod exchange;
mod facts;
mod future;
mod grpc;
mod label;
mod layer;
mod local;
mod media_type;
mod observer;
mod outer;
mod request_body;
#[cfg(feature = "reqwest")]
mod reqwest_client;
mod route;
mod service;
mod slots;
mod start;
mod traceparent;
mod traffic;
mod twice;
mod upgrade;
mod upload;
mod wait;
#[cfg(feature = "reqwest")]
mod watched_client;

pub use self::{
    access_log::AccessLog,
    body::ResponseBody,
    call_error::CallError,
    dependency::{CallFuture, CallResult, ClassifyFn, Dependency},
    future::ResponseFuture,
    label::{Labels, ResponseHead, Unwatched},
    layer::LookoutLayer,
    observer::{Finished, Observer},
    outer::{RouteLayer, Routed},
    request_body::RequestBody,
    route::RequestHead,
    service::Watched,
    traffic::{Detailed, Http, HttpAndGrpc, Outer, Watches},
    upgrade::{OpenUpgrade, UpgradeWatch},
};
#[cfg(feature = "reqwest")]
pub use self::{
    reqwest_client::ReqwestFuture,
    watched_client::{WatchedClient, WatchedRequest},
};

pub(crate) use self::{
    access_log::JsonString,
    core::{Core, Questions},
    entrance::Entrance,
    label::LabelSource,
    local::{LookoutId, close, open},
    route::Naming,
    traceparent::trace_id,
    twice::arm,
};
