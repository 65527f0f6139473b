use std::time::SystemTime;

use http::StatusCode;

use crate::notify::{DeliveryError, receivers::http::ApiResponse};

/// Classifies Opsgenie's response to a request: <https://docs.opsgenie.com/docs/response>.
pub(super) fn classify(response: &ApiResponse, now: SystemTime) -> Result<(), DeliveryError> {
    let reason = response.status.to_string();
    if response.status == StatusCode::UNPROCESSABLE_ENTITY && rejects_key(&response.text) {
        return Err(DeliveryError::misconfigured(format!(
            "{reason}: Opsgenie rejects the API key"
        )));
    }
    response.classify_by_status(now, reason)
}

/// Whether an error concerns the key, so Opsgenie would reject each request.
fn rejects_key(text: &str) -> bool {
    text.to_ascii_lowercase().contains("key format")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, header};

    use super::*;
    use crate::notify::DeliveryErrorKind;

    #[test]
    fn each_response_is_classified() {
        let after = |seconds| Some(DeliveryErrorKind::RetryAfter(Duration::from_secs(seconds)));
        let of_key = r#"{"message": "Key format is not valid!", "took": 0.001}"#;
        let of_field = r#"{"message": "Request body is not processable.", "took": 0.001}"#;
        for (status, retry_after, text, expected) in [
            (202, "", r#"{"result": "Request will be processed", "took": 0.3}"#, None),
            (400, "", "", Some(DeliveryErrorKind::Rejected)),
            (401, "", "", Some(DeliveryErrorKind::Misconfigured)),
            (402, "", "", Some(DeliveryErrorKind::Misconfigured)),
            (403, "", "", Some(DeliveryErrorKind::Misconfigured)),
            (422, "", of_key, Some(DeliveryErrorKind::Misconfigured)),
            (422, "", of_field, Some(DeliveryErrorKind::Rejected)),
            (429, "", "", after(1)),
            (429, "7", "", after(7)),
            (503, "", "", Some(DeliveryErrorKind::Temporary)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, retry_after.parse().unwrap());
            let status = StatusCode::from_u16(status).unwrap();
            let response =
                ApiResponse { status, headers, text: text.to_owned(), is_truncated: false };
            let kind = classify(&response, SystemTime::now()).err().map(|error| error.kind());
            assert_eq!(kind, expected, "{status} {text}");
        }
    }
}
