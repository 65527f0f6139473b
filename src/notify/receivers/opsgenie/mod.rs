mod classify;
#[cfg(feature = "toml")]
mod config;
mod payload;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use tower_service::Service;

use self::{
    classify::classify,
    payload::{Action, actions},
};
use super::http::{
    AddressError, AlertRequest, Endpoint, Headers, RateLimit, deliver_each, from_env, tls_settings,
};
use crate::{
    alert::Alert,
    notify::{Delivered, DeliveryError, Notification},
};

/// Creates and closes alerts of Opsgenie, and of Jira Service Management, through the Alert API v2.
///
/// The `alias` of an alert consists of its service, instance, rule and target, so Opsgenie deduplicates
/// a repeated create. The priority is P1 for critical, P3 for warning and P5 for info. An alert that
/// fired and resolved before it was delivered is created with its peak and closed at once.
///
/// The notifier posts two requests a second on average. Opsgenie accepts a request with 202 and
/// processes it later; its own logs show a request that fails there. The API key is a secret: no log,
/// error or `Debug` output contains it.
///
/// # Examples
///
/// ```
/// use tower_lookout::notify::Opsgenie;
///
/// let opsgenie = Opsgenie::new("01234567-89ab-cdef-0123-456789secret")?
///     .url("https://api.eu.opsgenie.com")?; // for an account in the EU
/// assert!(!format!("{opsgenie:?}").contains("secret"));
/// # Ok::<_, tower_lookout::notify::AddressError>(())
/// ```
#[derive(Clone)]
pub struct Opsgenie {
    /// With the key.
    headers: Headers,
    alerts: Endpoint,
    rate_limit: RateLimit,
}

/// The receiver's name in errors.
const NAME: &str = "Opsgenie";

/// The API for accounts outside of the EU.
const BASE: &str = "https://api.opsgenie.com";

/// The delay per request.
const INTERVAL: Duration = Duration::from_millis(500);

impl Opsgenie {
    /// Creates a notifier with the key of an API integration.
    ///
    /// # Errors
    ///
    /// Returns [`AddressError::Key`] if the key is empty or has invalid characters.
    pub fn new(api_key: impl AsRef<str>) -> Result<Self, AddressError> {
        let invalid = |problem| AddressError::Key { receiver: NAME, problem };
        let api_key = api_key.as_ref().trim();
        if api_key.is_empty() {
            return Err(invalid("is empty"));
        }
        if !api_key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid("has an invalid character: use the key of an API integration"));
        }
        let mut headers = Headers::default();
        headers.set("authorization", &format!("GenieKey {api_key}"), NAME)?;
        Ok(Self { headers, alerts: alerts(BASE)?, rate_limit: RateLimit::new(INTERVAL) })
    }

    /// Sets the base URL of the API, such as `https://api.eu.opsgenie.com` for accounts in the EU.
    ///
    /// Defaults to `https://api.opsgenie.com`.
    ///
    /// # Errors
    ///
    /// Returns [`AddressError::Address`] if `url` is invalid, or has a query.
    pub fn url(self, url: impl AsRef<str>) -> Result<Self, AddressError> {
        let alerts = alerts(url.as_ref())?.with_trust_of(&self.alerts);
        Ok(Self { alerts, ..self })
    }

    /// The requests for one alert, in their order.
    fn requests(&self, alert: &Alert, changes: u32, now: SystemTime) -> Vec<AlertRequest> {
        let request = |action| {
            let (endpoint, body) = match action {
                Action::Create(body) => (self.alerts.clone(), body),
                Action::Close(path, body) => (self.alerts.sibling(&path), body),
            };
            AlertRequest { endpoint, headers: self.headers.clone().into(), body: body.to_string() }
        };
        actions(alert, changes, now).into_iter().map(request).collect()
    }
}

fn alerts(base: &str) -> Result<Endpoint, AddressError> {
    Endpoint::under(base, "v2/alerts", NAME, BASE)
}

tls_settings!(Opsgenie, |opsgenie, change| change(&mut opsgenie.alerts));
from_env!(Opsgenie, "API key", "OPSGENIE_API_KEY");

impl fmt::Debug for Opsgenie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opsgenie").field("api_key", &"***").finish_non_exhaustive()
    }
}

#[cfg(feature = "state")]
impl super::address::Addressed for Opsgenie {
    fn address(&self) -> Vec<String> {
        let headers = http::HeaderMap::from(self.headers.clone());
        let key = headers.get(http::header::AUTHORIZATION).and_then(|key| key.to_str().ok());
        vec![self.alerts.address(), key.unwrap_or_default().to_owned()]
    }
}

impl Service<Notification> for Opsgenie {
    type Response = Delivered;
    type Error = DeliveryError;
    type Future = Pin<Box<dyn Future<Output = Result<Delivered, DeliveryError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), DeliveryError>> {
        self.rate_limit.poll_ready(cx).map(Ok)
    }

    fn call(&mut self, notification: Notification) -> Self::Future {
        let now = SystemTime::now();
        let requests: Vec<_> = notification
            .iter()
            .map(|(alert, changes)| self.requests(alert, changes, now))
            .collect();
        self.rate_limit.consume(requests.iter().map(Vec::len).sum());
        Box::pin(deliver_each(requests, classify, notification))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_key_is_rejected_and_not_shown() {
        for (key, contains) in [(" ", "is empty"), ("s3cret key", "has an invalid character")] {
            let error = Opsgenie::new(key).unwrap_err();
            assert!(error.to_string().contains(contains), "{error}");
            assert!(!format!("{error} {error:?}").contains("s3cret"));
        }
    }
}
