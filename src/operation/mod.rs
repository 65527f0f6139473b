//! Operations, the unit of all counts. An [`Operation`] is a method with a route template, or a
//! gRPC method; for a client it also has a dependency.
//!
//! The number of operations is bounded. Methods are the registered ones or `_OTHER`, routes are
//! templates or `unmatched`. Beyond the limit of the [`OperationTable`], further ones share
//! `_OVERFLOW`.

mod method;
mod table;
mod traffic;

use std::{
    fmt::{self, Write},
    sync::Arc,
};

pub(crate) use self::{
    method::MethodLabel,
    table::{OperationId, OperationTable},
    traffic::{Call, Dependency, Protocol, Side, System, Traffic, TrafficId},
};
use crate::text::OneLine;

/// The route of a request without a route.
pub(crate) const UNMATCHED: &str = "unmatched";

/// The route of operations beyond the limit.
const OVERFLOW: &str = "_OVERFLOW";

/// The gRPC method of calls to methods that the server does not implement.
pub(crate) const OTHER: &str = "_OTHER";

/// The unit of all counts: a method with a route template, such as `POST /orders`, or a gRPC
/// method, such as `shop.Orders/Create`. For a client, it also has a dependency. For a call with
/// [`Dependency`](crate::observe::Dependency), it is the name passed to the call.
///
/// Its [`Display`](fmt::Display) puts the dependency first: `inventory: GET`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Operation {
    traffic: Arc<Traffic>,
    method: MethodLabel,
    route: Arc<str>,
}

impl Operation {
    pub(crate) fn new(
        traffic: Arc<Traffic>,
        method: MethodLabel,
        route: impl Into<Arc<str>>,
    ) -> Self {
        Self { traffic, method, route: route.into() }
    }

    #[cfg(test)]
    pub(crate) fn of_server(method: MethodLabel, route: &str) -> Self {
        Self::new(Traffic { protocol: Protocol::Http, dependency: None }.into(), method, route)
    }

    /// The request's HTTP method; `_OTHER` for a method that is not registered, for gRPC, and for
    /// calls that are not HTTP.
    pub fn method(&self) -> &'static str {
        self.method.as_str()
    }

    /// The route, by kind of operation:
    ///
    /// - HTTP server: the route template, or `unmatched`.
    /// - gRPC: the fully qualified method, or `_OTHER` for one that the server does not implement.
    /// - HTTP client: the server's address if the client distinguishes addresses; otherwise empty.
    /// - Dependency call: the name of the operation.
    ///
    /// `_OVERFLOW` beyond the limit on operations or on memory.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// The name of the dependency that this process calls; `None` for requests to this process.
    pub fn dependency(&self) -> Option<&str> {
        self.traffic.dependency.as_ref().map(|dependency| &*dependency.name)
    }

    /// Whether it is a gRPC method.
    pub fn is_grpc(&self) -> bool {
        self.traffic.protocol == Protocol::Grpc
    }

    pub(crate) fn is_overflow(&self) -> bool {
        &*self.route == OVERFLOW
    }

    /// Whether the request has no route.
    pub(crate) fn is_unmatched(&self) -> bool {
        &*self.route == UNMATCHED
    }

    /// Whether it stands for several operations: `_OTHER` or `_OVERFLOW`.
    pub(crate) fn is_of_several(&self) -> bool {
        matches!(&*self.route, OTHER | OVERFLOW)
    }

    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    pub(crate) fn shared_route(&self) -> Arc<str> {
        Arc::clone(&self.route)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = OneLine(f);
        if let Some(dependency) = self.dependency() {
            write!(f, "{dependency}: ")?;
        }
        match (self.traffic.protocol, &*self.route) {
            (Protocol::Grpc | Protocol::Call, route) => f.write_str(route),
            (Protocol::Http, "") => f.write_str(self.method()),
            (Protocol::Http, route) => write!(f, "{} {route}", self.method()),
        }
    }
}
