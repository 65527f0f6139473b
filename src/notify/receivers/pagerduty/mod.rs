mod classify;
#[cfg(feature = "toml")]
mod config;
mod event;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::HeaderMap;
use tower_service::Service;

use self::{classify::classify, event::events};
use super::http::{
    AddressError, AlertRequest, Endpoint, RateLimit, deliver_each, from_env, tls_settings,
};
use crate::notify::{Delivered, DeliveryError, Notification};

/// Triggers and resolves PagerDuty alerts through the Events API v2.
///
/// The `dedup_key` of an alert consists of its service, instance, rule and target. So a repeated
/// event creates no second alert, and replicas don't resolve each other's alerts. If an instance
/// ends while an alert fires, the alert stays open until a person, PagerDuty's timeout or a
/// successor with the same [`instance`](crate::LookoutBuilder::instance) name resolves it. An alert
/// that fired and resolved before it was delivered is triggered with its peak and resolved at once.
///
/// The notifier posts two events a second on average, over a minute. A notification has at most 100
/// alerts; further ones wait. The routing key is a secret: no log, error or `Debug` output contains
/// it.
///
/// # Examples
///
/// ```
/// use tower_lookout::notify::PagerDuty;
///
/// let pagerduty = PagerDuty::new("0123456789abcdef0123456789secret")?;
/// assert!(!format!("{pagerduty:?}").contains("secret"));
/// # Ok::<_, tower_lookout::notify::AddressError>(())
/// ```
#[derive(Clone)]
pub struct PagerDuty {
    routing_key: Arc<str>,
    endpoint: Endpoint,
    rate_limit: RateLimit,
}

/// The Events API in the US.
const EVENTS: &str = "https://events.pagerduty.com/v2/enqueue";

/// The delay per event, for PagerDuty's rate limit.
const INTERVAL: Duration = Duration::from_millis(500);

impl PagerDuty {
    /// Creates a notifier for the integration with this routing key.
    ///
    /// # Errors
    ///
    /// Returns [`AddressError::Key`] if the key is empty or has invalid characters.
    pub fn new(routing_key: impl AsRef<str>) -> Result<Self, AddressError> {
        let invalid = |problem| AddressError::Key { receiver: "PagerDuty", problem };
        let routing_key = routing_key.as_ref().trim();
        if routing_key.is_empty() {
            return Err(invalid("is empty"));
        }
        if !routing_key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid(
                "has an invalid character: use the integration's key of 32 characters",
            ));
        }
        Ok(Self {
            routing_key: routing_key.into(),
            endpoint: endpoint(EVENTS)?,
            rate_limit: RateLimit::new(INTERVAL),
        })
    }

    /// Sets the URL that events are posted to, such as `https://events.eu.pagerduty.com/v2/enqueue`
    /// for accounts in the EU.
    ///
    /// Defaults to `https://events.pagerduty.com/v2/enqueue`.
    ///
    /// # Errors
    ///
    /// Returns [`AddressError::Address`] if `url` is invalid.
    pub fn url(self, url: impl AsRef<str>) -> Result<Self, AddressError> {
        let endpoint = endpoint(url.as_ref())?.with_trust_of(&self.endpoint);
        Ok(Self { endpoint, ..self })
    }
}

fn endpoint(url: &str) -> Result<Endpoint, AddressError> {
    Endpoint::new(url, "PagerDuty events", EVENTS)
}

tls_settings!(PagerDuty, |pagerduty, change| change(&mut pagerduty.endpoint));
from_env!(PagerDuty, "routing key", "PAGERDUTY_ROUTING_KEY");

impl fmt::Debug for PagerDuty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PagerDuty").field("routing_key", &"***").finish_non_exhaustive()
    }
}

#[cfg(feature = "state")]
impl super::address::Addressed for PagerDuty {
    fn address(&self) -> Vec<String> {
        vec![self.endpoint.address(), self.routing_key.to_string()]
    }
}

impl Service<Notification> for PagerDuty {
    type Response = Delivered;
    type Error = DeliveryError;
    type Future = Pin<Box<dyn Future<Output = Result<Delivered, DeliveryError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), DeliveryError>> {
        self.rate_limit.poll_ready(cx).map(Ok)
    }

    fn call(&mut self, notification: Notification) -> Self::Future {
        let request = |event| AlertRequest {
            endpoint: self.endpoint.clone(),
            headers: HeaderMap::new(),
            body: event,
        };
        let requests: Vec<Vec<_>> = notification
            .iter()
            .map(|(alert, changes)| {
                events(&self.routing_key, alert, changes).into_iter().map(request).collect()
            })
            .collect();
        self.rate_limit.consume(requests.iter().map(Vec::len).sum());
        Box::pin(deliver_each(requests, classify, notification))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_key_is_rejected_without_showing_it() {
        for (key, expected) in [(" ", "is empty"), ("s3cret key", "has an invalid character")] {
            let error = PagerDuty::new(key).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(!format!("{error} {error:?}").contains("s3cret"));
        }
    }
}
