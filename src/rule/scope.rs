use super::problem::Setting;
use crate::operation::Operation;

/// The operations that a rule evaluates together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Service,
    EachRoute,
    /// A route template, with one method before it or for all methods.
    Route(String),
    /// The calls to one dependency.
    Dependency(String),
}

impl Scope {
    /// The setting that sets this scope.
    pub(super) fn setting(&self) -> Option<Setting> {
        match self {
            Self::Service => None,
            Self::EachRoute => Some(Setting::EachRoute),
            Self::Route(_) => Some(Setting::Route),
            Self::Dependency(_) => Some(Setting::Dependency),
        }
    }

    /// Whether the rule evaluates this operation.
    pub(crate) fn covers(&self, operation: &Operation) -> bool {
        match self {
            Self::Dependency(name) => operation.dependency() == Some(name),
            _ if operation.dependency().is_some() => false,
            Self::Service | Self::EachRoute => true,
            Self::Route(text) => match method_and_route(text) {
                (Some(method), route) => operation.method() == method && operation.route() == route,
                (None, route) => operation.route() == route,
            },
        }
    }
}

/// Splits `GET /orders` into its parts; `/orders` has no method.
pub(crate) fn method_and_route(text: &str) -> (Option<&str>, &str) {
    match text.split_once(' ') {
        Some((method, route)) => (Some(method), route),
        None => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::operation::MethodLabel;

    #[test]
    fn a_route_covers_all_its_methods_unless_one_is_named() {
        let get = Operation::of_server(MethodLabel::of(&Method::GET), "/orders");
        assert!(Scope::Route("/orders".into()).covers(&get));
        assert!(Scope::Route("GET /orders".into()).covers(&get));
        assert!(!Scope::Route("POST /orders".into()).covers(&get));
        assert!(!Scope::Route("/orders/{id}".into()).covers(&get));
    }
}
