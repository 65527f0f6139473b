/// A histogram that an operation allocates when it records the first value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OptionalHistogram {
    /// The time for which a request waited until its client was ready.
    Wait,
    /// The time from the request to the end of its stream.
    Stream,
    /// The bytes of a request's body.
    RequestSize,
    /// The bytes of a response's body.
    ResponseSize,
    /// The gRPC messages of a request.
    RequestMessages,
    /// The gRPC messages of a response.
    ResponseMessages,
    /// The time to the response's head, for responses whose body ended later.
    Head,
}

impl OptionalHistogram {
    pub(crate) const COUNT: usize = 7;

    /// The histograms that are exported unchanged. The exported `Head` also includes the responses
    /// that ended with their head.
    pub(crate) const ALL: [Self; Self::COUNT - 1] = [
        Self::Wait,
        Self::Stream,
        Self::RequestSize,
        Self::ResponseSize,
        Self::RequestMessages,
        Self::ResponseMessages,
    ];

    /// Returns whether the histogram holds body sizes in bytes.
    pub(crate) fn is_size(self) -> bool {
        matches!(self, Self::RequestSize | Self::ResponseSize)
    }
}

/// A kind of stream, which may stay open forever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamKind {
    /// Server-sent events.
    EventStream,
    /// A gRPC response with more than one message.
    Grpc,
    /// An upgraded connection, such as a WebSocket or a CONNECT tunnel.
    Upgrade,
    /// A body of unknown length and type that outlives its head.
    UnknownLength,
    /// A request whose response waits for an event.
    LongPoll,
}

impl StreamKind {
    pub(crate) const ALL: [Self; 5] =
        [Self::EventStream, Self::Grpc, Self::Upgrade, Self::UnknownLength, Self::LongPoll];

    /// Returns the value of the `kind` label.
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
