//! Reads the heads of requests and responses: routes, labels, gRPC, trace ids. Keeps no state of an
//! exchange.

pub(super) mod grpc;
pub(super) mod label;
pub(super) mod media_type;
pub(super) mod request;
pub(super) mod response;
pub(super) mod route;
pub(super) mod traceparent;
