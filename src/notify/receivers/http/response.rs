use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};

use crate::notify::DeliveryError;

/// A receiver's response: the status, the headers, and the beginning of the body.
#[derive(Debug)]
pub(crate) struct ApiResponse {
    pub(in crate::notify) status: StatusCode,
    pub(in crate::notify) headers: HeaderMap,
    pub(in crate::notify) text: String,
    /// Whether the body broke off or did not end in time, so `text` may be incomplete.
    pub(in crate::notify) is_truncated: bool,
}

impl ApiResponse {
    /// A summary that is safe to log: the body may repeat the request, so only its size is shown.
    pub(in crate::notify) fn summary(&self) -> String {
        format!("{} ({} bytes of body)", self.status, self.text.len())
    }

    /// Classifies the response by its status, as most receivers mean it: 2xx accepts the message;
    /// 408, 425, 429 and 5xx are transient; 400, 413 and 422 reject this message; any other status
    /// is a misconfiguration.
    ///
    /// `reason` is logged, so it must not repeat the request.
    pub(in crate::notify) fn classify_by_status(
        &self,
        now: SystemTime,
        reason: String,
    ) -> Result<(), DeliveryError> {
        let wait = self.retry_after(now);
        Err(match (self.status.as_u16(), wait) {
            (200..300, _) => return Ok(()),
            (429, wait) => DeliveryError::retry_after(wait.unwrap_or(DEFAULT_DELAY), reason),
            (503, Some(wait)) => DeliveryError::retry_after(wait, reason),
            (408 | 425 | 500.., _) => DeliveryError::temporary(reason),
            (400 | 413 | 422, _) => DeliveryError::rejected(reason),
            _ => DeliveryError::misconfigured(reason),
        })
    }

    /// The delay that `Retry-After` asks for, in seconds or as a date (RFC 9110 §10.2.3).
    pub(in crate::notify) fn retry_after(&self, now: SystemTime) -> Option<Duration> {
        let value = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
        match value.parse() {
            Ok(seconds) => retry_delay(seconds),
            Err(_) => {
                let date = httpdate::parse_http_date(value).ok()?;
                Some(date.duration_since(now).unwrap_or_default().min(MAX_DELAY))
            }
        }
    }
}

/// A delay that a receiver asks for, at most an hour. `None` if it is not a valid duration.
pub(in crate::notify) fn retry_delay(seconds: f64) -> Option<Duration> {
    Some(Duration::try_from_secs_f64(seconds).ok()?.min(MAX_DELAY))
}

/// The delay after a 429 without `Retry-After`.
const DEFAULT_DELAY: Duration = Duration::from_secs(1);

/// The longest delay that is honoured. No receiver is known to ask for more.
const MAX_DELAY: Duration = Duration::from_secs(60 * 60);
