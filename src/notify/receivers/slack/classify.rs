use std::time::SystemTime;

use crate::notify::{DeliveryError, receivers::http::ApiResponse};

/// Classifies Slack's response to a post.
///
/// A success is a 200 with the body `ok`. An error has a code in the body, which is more precise
/// than the status: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>.
pub(super) fn classify(response: &ApiResponse, now: SystemTime) -> Result<(), DeliveryError> {
    let text = response.text.trim();
    let reason = format!("{}{}", response.status, loggable(text));
    if response.status.is_success() {
        return match text {
            "" | "ok" => Ok(()),
            // Slack accepted the message when it sent the head.
            _ if response.is_truncated => Ok(()),
            // Something other than Slack accepted the message, and would accept a retry, too.
            _ => Err(DeliveryError::undeliverable(reason)),
        };
    }
    if MISCONFIGURED.contains(&text) {
        return Err(DeliveryError::misconfigured(reason));
    }
    response.classify_by_status(now, reason)
}

/// The part of a body that is safe to log: an error code. Any other text may repeat the request,
/// including the address.
fn loggable(text: &str) -> String {
    if is_error_code(text) {
        format!(" {text}")
    } else {
        format!(" ({} bytes that are not a Slack error code)", text.len())
    }
}

/// Whether a text has the form of Slack's error codes.
pub(super) fn is_error_code(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(is_part)
}

/// The error codes of a webhook that no longer works. They come with 400, 403, 404 or 410.
const MISCONFIGURED: [&str; 10] = [
    "action_prohibited",
    "channel_is_archived",
    "channel_not_found",
    "invalid_token",
    "no_active_hooks",
    "no_service",
    "no_service_id",
    "no_team",
    "posting_to_general_channel_denied",
    "user_not_found",
];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, StatusCode, header};

    use super::*;
    use crate::notify::DeliveryErrorKind;

    fn remedy(status: u16, retry_after: Option<&str>, text: &str) -> Option<DeliveryErrorKind> {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(header::RETRY_AFTER, value.parse().unwrap());
        }
        let now = httpdate::parse_http_date("Sun, 22 Nov 2026 12:00:00 GMT").unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        let response = ApiResponse { status, headers, text: text.to_owned(), is_truncated: false };
        let error = classify(&response, now).err()?;
        Some(DeliveryErrorKind::of(&error.into()))
    }

    #[test]
    fn each_response_is_classified() {
        let after = |seconds| Some(DeliveryErrorKind::RetryAfter(Duration::from_secs(seconds)));
        for (status, retry_after, text, expected) in [
            (200, None, "ok", None),
            (200, None, "", None),
            (200, None, "<html>sign in</html>", Some(DeliveryErrorKind::Undeliverable)),
            (302, None, "", Some(DeliveryErrorKind::Misconfigured)),
            (400, None, "invalid_payload", Some(DeliveryErrorKind::Rejected)),
            (400, None, "invalid_blocks", Some(DeliveryErrorKind::Rejected)),
            (400, None, "no_service", Some(DeliveryErrorKind::Misconfigured)),
            (403, None, "invalid_token", Some(DeliveryErrorKind::Misconfigured)),
            (404, None, "no_service", Some(DeliveryErrorKind::Misconfigured)),
            (404, None, "", Some(DeliveryErrorKind::Misconfigured)),
            (410, None, "channel_is_archived", Some(DeliveryErrorKind::Misconfigured)),
            (413, None, "", Some(DeliveryErrorKind::Rejected)),
            (429, Some("7"), "rate_limited", after(7)),
            (429, Some("Sun, 22 Nov 2026 12:00:30 GMT"), "", after(30)),
            (429, Some("Sun, 22 Nov 2026 11:00:00 GMT"), "", after(0)),
            (429, Some("soon"), "", after(1)),
            (429, Some("1e300"), "", after(1)),
            (429, Some("999999"), "", after(3_600)),
            (429, None, "", after(1)),
            (408, None, "", Some(DeliveryErrorKind::Temporary)),
            (500, None, "rollup_error", Some(DeliveryErrorKind::Temporary)),
            (503, None, "", Some(DeliveryErrorKind::Temporary)),
        ] {
            assert_eq!(remedy(status, retry_after, text), expected, "{status} {text:?}");
        }
    }
}
