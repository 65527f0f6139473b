use http::{HeaderMap, header};

use super::media_type;
use crate::observe::LookoutId;
use crate::{
    operation::OperationId,
    series::{AgeSlot, LabelSet, StatusKey, StreamKind},
};

/// Lookout, the user's labels and operation in one word (28, 16 and 20 bits), since each field more is
/// stored and loaded several times on its way from the service into the body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OperationRef(u64);

impl OperationRef {
    #[inline]
    pub(crate) fn new(lookout: LookoutId, operation: OperationId) -> Self {
        Self(u64::from(lookout.0) << 36 | operation.index() as u64)
    }

    #[inline]
    pub(crate) fn lookout(self) -> LookoutId {
        LookoutId((self.0 >> 36) as u32)
    }

    #[inline]
    pub(crate) fn operation(self) -> OperationId {
        OperationId::new(self.0 as u32 & 0xf_ffff)
    }

    pub(crate) fn with_operation(self, operation: OperationId) -> Self {
        Self(self.0 & !0xf_ffff | operation.index() as u64)
    }

    #[inline]
    pub(crate) fn labels(self) -> LabelSet {
        LabelSet::from_bits((self.0 >> 20) as u16)
    }

    pub(crate) fn with_labels(self, labels: LabelSet) -> Self {
        Self(self.0 & !(0xffff << 20) | u64::from(labels.to_bits()) << 20)
    }
}

/// Status, [`Stream`], protocol and the start's place among the ages, in one word for the same reason.
///
/// While a gRPC method is not known to be there, the number by which it is remembered takes the place
/// of the status.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseFlags(u32);

impl ResponseFlags {
    const STATUS: u32 = 0xffff;
    const UNKNOWN: u32 = 1 << 16;
    const HEAD_TOLD: u32 = 1 << 17;
    const STREAM: u32 = Stream::Maybe as u32 | Stream::Events as u32 | Stream::Grpc as u32;
    const GRPC: u32 = 1 << 21;
    const HAS_MESSAGE: u32 = 1 << 22;
    const LONG_POLL: u32 = 1 << 23;
    const SLOT: u32 = 24;
    const UPLOAD: u32 = 1 << 31;

    /// All that makes an end more than a status and a time.
    const SPECIAL: u32 = Self::UNKNOWN
        | Self::HEAD_TOLD
        | Self::LONG_POLL
        | Self::UPLOAD
        | Stream::Events as u32
        | Stream::Grpc as u32;

    /// None yet.
    #[inline]
    pub(crate) fn awaited(is_grpc: bool, slot: AgeSlot) -> Self {
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

    /// None without an answer.
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

    /// Where among the ages the exchange counts.
    #[inline]
    pub(crate) fn slot(self) -> AgeSlot {
        AgeSlot::from_bits((self.0 >> Self::SLOT) as u8 & 0x7f)
    }

    /// Of a gRPC method that was never seen, and is remembered by this number.
    pub(crate) fn of_unknown(self, number: u16) -> Self {
        Self(self.0 & !Self::STATUS | Self::UNKNOWN | u32::from(number))
    }

    /// The number of a method that was never seen; without it from now on.
    pub(crate) fn take_unknown(self) -> (Self, u16) {
        (Self(self.0 & !Self::STATUS & !Self::UNKNOWN), self.0 as u16)
    }

    #[inline]
    pub(crate) fn is_unknown(self) -> bool {
        self.0 & Self::UNKNOWN != 0
    }

    #[inline]
    pub(crate) fn is_head_told(self) -> bool {
        self.0 & Self::HEAD_TOLD != 0
    }

    pub(crate) fn with_head_told(self) -> Self {
        Self(self.0 & !Self::UPLOAD | Self::HEAD_TOLD)
    }

    /// Answered when there is something to tell, or when all of a stream has come.
    pub(crate) fn is_long_poll(self) -> bool {
        self.0 & Self::LONG_POLL != 0
    }

    /// As what it is told while it is open.
    pub(crate) fn long_poll_kind(self) -> StreamKind {
        if self.is_grpc() { StreamKind::Grpc } else { StreamKind::LongPoll }
    }

    pub(crate) fn of_long_poll(self) -> Self {
        Self(self.0 & !Self::UPLOAD | Self::LONG_POLL)
    }

    /// Whether the bytes of its body move its age, until the head is out.
    #[inline]
    pub(crate) fn is_upload(self) -> bool {
        self.0 & Self::UPLOAD != 0
    }

    pub(crate) fn of_upload(self) -> Self {
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

    /// Whether its body had to go on for it to be open as a stream: of gRPC the next message tells.
    pub(crate) fn is_open_by_going_on(self) -> bool {
        self.is(Stream::Maybe) && !self.is_grpc()
    }

    /// What kind of stream the response says that it is.
    #[inline]
    pub(crate) fn stream_kind(self) -> Option<StreamKind> {
        match self.0 & Self::STREAM {
            stream if stream == Stream::Events as u32 => Some(StreamKind::EventStream),
            stream if stream == Stream::Grpc as u32 => Some(StreamKind::Grpc),
            _ => None,
        }
    }
}

/// Whether the response may go on for ever, so that its end says nothing about speed; each a bit of
/// the [`ResponseFlags`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Stream {
    /// Its length is known.
    No = 0,
    /// Its length is unknown: a stream if it goes on for long.
    Maybe = 1 << 18,
    /// It says so itself, by its content type.
    Events = 1 << 19,
    /// It has more than one gRPC message.
    Grpc = 1 << 20,
}

impl Stream {
    /// Of a response whose length is not known.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let is_event_stream = headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| media_type::is(kind, "text/event-stream"));
        if is_event_stream { Self::Events } else { Self::Maybe }
    }
}
