use std::time::SystemTime;

use http::StatusCode;
use serde_json::Value;

use crate::notify::{
    DeliveryError,
    receivers::http::{ApiResponse, retry_delay},
};

/// Classifies Discord's response to a post.
///
/// The body of a 429 contains the delay in milliseconds, and the body of an error its code:
/// <https://docs.discord.com/developers/topics/opcodes-and-status-codes#json>.
pub(super) fn classify(response: &ApiResponse, now: SystemTime) -> Result<(), DeliveryError> {
    let body: Value = serde_json::from_str(&response.text).unwrap_or_default();
    let reason = match body["code"].as_u64() {
        Some(code) if code > 0 => format!("{}, Discord error {code}", response.status),
        _ => response.status.to_string(),
    };
    if response.status == StatusCode::TOO_MANY_REQUESTS
        && let Some(wait) = body["retry_after"].as_f64().and_then(retry_delay)
    {
        return Err(DeliveryError::retry_after(wait, reason));
    }
    response.classify_by_status(now, reason)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, header};

    use super::*;
    use crate::{causes::one_line, notify::DeliveryErrorKind};

    fn error(status: u16, retry_after: &str, text: &str) -> Option<tower::BoxError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, retry_after.parse().unwrap());
        let status = StatusCode::from_u16(status).unwrap();
        let response = ApiResponse { status, headers, text: text.to_owned(), is_truncated: false };
        classify(&response, SystemTime::now()).err().map(Into::into)
    }

    #[test]
    fn each_response_is_classified() {
        let after = |seconds| Some(DeliveryErrorKind::RetryAfter(Duration::from_secs_f64(seconds)));
        let limit = r#"{"message": "You are being rate limited.", "retry_after": 0.469}"#;
        for (status, retry_after, text, expected) in [
            (204, "", "", None),
            (200, "", r#"{"id": "1"}"#, None),
            (
                400,
                "",
                r#"{"code": 50035, "message": "Invalid Form Body"}"#,
                Some(DeliveryErrorKind::Rejected),
            ),
            (401, "", r#"{"code": 50027}"#, Some(DeliveryErrorKind::Misconfigured)),
            (403, "", "", Some(DeliveryErrorKind::Misconfigured)),
            (
                404,
                "",
                r#"{"code": 10015, "message": "Unknown Webhook"}"#,
                Some(DeliveryErrorKind::Misconfigured),
            ),
            (429, "1", limit, after(0.469)),
            (429, "2", r#"{"retry_after": -1}"#, after(2.0)),
            (429, "65", "error code: 1015", after(65.0)),
            (500, "", "", Some(DeliveryErrorKind::Temporary)),
        ] {
            let remedy =
                error(status, retry_after, text).map(|error| DeliveryErrorKind::of(&error));
            assert_eq!(remedy, expected, "{status} {text}");
        }
    }

    #[test]
    fn an_error_shows_its_code() {
        let error =
            error(404, "", r#"{"code": 10015, "message": "/api/webhooks/s3cret"}"#).unwrap();
        assert_eq!(
            one_line(&*error),
            "the notifier is misconfigured: 404 Not Found, Discord error 10015"
        );
    }
}
