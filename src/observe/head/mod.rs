//! What a request's head and a response's head decide: route, labels, gRPC, upgrades, and whether the
//! exchange is ignored.

pub(super) mod grpc;
pub(super) mod label;
pub(super) mod layer_config;
pub(super) mod media_type;
pub(super) mod response_flags;
pub(super) mod route;
pub(super) mod traceparent;
pub(super) mod upgrade;
