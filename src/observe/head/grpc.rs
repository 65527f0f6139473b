//! Reads gRPC's content type, path, status and message prefixes, as specified in
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.

use std::io::IoSlice;

use bytes::Buf;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::media_type;
use crate::{outcome::GrpcStatus, series::StatusKey};

/// Returns whether the content type is gRPC's. gRPC-Web counts as HTTP: its trailers are inside the
/// body, so no layer sees the status.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    value(headers, &header::CONTENT_TYPE)
        .is_some_and(|kind| media_type::is_with_suffix(kind, "application/grpc"))
}

/// Returns the fully qualified method: `shop.Orders/Create` for `/shop.Orders/Create`.
#[inline]
pub(crate) fn method(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}

/// The header's name, parsed once instead of at each lookup.
static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// Returns the status in a head or in trailers, if there is one.
pub(crate) fn status(headers: &HeaderMap) -> Option<GrpcStatus> {
    value(headers, &GRPC_STATUS).map(|status| GrpcStatus::parse(status.as_bytes()))
}

/// Returns a header's first value. gRPC has so few headers and trailers that comparing them is
/// faster than hashing.
fn value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    const FEW: usize = 8;
    if headers.len() > FEW {
        return headers.get(name);
    }
    headers.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// Returns the status in a head, or `GRPC_MISSING` if it may still come in the trailers.
pub(crate) fn status_of_head(http: StatusCode, headers: &HeaderMap) -> StatusKey {
    match status(headers) {
        None if http == StatusCode::OK => StatusKey::GRPC_MISSING,
        status => StatusKey::grpc(status.unwrap_or_else(|| GrpcStatus::of_http(http))),
    }
}

/// Counts the messages in a body. Each message has a prefix: a flag, and its length in four bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Framing {
    /// The remaining bytes of the current message. Inside a prefix, the part of the length that has
    /// been read.
    left: u32,
    /// The number of bytes of the current prefix that have been read.
    prefix: u8,
}

impl Framing {
    const PREFIX: u8 = 5;

    #[inline]
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self { left: bits as u32, prefix: (bits >> 32) as u8 }
    }

    #[inline]
    pub(crate) fn to_bits(self) -> u64 {
        u64::from(self.prefix) << 32 | u64::from(self.left)
    }

    /// Counts the messages that begin in this data. Returns the framing after it.
    #[inline]
    pub(crate) fn begun(self, data: &impl Buf) -> (Self, u32) {
        let first = data.chunk();
        if first.len() == data.remaining() {
            self.count_in(first)
        } else {
            self.count_in_pieces(data)
        }
    }

    /// Counts the messages in data of several pieces. If some of the data cannot be read, the rest
    /// of the body counts as part of the current message, since later prefixes cannot be found.
    #[cold]
    fn count_in_pieces(mut self, data: &impl Buf) -> (Self, u32) {
        const MAX_PIECES: usize = 16;
        let mut pieces = [IoSlice::new(&[]); MAX_PIECES];
        let count = data.chunks_vectored(&mut pieces);
        let (mut all, mut seen) = (0, 0);
        for piece in &pieces[..count] {
            let begun;
            (self, begun) = self.count_in(piece);
            all += begun;
            seen += piece.len();
        }
        if seen < data.remaining() {
            self = Self { left: u32::MAX, prefix: 0 };
        }
        (self, all)
    }

    fn count_in(mut self, mut bytes: &[u8]) -> (Self, u32) {
        let mut begun = 0;
        while !bytes.is_empty() {
            // A prefix nearly always arrives in one piece.
            if self.left == 0
                && self.prefix == 0
                && let Some(([_, length @ ..], rest)) = bytes.split_first_chunk::<5>()
            {
                begun += 1;
                self.left = u32::from_be_bytes(*length);
                bytes = rest;
                continue;
            }
            if self.left > 0 && self.prefix == 0 {
                let skipped = bytes.len().min(self.left as usize);
                self.left -= skipped as u32;
                bytes = &bytes[skipped..];
                continue;
            }
            if self.prefix == 0 {
                begun += 1;
            } else {
                self.left = self.left << 8 | u32::from(bytes[0]);
            }
            self.prefix = (self.prefix + 1) % Self::PREFIX;
            bytes = &bytes[1..];
        }
        (self, begun)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(length: usize) -> Vec<u8> {
        let mut message = vec![0];
        message.extend((length as u32).to_be_bytes());
        message.extend(vec![7; length]);
        message
    }

    proptest! {
        #[test]
        fn messages_are_counted_for_any_chunking(
            lengths in prop::collection::vec(0_usize..40, 0..20),
            cut in 1_usize..50,
        ) {
            let bytes: Vec<u8> = lengths.iter().flat_map(|length| message(*length)).collect();
            let mut framing = Framing::default();
            let mut counted = 0;
            for chunk in bytes.chunks(cut) {
                let begun;
                (framing, begun) = framing.begun(&chunk);
                counted += begun as usize;
            }
            prop_assert_eq!(counted, lengths.len());
            prop_assert_eq!(framing, Framing::default());
        }

        #[test]
        fn messages_are_counted_in_non_contiguous_data(
            lengths in prop::collection::vec(0_usize..40, 1..20),
            cuts in [0_usize..200, 0_usize..200],
        ) {
            let bytes: Vec<u8> = lengths.iter().flat_map(|length| message(*length)).collect();
            let (first, rest) = bytes.split_at(cuts[0].min(bytes.len()));
            let (second, third) = rest.split_at(cuts[1].min(rest.len()));
            let (framing, begun) = Framing::default().begun(&first.chain(second).chain(third));
            prop_assert_eq!((framing, begun as usize), (Framing::default(), lengths.len()));
        }
    }

    /// A buffer that exposes only its first piece, as `Buf` allows.
    struct Opaque<B>(B);

    impl<B: Buf> Buf for Opaque<B> {
        fn remaining(&self) -> usize {
            self.0.remaining()
        }

        fn chunk(&self) -> &[u8] {
            self.0.chunk()
        }

        fn advance(&mut self, by: usize) {
            self.0.advance(by);
        }
    }

    #[test]
    fn no_message_is_counted_after_unreadable_data() {
        let (first, second) = (message(3), [message(7), message(9)].concat());
        let data = Opaque(Buf::chain(&first[..], &second[..5]));
        let (framing, begun) = Framing::default().begun(&data);
        assert_eq!(begun, 1);
        assert_eq!(framing.begun(&&second[5..]).1, 0);
    }

    #[test]
    fn grpc_is_detected_by_its_content_type_and_grpc_web_is_http() {
        let is = |kind: &str| {
            is_grpc(&HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]))
        };
        assert!(is("application/grpc") && is("Application/Grpc+Proto"));
        assert!(!is("application/grpc-web") && !is_grpc(&HeaderMap::new()));
    }

    #[test]
    fn the_status_comes_from_the_head_or_from_the_http_status_or_is_missing() {
        let mut headers = HeaderMap::new();
        assert_eq!(status_of_head(StatusCode::OK, &headers), StatusKey::GRPC_MISSING);
        let unavailable = StatusKey::grpc(GrpcStatus::from_code(14));
        assert_eq!(status_of_head(StatusCode::BAD_GATEWAY, &headers), unavailable);
        for (value, code) in [("0", 0), ("5", 5), ("77", 2), ("x", 2)] {
            headers.insert("grpc-status", value.parse().unwrap());
            let expected = StatusKey::grpc(GrpcStatus::from_code(code));
            assert_eq!(status_of_head(StatusCode::OK, &headers), expected);
        }
    }
}
