use std::{borrow::Cow, sync::Arc};

use super::LookoutBuilder;
use crate::{
    lookout::self_check::RouteSetting,
    observe::{Naming, RequestHead},
    operation::Operation,
    outcome::Status,
};

/// Requests: which are counted, under which route, and which are failures.
impl LookoutBuilder {
    /// Names the route of a request that has no axum `MatchedPath`. The closure must return one of
    /// a few templates, and never the path itself. Defaults to none: those requests are
    /// `unmatched`. See the [guide](crate::guide::axum#watch-a-service-without-a-router).
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::Lookout;
    ///
    /// let builder = Lookout::builder().route_fn(|request| {
    ///     request.uri.path().starts_with("/static/").then(|| "/static/{*file}".into())
    /// });
    /// ```
    pub fn route_fn(
        mut self,
        route: impl for<'a> Fn(&RequestHead<'a>) -> Option<Cow<'a, str>> + Send + Sync + 'static,
    ) -> Self {
        self.observe.route = Some(Naming::Closure(Box::new(route)));
        self
    }

    /// Names the route of a request that passed no router, by templates of its path. The syntax is
    /// axum's: `/orders/{id}`, `/files/{*path}`. Defaults to none. [`start`](Self::start) rejects
    /// it together with [`route_fn`](Self::route_fn).
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::Lookout;
    ///
    /// let templates = ["/orders", "/orders/{id}", "/files/{*path}"];
    /// let builder = Lookout::builder().route_templates(templates);
    /// ```
    pub fn route_templates(
        mut self,
        templates: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.templates.extend(templates.into_iter().map(Into::into));
        self
    }

    /// Declares long-poll routes, and gRPC methods that respond late, written as in the label:
    /// `/orders/changes`, `shop.Orders/Upload`. Defaults to the methods with
    /// [`grpc_type`](Self::grpc_type)`(.., GrpcType::ClientStream)`, which respond after the last
    /// message.
    ///
    /// Such a request counts as a stream from its start: the histogram of streams has its whole
    /// time, it is an open stream of the kind `long_poll` (for gRPC `grpc`), and it is never a
    /// stuck request. Its duration, which rules evaluate, is the time after its response's head.
    pub fn long_polls(mut self, routes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.observe.long_polls.extend(routes.into_iter().map(Into::into));
        self
    }

    /// Ignores the requests for which the closure returns `true`, such as health checks. Defaults
    /// to none.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::Lookout;
    ///
    /// let builder = Lookout::builder().ignore(|request| request.uri.path() == "/healthz");
    /// ```
    pub fn ignore(
        mut self,
        is_ignored: impl for<'a> Fn(&RequestHead<'a>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.observe.ignore = Some(Box::new(is_ignored));
        self
    }

    /// Ignores routes, written as in the label: `/healthz`, `/users/{id}`, and for gRPC
    /// `grpc.health.v1.Health/Check`. Defaults to none. For requests without a route use
    /// [`ignore`](Self::ignore).
    #[doc(alias("healthz", "exclude"))]
    pub fn ignore_routes(mut self, routes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let routes = routes.into_iter().map(|route| (route.into(), Arc::default()));
        self.observe.ignored_routes.extend(routes);
        self
    }

    /// Lets a handler ignore its request, with [`IgnoreResponse`](crate::observe::IgnoreResponse)
    /// in the response's extensions. Such a request is not counted at all. Defaults to off, since
    /// the layer then looks into every response.
    pub fn unwatched_responses(mut self) -> Self {
        self.observe.unwatched_responses = true;
        self
    }

    /// Decides which statuses are failures, for each operation. `None` keeps the
    /// [convention](crate::Outcome::Failure). Defaults to the convention for all.
    ///
    /// The lookout calls the closure once for each pair of operation and status, and for each
    /// request only if a layer has observers. If it panics, the convention decides.
    ///
    /// # Examples
    ///
    /// A missing order is a failure, and a conflict in the stock is not:
    ///
    /// ```
    /// use tower_lookout::{Lookout, Status};
    ///
    /// let builder = Lookout::builder().failure(|operation, status| {
    ///     match (operation.route(), status) {
    ///         ("/orders/{id}", Status::Http(status)) if status == 404 => Some(true),
    ///         ("/stock", Status::Http(status)) if status == 409 => Some(false),
    ///         _ => None,
    ///     }
    /// });
    /// ```
    #[doc(alias("timeout", "408", "classify"))]
    pub fn failure(
        mut self,
        is_failure: impl Fn(&Operation, Status) -> Option<bool> + Send + Sync + 'static,
    ) -> Self {
        self.failure = Some(Box::new(is_failure));
        self
    }

    /// Declares gRPC methods of the server, such as `shop.Orders/Create`, so that they count by
    /// name from the first call on. Defaults to none: the layer learns each method from its first
    /// successful response.
    pub fn grpc_methods(mut self, methods: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.grpc_methods.extend(methods.into_iter().map(Into::into));
        self
    }

    /// Adds the label `server_address` to the metrics of HTTP clients: the host of the request's
    /// URI. Use it only for clients with a few known hosts; each counts towards
    /// [`max_operations`](Self::max_operations). Defaults to off.
    pub fn server_address(mut self) -> Self {
        self.observe.splits_by_address = true;
        self
    }

    /// Gives each request for an upgrade (WebSocket, CONNECT) an
    /// [`UpgradeWatch`](crate::observe::UpgradeWatch), which lets its handler count the connection.
    /// Defaults to off, since the layer then looks into the headers of every request.
    pub fn upgrades(mut self) -> Self {
        self.observe.watches_upgrades = true;
        self
    }

    /// Limits how many operations (method and route) are counted separately, from 1 to 100,000.
    /// Further ones share the route `_OVERFLOW`. Defaults to 1,000.
    #[doc(alias("cardinality"))]
    pub fn max_operations(mut self, max: usize) -> Self {
        self.limits.operations = max;
        self
    }

    /// Limits the memory of the figures in bytes, from 1 MiB on: the cells of all threads, the
    /// sums, the windows, and an allowance for the recorder's copy. The gauge
    /// `lookout_memory_bytes` shows the use. Defaults to 256 MiB, enough for about 25,000 series of
    /// one thread.
    ///
    /// Above the limit every request is still counted, with less detail. At seven eighths of it,
    /// new statuses and label values share a series for each status class, whose status is
    /// `_OTHER`. Then new operations, and operations without memory, count under the route
    /// `_OVERFLOW` and in `lookout_overflowed_requests_total`. Further threads share cells behind a
    /// lock. The log has one warning.
    ///
    /// A scrape renders all series as text, which takes about a third more memory for a moment.
    pub fn max_memory(mut self, bytes: usize) -> Self {
        self.limits.memory = bytes;
        self
    }

    /// Leaves out the histograms of the time to the response's head, such as
    /// `http_server_response_head_duration_seconds`. It saves one histogram for each operation;
    /// durations and streams do not change. Defaults to recording them.
    pub fn without_head_durations(mut self) -> Self {
        self.limits.has_heads = false;
        self
    }

    /// The routes that some request should have. The methods of
    /// [`grpc_type`](Self::grpc_type) are not among them, since a service need not call them all.
    pub(super) fn route_settings(&self) -> Vec<RouteSetting> {
        let of = |name, route: &String| RouteSetting {
            name,
            route: route.clone(),
            has_ignored: Arc::default(),
        };
        let long_polls = self.observe.long_polls.iter().map(|route| of("long_polls", route));
        let families = self.families.iter().flat_map(|family| &family.routes);
        let families = families.map(|route| of("buckets_for", route));
        let ignored = self.observe.ignored_routes.iter().map(|(route, has_request)| RouteSetting {
            has_ignored: Arc::clone(has_request),
            ..of("ignore_routes", route)
        });
        let mut settings: Vec<_> = long_polls.chain(families).chain(ignored).collect();
        settings
            .sort_unstable_by(|one, other| (one.name, &one.route).cmp(&(other.name, &other.route)));
        settings
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::atomic::Ordering};

    use http::{Request, Response};
    use tower::{Layer, ServiceExt, service_fn};

    use crate::Lookout;

    #[tokio::test]
    async fn an_ignored_request_marks_its_route_as_requested() {
        let builder = Lookout::builder()
            .route_templates(["/healthz", "/readyz", "/orders"])
            .ignore_routes(["/healthz", "/readyz"]);
        let settings = builder.route_settings();
        let lookout = builder.start().unwrap();
        let service = lookout.layer().layer(service_fn(|_: Request<String>| async {
            Ok::<_, Infallible>(Response::new(String::new()))
        }));
        for path in ["/healthz", "/orders"] {
            let request = Request::get(path).body(String::new()).unwrap();
            service.clone().oneshot(request).await.unwrap();
        }
        let marked: Vec<_> = settings
            .iter()
            .map(|setting| (&*setting.route, setting.has_ignored.load(Ordering::Relaxed)))
            .collect();
        assert_eq!(marked, [("/healthz", true), ("/readyz", false)]);
    }
}
