/// A set of metric names and labels, so that existing dashboards keep working.
///
/// A preset renames only the metrics that Spring Boot, axum-prometheus or go-grpc-middleware also
/// exports. The other metrics keep their names and get the preset's labels of the operation, so
/// that one dashboard variable filters all of them. The presets differ only in names and labels;
/// the counts are the same. See the [guide](crate::guide::presets).
///
/// | preset | HTTP server | HTTP client | gRPC |
/// |---|---|---|---|
/// | `OpenTelemetry` | its own | its own | its own |
/// | `SpringBoot` | its own | its own | OpenTelemetry's |
/// | `AxumPrometheus` | its own | OpenTelemetry's | OpenTelemetry's |
/// | `GoGrpcMiddleware` | OpenTelemetry's | OpenTelemetry's | its own |
///
/// # Examples
///
/// ```
/// use tower_lookout::{Lookout, Preset};
///
/// let builder = Lookout::builder()
///     .preset(Preset::AxumPrometheus) // for HTTP
///     .preset(Preset::GoGrpcMiddleware); // for gRPC
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Preset {
    /// OpenTelemetry's conventions in Prometheus form, such as
    /// `http_server_request_duration_seconds` and `rpc_server_call_duration_seconds`.
    #[default]
    OpenTelemetry,
    /// Spring Boot's metrics with Micrometer: `http_server_requests_seconds` with the labels
    /// `exception`, `method`, `outcome`, `status` and `uri`, and `http_client_requests_seconds`
    /// with two more, `client_name` (the dependency) and `call`.
    ///
    /// - `exception` is OpenTelemetry's `error_type`, or `none`.
    /// - Without a response, `status` and `outcome` are `UNKNOWN` for a server, and `CLIENT_ERROR`
    ///   and `UNKNOWN` for a client.
    /// - The `uri` of a request without a route is `NOT_FOUND` for the status 404, `REDIRECTION`
    ///   for 3xx, otherwise `UNKNOWN`. In metrics without a status it is `unmatched`. For a client
    ///   it is `none`.
    /// - The `_count` of the histogram is the counter. There is no `_max`, since it cannot be
    ///   computed from counts. The gauge of requests in flight is `http_server_active_requests`,
    ///   since Micrometer's name for it depends on the version.
    SpringBoot,
    /// The metrics of the crate axum-prometheus: `axum_http_requests_total` and
    /// `axum_http_requests_duration_seconds` with the labels `method`, `status` and `endpoint`, and
    /// `axum_http_requests_pending`. A prefix replaces `axum`.
    ///
    /// - The `endpoint` of a request without a route is `unmatched`, never its path.
    /// - Without a response, `status` is `none`. axum-prometheus does not count such requests.
    /// - Durations include the response's body, not only the time to its head.
    AxumPrometheus,
    /// The metrics of go-grpc-middleware: `grpc_server_started_total`, `grpc_server_handled_total`
    /// and `grpc_server_handling_seconds` with the labels `grpc_type`, `grpc_service`,
    /// `grpc_method` and `grpc_code`. Clients have `grpc_client_…`, with the further labels
    /// `dependency` and `call`.
    ///
    /// - A layer does not see the descriptor of a method, so `grpc_type` is `unary` unless
    ///   [`grpc_type`](crate::LookoutBuilder::grpc_type) declares it, or `grpc_descriptor` (feature
    ///   `prost`) declares all methods of a server.
    /// - A call of an unknown method has the `grpc_service` `unknown`, and counts as started only
    ///   once it has ended.
    /// - Without a status, `grpc_code` is `Canceled` for a dropped call, `DeadlineExceeded` after a
    ///   timeout, `Unavailable` if the connection failed, `ResourceExhausted` if a limit rejected
    ///   the call, otherwise `Unknown`.
    GoGrpcMiddleware,
}
