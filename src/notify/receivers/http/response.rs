use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};

use crate::notify::DeliveryError;

/// A receiver's answer: the status, the headers, and the beginning of the body.
#[derive(Debug)]
pub(crate) struct ApiResponse {
    pub(in crate::notify) status: StatusCode,
    pub(in crate::notify) headers: HeaderMap,
    pub(in crate::notify) text: String,
    /// Whether the body broke off, or did not end in time: `text` may be a part of what was meant.
    #[cfg_attr(
        not(feature = "slack"),
        expect(dead_code, reason = "only Slack answers by the body")
    )]
    pub(in crate::notify) is_truncated: bool,
}

impl ApiResponse {
    /// The answer as it may go into a log, where the receiver's words are not known.
    #[cfg(any(feature = "alertmanager", feature = "webhook"))]
    pub(in crate::notify) fn summary(&self) -> String {
        format!("{} ({} bytes of text)", self.status, self.text.len())
    }

    /// What most receivers mean by their status: a success took the message; 429, 408, 425 and 5xx
    /// pass; 400, 413 and 422 are about this message; the rest is for a person to mend.
    ///
    /// `told` goes into logs. The answer's text does not by itself, since it may repeat what was sent.
    pub(in crate::notify) fn classify_by_status(
        &self,
        now: SystemTime,
        told: String,
    ) -> Result<(), DeliveryError> {
        // Whoever is overloaded may say when it is over, too.
        let wait = self.retry_after(now);
        Err(match (self.status.as_u16(), wait) {
            (200..300, _) => return Ok(()),
            (429, wait) => DeliveryError::retry_after(wait.unwrap_or(DEFAULT_WAIT), told),
            (503, Some(wait)) => DeliveryError::retry_after(wait, told),
            (408 | 425 | 500.., _) => DeliveryError::retry(told),
            (400 | 413 | 422, _) => DeliveryError::rejected(told),
            _ => DeliveryError::broken(told),
        })
    }

    /// When to try again, in both forms of RFC 9110 §10.2.3: seconds, or a date.
    pub(in crate::notify) fn retry_after(&self, now: SystemTime) -> Option<Duration> {
        let value = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
        match value.parse() {
            Ok(seconds) => retry_delay(seconds),
            Err(_) => {
                let date = httpdate::parse_http_date(value).ok()?;
                Some(date.duration_since(now).unwrap_or_default().min(LONGEST_WAIT))
            }
        }
    }
}

/// A wait as a receiver tells it; `None` if it can be none.
pub(in crate::notify) fn retry_delay(seconds: f64) -> Option<Duration> {
    Some(Duration::try_from_secs_f64(seconds).ok()?.min(LONGEST_WAIT))
}

const DEFAULT_WAIT: Duration = Duration::from_secs(1);

/// Longer than any receiver asks for in earnest.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);
