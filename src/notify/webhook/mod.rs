mod payload;

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::SystemTime,
};

use tower_service::Service;

use self::payload::Payload;
use super::{
    DeliveryError, Notification,
    http::{AddressError, Endpoint, Headers},
};
use crate::alert::{Alert, AlertStatus};

/// Posts what Alertmanager posts to a webhook (version 4), so that whatever receives from
/// Alertmanager receives from here.
///
/// A message tells what changed and, as Alertmanager's do, each alert of this process that fires
/// besides: so its `status` is `resolved` when nothing fires any more. The labels are `alertname`
/// (the rule), `severity`, `service`, `instance`, what is judged (`method` and `route`, `dependency`,
/// or a report's `call_site` and `error_type`), and the rule's own; the annotations `summary`,
/// `description` and `runbook_url`. The group is the `service` and the `instance`, so that replicas are told apart.
///
/// An answer 2xx is a success; see [`DeliveryError`] for the others: 429, 408, 425 and 5xx pass,
/// 400, 413 and 422 are about this message, and the rest is for a person to mend, redirects among it.
/// The address and the headers are in no log, error or `Debug`.
///
/// # Examples
///
/// ```
/// use tower_lookout::notify::Webhook;
///
/// let webhook = Webhook::new("https://alerts.example.com/hook?key=secret")?
///     .header("authorization", "Bearer secret")?;
/// assert!(!format!("{webhook:?}").contains("secret"));
/// # Ok::<_, tower_lookout::notify::AddressError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Webhook {
    endpoint: Endpoint,
    headers: Headers,
    firing: Firing,
}

/// The alerts that the receiver was told to fire.
type Firing = Arc<Mutex<Vec<Alert>>>;

/// As errors name it.
const NAME: &str = "webhook";

impl Webhook {
    /// A notifier for the receiver at `url`, any address of http or https.
    ///
    /// # Errors
    ///
    /// If `url` is no such address, or if it asks for TLS and the host has no root certificates.
    pub fn new(url: impl AsRef<str>) -> Result<Self, AddressError> {
        let endpoint = Endpoint::new(url.as_ref(), NAME, "https://alerts.example.com/hook")?;
        Ok(Self { endpoint, headers: Headers::default(), firing: Firing::default() })
    }

    /// Adds a header to each post, such as `authorization`; its value is treated as a secret.
    ///
    /// # Errors
    ///
    /// If there can be no such header.
    pub fn header(
        mut self,
        name: impl AsRef<str>,
        value: impl AsRef<str>,
    ) -> Result<Self, AddressError> {
        self.headers.set(name.as_ref(), value.as_ref(), NAME)?;
        Ok(self)
    }
}

impl Service<Notification> for Webhook {
    type Response = ();
    type Error = DeliveryError;
    type Future = Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), DeliveryError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, notification: Notification) -> Self::Future {
        let Self { endpoint, headers, firing } = self.clone();
        let alerts = group(&firing, notification);
        Box::pin(async move {
            let payload = serde_json::to_string(&Payload::new(&alerts));
            let payload = payload.map_err(DeliveryError::rejected)?;
            let answer = endpoint.post(headers.into(), payload).await?;
            let told = answer.told();
            answer.by_status(SystemTime::now(), told)?;
            let fires = |alert: &Alert| alert.status == AlertStatus::Firing;
            *firing.lock().unwrap_or_else(PoisonError::into_inner) =
                alerts.into_iter().filter(fires).collect();
            Ok(())
        })
    }
}

/// What is told to fire already and has not changed, and the changes.
fn group(firing: &Firing, notification: Notification) -> Vec<Alert> {
    let mut alerts = firing.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let changed = notification.alerts;
    alerts.retain(|alert| !changed.iter().any(|change| change.identity() == alert.identity()));
    alerts.extend(changed);
    alerts
}
