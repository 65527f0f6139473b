//! The gauges of the present state, by scope.

use std::sync::Arc;

use super::{
    counts::Counts,
    labels::{called, served, with_route},
};
use crate::{
    facade::Names,
    generate::promql::{Matcher, indented, selectors},
    operation::{MethodLabel, Operation, Traffic, UNMATCHED},
    rule::{Scope, method_and_route},
};

impl Counts<'_> {
    /// Returns the matchers of a route for each kind of traffic that it may belong to.
    fn route_matchers(&self, text: &str) -> Vec<(Traffic, Vec<Matcher>)> {
        let presets = &self.exports.naming.presets;
        let (method, route) = method_and_route(text);
        let [http, grpc] = served();
        let of_http = presets.route_labels(method, route);
        let of_http = of_http.iter().map(|label| Matcher::equal(label.key(), label.value()));
        let mut all = vec![(http, of_http.collect())];
        // A gRPC method has neither an HTTP method nor a slash in front.
        let may_be_grpc = method.is_none_or(|method| method == MethodLabel::Other.as_str())
            && !route.starts_with('/')
            && route != UNMATCHED;
        if may_be_grpc {
            let operation = Operation::new(Arc::new(grpc.clone()), MethodLabel::Other, route);
            let names: Vec<_> = presets.identifying_labels(&grpc).collect();
            let labels = presets.operation_labels(&operation);
            let labels = labels.iter().filter(|label| names.contains(&label.key()));
            let of_grpc = labels.map(|label| Matcher::equal(label.key(), label.value()));
            all.push((grpc, of_grpc.collect()));
        }
        all
    }

    /// Returns the selectors of a gauge of a scope, with the name of the gauge for each kind of
    /// traffic.
    pub(super) fn gauges(&self, scope: &Scope, gauge: fn(&Names) -> &'static str) -> String {
        let naming = &self.exports.naming;
        let of_scope: Vec<_> = match scope {
            Scope::Route(text) => self.route_matchers(text),
            Scope::Service | Scope::EachRoute => {
                served().into_iter().map(|traffic| (traffic, Vec::new())).collect()
            }
            Scope::Dependency(name) => {
                let of = |traffic: Traffic| {
                    let label = naming.presets.identifying_labels(&traffic).next();
                    let matcher = label.map(|label| Matcher::equal(label, name));
                    (traffic, matcher.into_iter().collect())
                };
                called().into_iter().map(of).collect()
            }
        };
        let series = of_scope.into_iter().map(|(traffic, matchers)| {
            let name = naming.name(gauge(naming.presets.names(&traffic)));
            let matchers = self.own_matchers().into_iter().chain(matchers).collect();
            (name.as_str().to_owned(), matchers)
        });
        let series = selectors(series).join(" or ");
        match scope {
            Scope::EachRoute => format!("\n{}\n", indented(&with_route(&naming.presets, &series))),
            _ => series,
        }
    }
}
