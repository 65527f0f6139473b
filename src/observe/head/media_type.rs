//! Compares media types. Type and subtype are case-insensitive (RFC 9110 §8.3.1).

use http::HeaderValue;

/// Returns whether a content type is this media type. Ignores parameters.
pub(crate) fn is(content_type: &HeaderValue, media_type: &str) -> bool {
    rest(content_type, media_type).is_some_and(|rest| !matches!(rest.first(), Some(b'+')))
}

/// Returns whether a content type is this media type, with or without a suffix such as `+proto`.
#[inline]
pub(crate) fn is_with_suffix(content_type: &HeaderValue, media_type: &str) -> bool {
    rest(content_type, media_type).is_some()
}

/// Returns the rest of the header after the media type; `None` for any other media type.
#[inline]
fn rest<'a>(content_type: &'a HeaderValue, media_type: &str) -> Option<&'a [u8]> {
    let (start, rest) = content_type.as_bytes().split_at_checked(media_type.len())?;
    let ends = matches!(rest.first(), None | Some(b';' | b'+' | b' ' | b'\t'));
    (ends && start.eq_ignore_ascii_case(media_type.as_bytes())).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparison_ignores_case_and_parameters() {
        let is = |value: &str| is(&value.parse().unwrap(), "text/event-stream");
        for same in [
            "text/event-stream",
            "Text/Event-Stream",
            "TEXT/EVENT-STREAM;charset=utf-8",
            "text/event-stream ; charset=UTF-8",
            "text/event-stream\t;charset=UTF-8",
        ] {
            assert!(is(same), "{same}");
        }
        for other in ["", "text/event-stream+xml", "text/event-streams", "text/event", "text/plain"]
        {
            assert!(!is(other), "{other}");
        }
    }

    #[test]
    fn a_suffix_matches_and_a_longer_name_does_not() {
        let is = |value: &str| is_with_suffix(&value.parse().unwrap(), "application/grpc");
        for same in ["application/grpc", "Application/GRPC+Proto", "application/grpc;a=b"] {
            assert!(is(same), "{same}");
        }
        for other in ["application/grpc-web", "application/GRPC-Web+proto", "application/json"] {
            assert!(!is(other), "{other}");
        }
    }
}
