//! The tower layer with its service, future and bodies, for HTTP and gRPC.

pub(super) mod body;
mod enter;
pub(super) mod future;
pub(super) mod layer;
pub(super) mod mode;
pub(super) mod outer;
pub(super) mod request_body;
pub(super) mod service;
pub(super) mod twice;
pub(super) mod upgrade;
pub(super) mod upload_body;
mod wait;
