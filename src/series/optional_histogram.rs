/// A histogram that an operation has only if something of it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OptionalHistogram {
    /// From the first time that a client was not ready until it was.
    Wait,
    /// From the request to the end of its stream.
    Stream,
    /// Bytes of a request's body.
    RequestSize,
    /// Bytes of a response's body.
    ResponseSize,
    /// gRPC messages of a request.
    RequestMessages,
    /// gRPC messages of a response.
    ResponseMessages,
    /// Time to the response head, where that was recorded before the end.
    Head,
}

impl OptionalHistogram {
    pub(crate) const COUNT: usize = 7;

    /// Those that are exported by themselves: heads also come from what ended with its head.
    pub(crate) const ALL: [Self; Self::COUNT - 1] = [
        Self::Wait,
        Self::Stream,
        Self::RequestSize,
        Self::ResponseSize,
        Self::RequestMessages,
        Self::ResponseMessages,
    ];

    /// Whether it counts the bytes of bodies.
    pub(crate) fn is_size(self) -> bool {
        matches!(self, Self::RequestSize | Self::ResponseSize)
    }
}

/// What may stay open for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamKind {
    /// Server-sent events.
    EventStream,
    /// gRPC with more than one message.
    Grpc,
    /// A connection that became something else: WebSocket, CONNECT.
    Upgrade,
    /// A body that nothing is known of but that it goes on.
    UnknownLength,
    /// A request that is answered when there is something to tell.
    LongPoll,
}

impl StreamKind {
    pub(crate) const ALL: [Self; 5] =
        [Self::EventStream, Self::Grpc, Self::Upgrade, Self::UnknownLength, Self::LongPoll];

    /// The `kind` label.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::EventStream => "event_stream",
            Self::Grpc => "grpc",
            Self::Upgrade => "upgrade",
            Self::UnknownLength => "unknown_length",
            Self::LongPoll => "long_poll",
        }
    }
}
