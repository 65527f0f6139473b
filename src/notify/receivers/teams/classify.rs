use std::time::SystemTime;

use serde_json::Value;

use crate::notify::{DeliveryError, receivers::http::ApiResponse};

/// Classifies a workflow's response to a post. An error's body contains an Azure error code.
pub(super) fn classify(response: &ApiResponse, now: SystemTime) -> Result<(), DeliveryError> {
    let body: Value = serde_json::from_str(&response.text).unwrap_or_default();
    let code = body["error"]["code"].as_str().filter(|code| is_error_code(code));
    let reason = match code {
        Some(code) => format!("{} {code}", response.status),
        None => response.status.to_string(),
    };
    if code.is_some_and(|code| MISCONFIGURED.contains(&code)) {
        return Err(DeliveryError::misconfigured(reason));
    }
    response.classify_by_status(now, reason)
}

/// Whether a text has the form of Azure's error codes. Any other text may repeat the request,
/// including the address, so it is not logged.
fn is_error_code(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// The error codes of a workflow that accepts nothing. They come with status 400.
const MISCONFIGURED: [&str; 3] =
    ["WorkflowNotFound", "WorkflowTriggerIsNotEnabled", "WorkflowTriggerNotFound"];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, StatusCode, header};

    use super::*;
    use crate::{causes::one_line, notify::DeliveryErrorKind};

    #[test]
    fn each_response_is_classified_and_shows_only_its_error_code() {
        let after = |seconds| Some(DeliveryErrorKind::RetryAfter(Duration::from_secs(seconds)));
        let off = r#"{"error": {"code": "WorkflowTriggerIsNotEnabled", "message": "s3cret"}}"#;
        let bad = r#"{"error": {"code": "TriggerInputSchemaMismatch", "message": "s3cret"}}"#;
        for (status, text, expected, expected_text) in [
            (202, "", None, ""),
            (200, "1", None, ""),
            (400, off, Some(DeliveryErrorKind::Misconfigured), " WorkflowTriggerIsNotEnabled"),
            (400, bad, Some(DeliveryErrorKind::Rejected), " TriggerInputSchemaMismatch"),
            (
                401,
                r#"{"error": {"code": "sig=s3cret"}}"#,
                Some(DeliveryErrorKind::Misconfigured),
                "401 Unauthorized",
            ),
            (404, "", Some(DeliveryErrorKind::Misconfigured), "404 Not Found"),
            (
                413,
                "request entity too large",
                Some(DeliveryErrorKind::Rejected),
                "413 Payload Too Large",
            ),
            (429, "", after(9), "429 Too Many Requests"),
            (502, "", Some(DeliveryErrorKind::Temporary), "502 Bad Gateway"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, "9".parse().unwrap());
            let status = StatusCode::from_u16(status).unwrap();
            let response =
                ApiResponse { status, headers, text: text.to_owned(), is_truncated: false };
            let error = classify(&response, SystemTime::now()).err().map(tower::BoxError::from);
            assert_eq!(error.as_ref().map(DeliveryErrorKind::of), expected, "{status}");
            let reason = error.as_ref().map(|error| one_line(&**error)).unwrap_or_default();
            assert!(reason.ends_with(expected_text) && !reason.contains("s3cret"), "{reason}");
        }
    }
}
