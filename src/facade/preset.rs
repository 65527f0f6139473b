use super::Names;
use crate::operation::{Dependency, Protocol, System, Traffic};

/// The names and labels of the metrics of requests, for dashboards that already exist. See the
/// [guide](crate::guide::presets).
///
/// A metric that the preset does not know keeps its name, and has the preset's labels of the
/// operation: so one variable of a dashboard selects in all of them. A preset does not change the
/// counts.
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
    /// Spring Boot's with Micrometer: `http_server_requests_seconds` with the labels `exception`,
    /// `method`, `outcome`, `status` and `uri`, and `http_client_requests_seconds` with `client_name`,
    /// too, which is the dependency, and with `call`.
    ///
    /// - `exception` is what `error_type` is else, or `none`.
    /// - Without a response `status` and `outcome` are `UNKNOWN`, to a client `CLIENT_ERROR` and
    ///   `UNKNOWN`.
    /// - What no route took has the `uri` `NOT_FOUND` with a 404, `REDIRECTION` with a 3xx, else
    ///   `UNKNOWN`; and `unmatched` where there is no status. A client's is `none`.
    /// - The histogram's `_count` is the counter. There is no `_max`, which no counts can be made of,
    ///   and what is in flight is `http_server_active_requests`, since Micrometer's name for that
    ///   differs from version to version.
    SpringBoot,
    /// The crate axum-prometheus's: `axum_http_requests_total` and
    /// `axum_http_requests_duration_seconds` with the labels `method`, `status` and `endpoint`, and
    /// `axum_http_requests_pending`. A prefix takes the place of `axum`.
    ///
    /// - What no route took has the `endpoint` `unmatched`, and never its path.
    /// - Without a response, which is not counted there, `status` is `none`.
    /// - Durations end with the response, not with its head.
    AxumPrometheus,
    /// go-grpc-middleware's: `grpc_server_started_total`, `grpc_server_handled_total` and
    /// `grpc_server_handling_seconds` with the labels `grpc_type`, `grpc_service`, `grpc_method` and
    /// `grpc_code`; of clients `grpc_client_…`, with `dependency` and `call`, too.
    ///
    /// - No layer sees a method's descriptor: `grpc_type` is `unary`, unless
    ///   [`grpc_type`](crate::LookoutBuilder::grpc_type) says otherwise, or `grpc_descriptor` (feature
    ///   `prost`) for all of a server's methods.
    /// - What is no method of the server's has the `grpc_service` `unknown`, and has started when it
    ///   has ended.
    /// - Without a status `grpc_code` is `Canceled` of what was dropped, `DeadlineExceeded` after a
    ///   timeout, `Unavailable` without a connection, `ResourceExhausted` where a limit shed it, else
    ///   `Unknown`.
    GoGrpcMiddleware,
}

/// The presets of either protocol.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Presets {
    http: Preset,
    grpc: Preset,
}

impl Presets {
    /// Chooses a preset for what it speaks of.
    pub(crate) fn choose(&mut self, preset: Preset) {
        match preset {
            Preset::OpenTelemetry => *self = Self::default(),
            Preset::SpringBoot | Preset::AxumPrometheus => self.http = preset,
            Preset::GoGrpcMiddleware => self.grpc = preset,
        }
    }

    /// Whose labels a traffic has: OpenTelemetry's where the chosen preset does not speak of it.
    pub(crate) fn of(self, traffic: &Traffic) -> Preset {
        self.of_side(traffic.protocol, traffic.dependency.is_some())
    }

    pub(crate) fn of_http_server(self) -> Preset {
        self.of_side(Protocol::Http, false)
    }

    /// The names of a traffic's metrics.
    pub(crate) fn names(self, traffic: &Traffic) -> &'static Names {
        match traffic.dependency.as_ref().and_then(Dependency::system) {
            Some(System::Database(_)) => &Names::DATABASE,
            Some(System::Messaging(_)) => &Names::MESSAGING,
            Some(System::Other) => &Names::DEPENDENCY,
            None => self.names_of_side(traffic.protocol, traffic.dependency.is_some()),
        }
    }

    /// The names of each traffic.
    pub(super) fn all_names(self) -> [&'static Names; 7] {
        [
            self.names_of_side(Protocol::Http, false),
            self.names_of_side(Protocol::Http, true),
            self.names_of_side(Protocol::Grpc, false),
            self.names_of_side(Protocol::Grpc, true),
            &Names::DATABASE,
            &Names::MESSAGING,
            &Names::DEPENDENCY,
        ]
    }

    fn of_side(self, protocol: Protocol, is_client: bool) -> Preset {
        match protocol {
            Protocol::Http if is_client && self.http == Preset::AxumPrometheus => {
                Preset::OpenTelemetry
            }
            Protocol::Http => self.http,
            Protocol::Grpc => self.grpc,
            Protocol::Call => Preset::OpenTelemetry,
        }
    }

    fn names_of_side(self, protocol: Protocol, is_client: bool) -> &'static Names {
        match (self.of_side(protocol, is_client), protocol, is_client) {
            (Preset::SpringBoot, _, false) => &Names::SPRING_SERVER,
            (Preset::SpringBoot, _, true) => &Names::SPRING_CLIENT,
            (Preset::AxumPrometheus, ..) => &Names::AXUM_PROMETHEUS,
            (Preset::GoGrpcMiddleware, _, false) => &Names::GO_GRPC_SERVER,
            (Preset::GoGrpcMiddleware, _, true) => &Names::GO_GRPC_CLIENT,
            (Preset::OpenTelemetry, Protocol::Http, false) => &Names::HTTP_SERVER,
            (Preset::OpenTelemetry, Protocol::Http, true) => &Names::HTTP_CLIENT,
            (Preset::OpenTelemetry, Protocol::Call, _) => &Names::DEPENDENCY,
            (Preset::OpenTelemetry, Protocol::Grpc, false) => &Names::RPC_SERVER,
            (Preset::OpenTelemetry, Protocol::Grpc, true) => &Names::RPC_CLIENT,
        }
    }
}

/// How many messages each side of a gRPC method sends, for the label `grpc_type` of
/// [`Preset::GoGrpcMiddleware`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GrpcType {
    /// One each.
    #[default]
    Unary,
    /// Any number from the client, one from the server.
    ClientStream,
    /// One from the client, any number from the server.
    ServerStream,
    /// Any number from either.
    BidiStream,
}

impl GrpcType {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::ClientStream => "client_stream",
            Self::ServerStream => "server_stream",
            Self::BidiStream => "bidi_stream",
        }
    }
}
