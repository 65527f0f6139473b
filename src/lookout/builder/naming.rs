use metrics::Label;

use super::LookoutBuilder;
use crate::facade::{GrpcType, Preset};

/// Export: the names and the constant labels of the metrics.
impl LookoutBuilder {
    /// Gives the metrics of requests the names and labels of another library, for dashboards that
    /// already exist. Call it once for HTTP and once for gRPC; if two presets apply to the same
    /// traffic, the last one wins. Defaults to [`Preset::OpenTelemetry`]. See the
    /// [guide](crate::guide::presets).
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
        self.naming.presets.select(preset);
        self
    }

    /// Sets a prefix for the name of every metric of this lookout, `process_*` and
    /// `tokio_runtime_*` included, followed by `_`. It replaces `axum` in the names of
    /// axum-prometheus, as there. Defaults to none.
    #[doc(alias("namespace"))]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.naming.prefix = Some(prefix.into());
        self
    }

    /// Adds a label with a constant value to every metric of this lookout. Its name must not be a
    /// label of the metrics in any preset. Defaults to none.
    pub fn constant_label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.naming.labels.push(Label::new(name.into(), value.into()));
        self
    }

    /// Sets the label `url_scheme` to `https`. OpenTelemetry requires the label on the durations,
    /// the requests in flight and the body sizes of HTTP servers. Call this if the service, or a
    /// proxy in front of it, terminates TLS. All requests have the same value, and no client can
    /// change it. Other presets do not have this label. Defaults to `http`.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::Lookout;
    ///
    /// let builder = Lookout::builder().https(); // url_scheme="https"
    /// ```
    pub fn https(mut self) -> Self {
        self.naming.presets.options.is_https = true;
        self
    }

    /// Declares whether the client and the server of a gRPC method stream, for the label
    /// `grpc_type` of [`Preset::GoGrpcMiddleware`], since the wire format does not show it.
    /// Defaults to the type in the `grpc_descriptor` (feature `prost`), else [`GrpcType::Unary`].
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
        self.naming.presets.options.grpc_types.insert(method.into(), kind);
        self
    }
}
