use http::{HeaderMap, header};

use crate::{
    observe::head::media_type,
    series::{AgeSlot, StatusKey, StreamKind},
};

/// The status, the [`Stream`], the protocol and the age slot in one word.
///
/// Until the response confirms an unknown gRPC method, the bits of the status hold the number of
/// its remembered name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseFlags(u32);

impl ResponseFlags {
    const STATUS: u32 = 0xffff;
    const UNKNOWN: u32 = 1 << 16;
    const HEAD_RECORDED: u32 = 1 << 17;
    const STREAM: u32 = Stream::Maybe as u32 | Stream::Events as u32 | Stream::Grpc as u32;
    const GRPC: u32 = 1 << 21;
    const HAS_MESSAGE: u32 = 1 << 22;
    const LONG_POLL: u32 = 1 << 23;
    const SLOT: u32 = 24;
    const UPLOAD: u32 = 1 << 31;

    /// The flags of responses for which more than a status and a duration must be recorded.
    const SPECIAL: u32 = Self::UNKNOWN
        | Self::HEAD_RECORDED
        | Self::LONG_POLL
        | Self::UPLOAD
        | Stream::Events as u32
        | Stream::Grpc as u32;

    /// Creates the flags of a request that has no response yet.
    #[inline]
    pub(crate) fn new(is_grpc: bool, slot: AgeSlot) -> Self {
        let grpc = if is_grpc { Self::GRPC } else { 0 };
        Self(grpc | u32::from(slot.to_bits()) << Self::SLOT)
    }

    #[inline]
    pub(crate) fn with(self, status: StatusKey, stream: Stream) -> Self {
        Self(self.with_status(status).0 & !Self::STREAM | stream as u32)
    }

    #[inline]
    pub(crate) fn with_status(self, status: StatusKey) -> Self {
        Self(self.0 & !Self::STATUS | u32::from(status.to_bits()))
    }

    /// Returns the status; `NONE` before the response.
    #[inline]
    pub(crate) fn status(self) -> StatusKey {
        StatusKey::from_bits(self.0 as u16)
    }

    #[inline]
    pub(crate) fn is_special(self) -> bool {
        self.0 & Self::SPECIAL != 0
    }

    #[inline]
    pub(crate) fn is_grpc(self) -> bool {
        self.0 & Self::GRPC != 0
    }

    /// Returns the age slot in which the exchange started.
    #[inline]
    pub(crate) fn slot(self) -> AgeSlot {
        AgeSlot::from_bits((self.0 >> Self::SLOT) as u8 & 0x7f)
    }

    /// Marks the gRPC method as unknown, with the number of its remembered name.
    pub(crate) fn with_unknown(self, number: u16) -> Self {
        Self(self.0 & !Self::STATUS | Self::UNKNOWN | u32::from(number))
    }

    /// Takes out the number of a remembered method name.
    pub(crate) fn take_unknown(self) -> (Self, u16) {
        (Self(self.0 & !Self::STATUS & !Self::UNKNOWN), self.0 as u16)
    }

    #[inline]
    pub(crate) fn is_unknown(self) -> bool {
        self.0 & Self::UNKNOWN != 0
    }

    #[inline]
    pub(crate) fn is_head_recorded(self) -> bool {
        self.0 & Self::HEAD_RECORDED != 0
    }

    pub(crate) fn with_head_recorded(self) -> Self {
        Self(self.0 & !Self::UPLOAD | Self::HEAD_RECORDED)
    }

    /// Returns whether the route is a long poll, or a gRPC method that responds only after the
    /// client's last message.
    pub(crate) fn is_long_poll(self) -> bool {
        self.0 & Self::LONG_POLL != 0
    }

    /// Returns the kind under which an open long poll is counted.
    pub(crate) fn long_poll_kind(self) -> StreamKind {
        if self.is_grpc() { StreamKind::Grpc } else { StreamKind::LongPoll }
    }

    pub(crate) fn with_long_poll(self) -> Self {
        Self(self.0 & !Self::UPLOAD | Self::LONG_POLL)
    }

    /// Returns whether received bytes reset the request's age until the response's head is sent.
    #[inline]
    pub(crate) fn is_upload(self) -> bool {
        self.0 & Self::UPLOAD != 0
    }

    pub(crate) fn with_upload(self) -> Self {
        Self(self.0 | Self::UPLOAD)
    }

    pub(crate) fn has_message(self) -> bool {
        self.0 & Self::HAS_MESSAGE != 0
    }

    pub(crate) fn with_message(self) -> Self {
        Self(self.0 | Self::HAS_MESSAGE)
    }

    #[inline]
    pub(crate) fn is(self, stream: Stream) -> bool {
        self.0 & Self::STREAM == stream as u32
    }

    /// Returns whether the response counts as an open stream as soon as its body outlives its head.
    /// A gRPC response becomes a stream with its second message.
    pub(crate) fn is_stream_after_head(self) -> bool {
        self.is(Stream::Maybe) && !self.is_grpc()
    }

    /// Returns the kind of stream that the response declares itself to be.
    #[inline]
    pub(crate) fn stream_kind(self) -> Option<StreamKind> {
        match self.0 & Self::STREAM {
            stream if stream == Stream::Events as u32 => Some(StreamKind::EventStream),
            stream if stream == Stream::Grpc as u32 => Some(StreamKind::Grpc),
            _ => None,
        }
    }
}

/// Whether the response may be endless, in which case its duration is not a latency. Each variant
/// is a bit of the [`ResponseFlags`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Stream {
    /// The length is known.
    No = 0,
    /// The length is unknown. The response counts as a stream if it stays open for long.
    Maybe = 1 << 18,
    /// The content type is `text/event-stream`.
    Events = 1 << 19,
    /// The response has more than one gRPC message.
    Grpc = 1 << 20,
}

impl Stream {
    /// Classifies a response of unknown length.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let is_event_stream = headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| media_type::is(kind, "text/event-stream"));
        if is_event_stream { Self::Events } else { Self::Maybe }
    }
}
