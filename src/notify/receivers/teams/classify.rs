use std::time::SystemTime;

use serde_json::Value;

use crate::notify::{DeliveryError, receivers::http::ApiResponse};

/// What a workflow's answer to a post means. An error has a word in its body, as Azure's do.
pub(super) fn classify(answer: &ApiResponse, now: SystemTime) -> Result<(), DeliveryError> {
    let body: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    let word = body["error"]["code"].as_str().filter(|word| is_word(word));
    let told = match word {
        Some(word) => format!("{} {word}", answer.status),
        None => answer.status.to_string(),
    };
    if word.is_some_and(|word| IS_BROKEN.contains(&word)) {
        return Err(DeliveryError::broken(told));
    }
    answer.classify_by_status(now, told)
}

/// Whether it may go into a log: anything else may repeat what was sent, the address among it.
fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// The words that say that the workflow takes nothing, though they come with 400.
const IS_BROKEN: [&str; 3] =
    ["WorkflowNotFound", "WorkflowTriggerIsNotEnabled", "WorkflowTriggerNotFound"];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, StatusCode, header};

    use super::*;
    use crate::notify::error::{Remedy, chain};

    #[test]
    fn every_answer_has_its_remedy_and_tells_no_more_than_a_word() {
        let after = |seconds| Some(Remedy::RetryAfter(Duration::from_secs(seconds)));
        let off = r#"{"error": {"code": "WorkflowTriggerIsNotEnabled", "message": "s3cret"}}"#;
        let bad = r#"{"error": {"code": "TriggerInputSchemaMismatch", "message": "s3cret"}}"#;
        for (status, text, expected, tells) in [
            (202, "", None, ""),
            (200, "1", None, ""),
            (400, off, Some(Remedy::Misconfigured), " WorkflowTriggerIsNotEnabled"),
            (400, bad, Some(Remedy::Rejected), " TriggerInputSchemaMismatch"),
            (
                401,
                r#"{"error": {"code": "sig=s3cret"}}"#,
                Some(Remedy::Misconfigured),
                "401 Unauthorized",
            ),
            (404, "", Some(Remedy::Misconfigured), "404 Not Found"),
            (413, "request entity too large", Some(Remedy::Rejected), "413 Payload Too Large"),
            (429, "", after(9), "429 Too Many Requests"),
            (502, "", Some(Remedy::Retry), "502 Bad Gateway"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, "9".parse().unwrap());
            let status = StatusCode::from_u16(status).unwrap();
            let answer =
                ApiResponse { status, headers, text: text.to_owned(), is_truncated: false };
            let error = classify(&answer, SystemTime::now()).err().map(tower::BoxError::from);
            assert_eq!(error.as_ref().map(DeliveryError::remedy_of), expected, "{status}");
            let told = error.as_ref().map(|error| chain(&**error)).unwrap_or_default();
            assert!(told.ends_with(tells) && !told.contains("s3cret"), "{told}");
        }
    }
}
