use std::time::{Duration, SystemTime};

use http::StatusCode;

use crate::notify::{DeliveryError, receivers::http::ApiResponse};

/// The delay after a 429 without `Retry-After`. PagerDuty limits events per minute.
const DEFAULT_DELAY: Duration = Duration::from_secs(60);

/// Classifies PagerDuty's response to an event:
/// <https://developer.pagerduty.com/docs/send-alert-event#responses>.
pub(super) fn classify(response: &ApiResponse, now: SystemTime) -> Result<(), DeliveryError> {
    let reason = response.status.to_string();
    if response.status == StatusCode::TOO_MANY_REQUESTS && response.retry_after(now).is_none() {
        return Err(DeliveryError::retry_after(DEFAULT_DELAY, reason));
    }
    if response.status == StatusCode::BAD_REQUEST && rejects_key(&response.text) {
        return Err(DeliveryError::misconfigured(format!(
            "{reason}: PagerDuty rejects the routing key"
        )));
    }
    response.classify_by_status(now, reason)
}

/// Whether an error concerns the routing key, so PagerDuty would reject each event.
fn rejects_key(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("routing_key") || text.contains("routing key")
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, header};

    use super::*;
    use crate::notify::DeliveryErrorKind;

    #[test]
    fn each_response_is_classified() {
        let after = |seconds| Some(DeliveryErrorKind::RetryAfter(Duration::from_secs(seconds)));
        let of_key = r#"{"status": "invalid event", "message": "Event object is invalid",
            "errors": ["Length of 'routing_key' is incorrect (should be 32 characters)"]}"#;
        let of_event = r#"{"status": "invalid event", "message": "Event object is invalid",
            "errors": ["'payload.severity' is invalid"]}"#;
        for (status, retry_after, text, expected) in [
            (202, None, r#"{"status": "success", "dedup_key": "x"}"#, None),
            (400, None, of_key, Some(DeliveryErrorKind::Misconfigured)),
            (400, None, "Invalid Routing Key", Some(DeliveryErrorKind::Misconfigured)),
            (400, None, of_event, Some(DeliveryErrorKind::Rejected)),
            (403, None, "", Some(DeliveryErrorKind::Misconfigured)),
            (413, None, "", Some(DeliveryErrorKind::Rejected)),
            (429, None, "", after(60)),
            (429, Some("7"), "", after(7)),
            (500, None, "", Some(DeliveryErrorKind::Temporary)),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = retry_after {
                headers.insert(header::RETRY_AFTER, value.parse().unwrap());
            }
            let status = StatusCode::from_u16(status).unwrap();
            let response =
                ApiResponse { status, headers, text: text.to_owned(), is_truncated: false };
            let remedy = classify(&response, SystemTime::now()).err().map(|error| error.kind());
            assert_eq!(remedy, expected, "{status} {text}");
        }
    }
}
