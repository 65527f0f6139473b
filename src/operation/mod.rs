//! What is counted apart: an [`Operation`] is a method and a route template.
//!
//! The set of operations is bounded by construction. Methods are the known ones or `_OTHER`, routes
//! are templates or `unmatched`, and past the bound of the [`OperationTable`] every further pair
//! shares one operation, `_OVERFLOW`.

mod method;
mod table;

use std::{fmt, sync::Arc};

pub(crate) use self::{
    method::MethodLabel,
    table::{OperationId, OperationTable},
};

/// The route of a request that no router and no closure named.
const UNMATCHED: &str = "unmatched";

/// The route of the requests that came after the bound on operations was reached.
const OVERFLOW: &str = "_OVERFLOW";

/// A method and a route template, such as `POST /orders`: the unit in which requests are counted.
///
/// Its [`Display`](fmt::Display) is the method, a space and the route.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Operation {
    method: MethodLabel,
    route: Arc<str>,
}

impl Operation {
    pub(crate) fn new(method: MethodLabel, route: impl Into<Arc<str>>) -> Self {
        Self { method, route: route.into() }
    }

    /// The request's method, or `_OTHER` for one that HTTP does not register.
    pub fn method(&self) -> &'static str {
        self.method.as_str()
    }

    /// The route template, `unmatched`, or `_OVERFLOW` past the bound on operations.
    pub fn route(&self) -> &str {
        &self.route
    }

    pub(crate) fn shared_route(&self) -> Arc<str> {
        Arc::clone(&self.route)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method(), self.route)
    }
}
