use metrics::Label;

use super::LookoutBuilder;
use crate::facade::{GrpcType, Preset};

/// What the metrics are called, and how they are labelled.
impl LookoutBuilder {
    /// Whose names and labels the metrics of requests have, for dashboards that are there already. May
    /// be called for HTTP and again for gRPC; where two speak of the same, the last one holds.
    /// Defaults to [`Preset::OpenTelemetry`].
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::{Lookout, Preset};
    ///
    /// let builder = Lookout::builder()
    ///     .preset(Preset::SpringBoot) // http_server_requests_seconds
    ///     .prefix("shop") // shop_http_server_requests_seconds
    ///     .constant_label("team", "checkout");
    /// ```
    #[doc(alias("micrometer", "namespace"))]
    pub fn preset(mut self, preset: Preset) -> Self {
        self.dialect.presets.choose(preset);
        self
    }

    /// Stands before the name of every metric of this lookout, `process_*` and `tokio_runtime_*` among
    /// them, with a `_` between; of axum-prometheus's it takes the place of `axum`, as there. Defaults
    /// to none.
    #[doc(alias("namespace"))]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.dialect.prefix = Some(prefix.into());
        self
    }

    /// Adds a label to every metric of this lookout, always with this value. Its name must not be one
    /// that the metrics have with any preset. Defaults to none.
    pub fn constant_label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.dialect.labels.push(Label::new(name.into(), value.into()));
        self
    }

    /// Whether the requests served are `https` and not `http`: the label `url_scheme`, which
    /// OpenTelemetry requires on the durations, the requests in flight and the body sizes of HTTP
    /// servers. Set it where the service, or a proxy in front of it, terminates TLS. All requests have
    /// the same value, and no header of a client changes it. Other presets have no such label.
    /// Defaults to no.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::Lookout;
    ///
    /// let builder = Lookout::builder().https(true); // url_scheme="https"
    /// ```
    pub fn https(mut self, is_https: bool) -> Self {
        self.dialect.is_https = is_https;
        self
    }

    /// How many messages either side of a gRPC method sends, for the label `grpc_type` of
    /// [`Preset::GoGrpcMiddleware`], since nothing on the wire tells it. Defaults to what
    /// `grpc_descriptor` says (feature `prost`), else [`GrpcType::Unary`].
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::{GrpcType, Lookout, Preset};
    ///
    /// let builder = Lookout::builder()
    ///     .preset(Preset::GoGrpcMiddleware)
    ///     .grpc_type("grpc.health.v1.Health/Watch", GrpcType::ServerStream);
    /// ```
    pub fn grpc_type(mut self, method: impl Into<String>, kind: GrpcType) -> Self {
        self.dialect.grpc_types.insert(method.into(), kind);
        self
    }
}
