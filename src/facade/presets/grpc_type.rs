/// Whether the client and the server of a gRPC method stream: the label `grpc_type` of
/// [`Preset::GoGrpcMiddleware`](crate::Preset::GoGrpcMiddleware).
///
/// # Examples
///
/// ```
/// use tower_lookout::{GrpcType, Lookout};
///
/// let builder = Lookout::builder().grpc_type("shop.Orders/Watch", GrpcType::ServerStream);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GrpcType {
    /// The client and the server each send one message.
    #[default]
    Unary,
    /// The client sends any number of messages, the server sends one.
    ClientStream,
    /// The client sends one message, the server sends any number.
    ServerStream,
    /// The client and the server each send any number of messages.
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
