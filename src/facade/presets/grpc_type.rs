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
    /// One message from each side.
    #[default]
    Unary,
    /// Any number from the client, one from the server.
    ClientStream,
    /// One from the client, any number from the server.
    ServerStream,
    /// Any number from each side.
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
