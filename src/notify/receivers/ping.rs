use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::SystemTime,
};

use http::HeaderMap;
use serde_json::json;
use tower_service::Service;

use super::http::{AddressError, Endpoint, from_env, tls_settings};
use crate::notify::{DeliveryError, Notification};

/// Pings a dead man's switch, such as healthchecks.io or Dead Man's Snitch, which alerts when the
/// pings stop; see [`heartbeat`](crate::LookoutBuilder::heartbeat).
///
/// Each ping posts the names of the service and the instance as JSON, and no alerts. A 2xx response
/// is a success; see [`DeliveryError`] for the others. No log, error or `Debug` output contains the
/// address.
///
/// # Examples
///
/// ```
/// use tower_lookout::notify::Ping;
///
/// let ping = Ping::new("https://hc-ping.com/your-uuid-here")?;
/// assert!(!format!("{ping:?}").contains("uuid"));
/// # Ok::<_, tower_lookout::notify::AddressError>(())
/// ```
#[doc(alias("healthchecks", "deadman"))]
#[derive(Clone, Debug)]
pub struct Ping {
    endpoint: Endpoint,
}

impl Ping {
    /// Creates a notifier that pings `url`, an HTTP or HTTPS address.
    ///
    /// # Errors
    ///
    /// Returns [`AddressError::Address`] if `url` is invalid.
    pub fn new(url: impl AsRef<str>) -> Result<Self, AddressError> {
        let endpoint = Endpoint::new(url.as_ref(), "ping", "https://hc-ping.com/your-uuid-here")?;
        Ok(Self { endpoint })
    }
}

tls_settings!(Ping, |ping, change| change(&mut ping.endpoint));
from_env!(Ping, "address", "HEARTBEAT_URL");

impl Service<Notification> for Ping {
    type Response = ();
    type Error = DeliveryError;
    type Future = Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), DeliveryError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, notification: Notification) -> Self::Future {
        let origin = notification.alerts.first().map(|alert| &*alert.origin);
        let body = json!({
            "service": origin.map(|origin| &origin.service),
            "instance": origin.map(|origin| &origin.instance),
        });
        let endpoint = self.endpoint.clone();
        Box::pin(async move {
            let response = endpoint.post(HeaderMap::new(), body.to_string()).await?;
            let reason = response.summary();
            response.classify_by_status(SystemTime::now(), reason)
        })
    }
}
