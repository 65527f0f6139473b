use std::borrow::Cow;

use super::LookoutBuilder;
use crate::{
    observe::{Naming, RequestHead},
    operation::Operation,
    outcome::Status,
};

/// What is counted, and as what.
impl LookoutBuilder {
    /// Names the route of a request that has no axum `MatchedPath`. It must give templates, a few of
    /// them, and never the path itself. Defaults to none: those requests are `unmatched`.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::Lookout;
    ///
    /// let builder = Lookout::builder().route(|request| {
    ///     request.uri.path().starts_with("/static/").then(|| "/static/{*file}".into())
    /// });
    /// ```
    pub fn route(
        mut self,
        route: impl for<'a> Fn(&RequestHead<'a>) -> Option<Cow<'a, str>> + Send + Sync + 'static,
    ) -> Self {
        self.questions.route = Some(Naming::Closure(Box::new(route)));
        self
    }

    /// Names the route of a request that passed no router by templates of its path, as axum writes
    /// them: `/orders/{id}`, `/files/{*path}`. Defaults to none; takes the place of
    /// [`route`](Self::route).
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::Lookout;
    ///
    /// let builder = Lookout::builder().routes(["/orders", "/orders/{id}", "/files/{*path}"]);
    /// ```
    pub fn routes(mut self, templates: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.templates.extend(templates.into_iter().map(Into::into));
        self
    }

    /// Routes, and gRPC methods, that answer when there is something to tell, as the label has them:
    /// `/orders/changes`, `shop.Orders/Upload`. Defaults to those of
    /// [`grpc_type`](Self::grpc_type)`(.., GrpcType::ClientStream)`, whose answer waits for the last message.
    ///
    /// Such a request is a stream from its beginning on: its life is in the histogram of streams, it is open
    /// as one of the kind `long_poll` (of gRPC `grpc`), it is no stuck request, and its duration, which rules
    /// see, is what comes after its response's head.
    pub fn long_polls(mut self, routes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.questions.long_polls.extend(routes.into_iter().map(Into::into));
        self
    }

    /// Says which requests are not watched at all, such as health checks. Defaults to none.
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
        self.questions.ignore = Some(Box::new(is_ignored));
        self
    }

    /// Routes that are not watched at all, as the label has them: `/healthz`, `/users/{id}`, and of
    /// gRPC `grpc.health.v1.Health/Check`. Defaults to none. What has no route is left out by
    /// [`ignore`](Self::ignore).
    #[doc(alias("healthz", "exclude"))]
    pub fn ignore_routes(mut self, routes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.questions.ignored_routes.extend(routes.into_iter().map(Into::into));
        self
    }

    /// Whether a response may say that its request is not watched, by
    /// [`Unwatched`](crate::observe::Unwatched) in its extensions: then the request is taken back, as
    /// if it had never been. Defaults to no, since it looks into every response.
    pub fn unwatched_responses(mut self, are_taken_back: bool) -> Self {
        self.questions.unwatched_responses = are_taken_back;
        self
    }

    /// Says which statuses are failures of which operations, and `None` where the convention shall
    /// decide ([`Outcome::Failure`](crate::Outcome::Failure)). It is asked once for
    /// each way in which an operation's requests end, and only where a layer has observers for each request.
    /// Should it panic, the convention decides. Defaults to the convention for all.
    ///
    /// # Examples
    ///
    /// A missing order is a failure, a conflict on the stock is none:
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

    /// gRPC methods that the server knows, such as `shop.Orders/Create`, so that they are told apart
    /// from the first call on. Defaults to none: each is known from its first answer on.
    pub fn grpc_methods(mut self, methods: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.grpc_methods.extend(methods.into_iter().map(Into::into));
        self
    }

    /// Tells a client's operations apart by the server's address, too: the host of the request's URI,
    /// as label `server_address`. Only for clients whose hosts are few and known; each counts for
    /// [`max_operations`](Self::max_operations). Defaults to no.
    pub fn server_address(mut self, is_told: bool) -> Self {
        self.questions.tells_address = is_told;
        self
    }

    /// Gives each request that asks for an upgrade (WebSocket, CONNECT) an
    /// [`UpgradeWatch`](crate::observe::UpgradeWatch), by which its handler lets the connection count.
    /// Defaults to no, since it looks into the headers of every request.
    pub fn upgrades(mut self, are_watched: bool) -> Self {
        self.questions.watches_upgrades = are_watched;
        self
    }

    /// How many operations (method and route) are counted apart, from 1 to 100,000; those met after
    /// that share the route `_OVERFLOW`. Defaults to 1,000.
    #[doc(alias("cardinality"))]
    pub fn max_operations(mut self, max: usize) -> Self {
        self.limits.operations = max;
        self
    }

    /// The most memory that the figures may take, in bytes, from 1 MiB: the cells of all threads, the
    /// sums, the windows, and an allowance for the recorder's copy. The gauge `lookout_memory_bytes`
    /// shows what is used. Defaults to 256 MiB, enough for about 25,000 series of one thread.
    ///
    /// Past the bound every request is still counted, in less detail. At seven eighths of it, new
    /// statuses and values of labels share a series for each class of status, whose status is `_OTHER`.
    /// Then new operations, and what there is no memory left for, count under the route `_OVERFLOW` and
    /// in `lookout_overflowed_requests_total`. A warning is logged once. Further threads share cells
    /// behind a lock.
    ///
    /// A scrape renders all series as text, which takes about a third as much again for a moment.
    pub fn max_memory(mut self, bytes: usize) -> Self {
        self.limits.memory = bytes;
        self
    }

    /// Whether the time to the response's head has a histogram of its own,
    /// `http_server_response_head_duration_seconds`. Without it each operation has a histogram less;
    /// durations and streams stay as they are. Defaults to yes.
    pub fn head_durations(mut self, are_recorded: bool) -> Self {
        self.limits.has_heads = are_recorded;
        self
    }
}
