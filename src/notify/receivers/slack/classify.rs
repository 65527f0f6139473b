use std::time::SystemTime;

use crate::notify::{DeliveryError, receivers::http::ApiResponse};

/// What Slack's answer to a post means.
///
/// A success is a 200 with the body `ok`. An error is told by a word, which says more than the
/// status: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>.
pub(super) fn classify(answer: &ApiResponse, now: SystemTime) -> Result<(), DeliveryError> {
    let text = answer.text.trim();
    let told = format!("{}{}", answer.status, word(text));
    if answer.status.is_success() {
        return match text {
            "" | "ok" => Ok(()),
            // Slack took the message with the head.
            _ if answer.is_truncated => Ok(()),
            // Taken by something that is not Slack: a second try would most likely be taken, too.
            _ => Err(DeliveryError::astray(told)),
        };
    }
    if IS_BROKEN.contains(&text) {
        return Err(DeliveryError::broken(told));
    }
    answer.classify_by_status(now, told)
}

/// An answer as it may go into a log: Slack's are a word. Anything else may repeat what was sent, the
/// address among it.
fn word(answer: &str) -> String {
    if is_word(answer) {
        format!(" {answer}")
    } else {
        format!(" ({} bytes that are no word of Slack's)", answer.len())
    }
}

/// Whether it is one of those by which Slack names an error.
pub(super) fn is_word(text: &str) -> bool {
    let is_of_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(is_of_word)
}

/// The words that say that the webhook is no good any more; they come with 400, 403, 404 or 410.
const IS_BROKEN: [&str; 10] = [
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
    use crate::notify::error::Remedy;

    fn remedy(status: u16, retry_after: Option<&str>, text: &str) -> Option<Remedy> {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(header::RETRY_AFTER, value.parse().unwrap());
        }
        let now = httpdate::parse_http_date("Sun, 22 Nov 2026 12:00:00 GMT").unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        let answer = ApiResponse { status, headers, text: text.to_owned(), is_truncated: false };
        let error = classify(&answer, now).err()?;
        Some(DeliveryError::remedy_of(&error.into()))
    }

    #[test]
    fn every_answer_has_its_remedy() {
        let after = |seconds| Some(Remedy::RetryAfter(Duration::from_secs(seconds)));
        for (status, retry_after, answer, expected) in [
            (200, None, "ok", None),
            (200, None, "", None),
            (200, None, "<html>sign in</html>", Some(Remedy::Rejected)),
            (302, None, "", Some(Remedy::Misconfigured)),
            (400, None, "invalid_payload", Some(Remedy::Rejected)),
            (400, None, "invalid_blocks", Some(Remedy::Rejected)),
            (400, None, "no_service", Some(Remedy::Misconfigured)),
            (403, None, "invalid_token", Some(Remedy::Misconfigured)),
            (404, None, "no_service", Some(Remedy::Misconfigured)),
            (404, None, "", Some(Remedy::Misconfigured)),
            (410, None, "channel_is_archived", Some(Remedy::Misconfigured)),
            (413, None, "", Some(Remedy::Rejected)),
            (429, Some("7"), "rate_limited", after(7)),
            (429, Some("Sun, 22 Nov 2026 12:00:30 GMT"), "", after(30)),
            (429, Some("Sun, 22 Nov 2026 11:00:00 GMT"), "", after(0)),
            (429, Some("soon"), "", after(1)),
            (429, Some("1e300"), "", after(1)),
            (429, Some("999999"), "", after(3_600)),
            (429, None, "", after(1)),
            (408, None, "", Some(Remedy::Retry)),
            (500, None, "rollup_error", Some(Remedy::Retry)),
            (503, None, "", Some(Remedy::Retry)),
        ] {
            assert_eq!(remedy(status, retry_after, answer), expected, "{status} {answer:?}");
        }
    }
}
