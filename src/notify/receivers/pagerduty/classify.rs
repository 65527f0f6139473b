use std::time::{Duration, SystemTime};

use http::StatusCode;

use crate::notify::{DeliveryError, receivers::http::ApiResponse};

/// What is waited after a 429 that says nothing of it; PagerDuty counts by the minute.
const WAIT: Duration = Duration::from_secs(60);

/// What PagerDuty's answer to an event means:
/// <https://developer.pagerduty.com/docs/send-alert-event#responses>.
pub(super) fn classify(answer: &ApiResponse, now: SystemTime) -> Result<(), DeliveryError> {
    let told = answer.status.to_string();
    if answer.status == StatusCode::TOO_MANY_REQUESTS && answer.retry_after(now).is_none() {
        return Err(DeliveryError::retry_after(WAIT, told));
    }
    if answer.status == StatusCode::BAD_REQUEST && is_about_the_key(&answer.text) {
        return Err(DeliveryError::broken(format!("{told}: the routing key is not taken")));
    }
    answer.classify_by_status(now, told)
}

/// No event is taken with such a key, and a person may mend it there.
fn is_about_the_key(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("routing_key") || text.contains("routing key")
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, header};

    use super::*;
    use crate::notify::error::Remedy;

    #[test]
    fn every_answer_has_its_remedy() {
        let after = |seconds| Some(Remedy::RetryAfter(Duration::from_secs(seconds)));
        let of_key = r#"{"status": "invalid event", "message": "Event object is invalid",
            "errors": ["Length of 'routing_key' is incorrect (should be 32 characters)"]}"#;
        let of_event = r#"{"status": "invalid event", "message": "Event object is invalid",
            "errors": ["'payload.severity' is invalid"]}"#;
        for (status, retry_after, text, expected) in [
            (202, None, r#"{"status": "success", "dedup_key": "x"}"#, None),
            (400, None, of_key, Some(Remedy::Misconfigured)),
            (400, None, "Invalid Routing Key", Some(Remedy::Misconfigured)),
            (400, None, of_event, Some(Remedy::Rejected)),
            (403, None, "", Some(Remedy::Misconfigured)),
            (413, None, "", Some(Remedy::Rejected)),
            (429, None, "", after(60)),
            (429, Some("7"), "", after(7)),
            (500, None, "", Some(Remedy::Retry)),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = retry_after {
                headers.insert(header::RETRY_AFTER, value.parse().unwrap());
            }
            let status = StatusCode::from_u16(status).unwrap();
            let answer =
                ApiResponse { status, headers, text: text.to_owned(), is_truncated: false };
            let remedy = classify(&answer, SystemTime::now()).err().map(|error| error.remedy());
            assert_eq!(remedy, expected, "{status} {text}");
        }
    }
}
