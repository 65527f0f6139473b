//! What is counted apart: an [`Operation`] is a method and a route template, or a gRPC method; a
//! client's also says whom it calls.
//!
//! The set of operations is bounded by construction. Methods are the known ones or `_OTHER`, routes
//! are templates or `unmatched`, and past the bound of the [`OperationTable`] every further pair
//! shares one operation a traffic, `_OVERFLOW`.

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

/// The route of a request that no router and no closure named.
pub(crate) const UNMATCHED: &str = "unmatched";

/// The route of the requests that came after the bound on operations was reached.
const OVERFLOW: &str = "_OVERFLOW";

/// The gRPC method of a call to what the server does not know.
pub(crate) const OTHER: &str = "_OTHER";

/// The unit that groups requests: a method and a route template, such as `POST /orders`; a gRPC
/// method, such as `shop.Orders/Create`; or for a client, a call to a dependency. A call with
/// `observe::Dependency` has the name that the caller gives.
///
/// Its [`Display`](fmt::Display) is that name, after the dependency: `inventory: GET`.
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

    /// The request's HTTP method, or `_OTHER` for one that HTTP does not register, and for what is not
    /// HTTP.
    pub fn method(&self) -> &'static str {
        self.method.as_str()
    }

    /// The route template, or `unmatched`; of gRPC the fully qualified method, or `_OTHER` for one
    /// that the server does not know; of an HTTP client the server's address, if that is told apart,
    /// else nothing; of a dependency's call the name of the operation. `_OVERFLOW` past the bound on
    /// operations, or without memory for it.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// The name of whom the process calls; `None` where it is called.
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

    /// Whether no route was named.
    pub(crate) fn is_unmatched(&self) -> bool {
        &*self.route == UNMATCHED
    }

    /// Whether it stands for gRPC methods that are not told apart, or not yet.
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
