#[cfg(feature = "toml")]
mod config;
mod payload;

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::SystemTime,
};

use tower_service::Service;

use self::payload::Payload;
use super::{
    http::{AddressError, Endpoint, Headers, from_env, tls_settings},
    prometheus::firing_set::FiringSet,
};
use crate::alert::{Alert, AlertStatus};
use crate::notify::{Delivered, DeliveryError, Notification};

/// Posts alerts in the format of Alertmanager's webhook (version 4), for any receiver of
/// Alertmanager webhooks.
///
/// Like Alertmanager's, a message contains the changed alerts and all other firing alerts of this
/// process. Its `status` is `resolved` when no alert fires any more. The labels are `alertname`
/// (the rule), `severity`, `service`, `instance`, the target (`method` and `route`, `dependency`,
/// or a report's `call_site`, `error_type` and `group`), and the rule's own. The annotations are
/// `summary`, `description`, `runbook_url` and `dashboard_url`. Alerts are grouped by `service` and
/// `instance`, so each replica is a group of its own. Alerts that an earlier process left firing
/// under another `instance` are posted separately. An alert whose labels change while it fires is
/// resolved under the old labels.
///
/// A 2xx response is a success. 408, 425, 429 and 5xx are retried; 400, 413 and 422 reject this
/// message; any other status, such as a redirect, is a misconfiguration. See [`DeliveryError`]. No
/// log, error or `Debug` output contains the address or a header.
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
    firing: FiringSet,
}

/// The receiver's name in errors.
const NAME: &str = "webhook";

impl Webhook {
    /// Creates a notifier for the receiver at `url`, an HTTP or HTTPS address.
    ///
    /// # Errors
    ///
    /// Returns [`AddressError::Address`] if `url` is invalid.
    pub fn new(url: impl AsRef<str>) -> Result<Self, AddressError> {
        let endpoint = Endpoint::new(url.as_ref(), NAME, "https://alerts.example.com/hook")?;
        Ok(Self { endpoint, headers: Headers::default(), firing: FiringSet::default() })
    }

    /// Adds a header to each request, such as `authorization`. Its value is treated as a secret.
    ///
    /// # Errors
    ///
    /// Returns [`AddressError::Header`] if the name or the value is invalid.
    pub fn header(
        mut self,
        name: impl AsRef<str>,
        value: impl AsRef<str>,
    ) -> Result<Self, AddressError> {
        self.headers.set(name.as_ref(), value.as_ref(), NAME)?;
        Ok(self)
    }
}

tls_settings!(Webhook, |webhook, change| change(&mut webhook.endpoint));
from_env!(Webhook, "address", "WEBHOOK_URL");

#[cfg(feature = "state")]
impl super::address::Addressed for Webhook {
    fn address(&self) -> Vec<String> {
        vec![self.endpoint.address()]
    }
}

impl Service<Notification> for Webhook {
    type Response = Delivered;
    type Error = DeliveryError;
    type Future = Pin<Box<dyn Future<Output = Result<Delivered, DeliveryError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), DeliveryError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, notification: Notification) -> Self::Future {
        let Self { endpoint, headers, firing } = self.clone();
        firing.restore(&notification);
        Box::pin(async move {
            let (total, mut left) = (notification.alerts.len(), notification);
            let mut rejected: Option<(DeliveryError, Notification)> = None;
            while let Some(first) = left.alerts.first() {
                let instance = first.origin.instance.clone();
                let is_of_group = |alert: &Alert| alert.origin.instance == instance;
                let mut group = left.clone();
                group.retain(is_of_group);
                let posted = post(&endpoint, &headers, &firing, &instance, &group.alerts).await;
                match posted {
                    Ok(()) => {}
                    // The rejection concerns this group only, so the others are still posted.
                    Err(error) if error.kind().is_permanent() => {
                        // A resolved alert no longer fires, even if the receiver rejects the
                        // resolve.
                        let is_over = |alert: &&Alert| alert.status == AlertStatus::Resolved;
                        let over: Vec<_> = group.alerts.iter().filter(is_over).cloned().collect();
                        firing.record(&over);
                        let before = rejected.map(|(_, alerts)| alerts);
                        let mut all = before.unwrap_or_else(|| Notification::new([]));
                        all.append(&group);
                        rejected = Some((error, all));
                    }
                    Err(error) => {
                        // If one of several failures can be retried, nothing is dropped.
                        if let Some((_, alerts)) = &rejected {
                            left.append(alerts);
                        }
                        return Delivered::default().except(left, total, error);
                    }
                }
                left.retain(|alert| !is_of_group(alert));
            }
            match rejected {
                Some((error, alerts)) => Delivered::default().except(alerts, total, error),
                None => Ok(Delivered::default()),
            }
        })
    }
}

/// Posts the changes of a group, with the group's other firing alerts.
async fn post(
    endpoint: &Endpoint,
    headers: &Headers,
    firing: &FiringSet,
    instance: &str,
    changes: &[Alert],
) -> Result<(), DeliveryError> {
    let mut alerts = firing.others(changes);
    alerts.retain(|alert| alert.origin.instance == instance);
    alerts.extend(firing.relabelled(changes));
    alerts.extend_from_slice(changes);
    let payload = serde_json::to_string(&Payload::new(&alerts)).map_err(DeliveryError::rejected)?;
    let response = endpoint.clone().post(headers.clone().into(), payload).await?;
    let reason = response.summary();
    response.classify_by_status(SystemTime::now(), reason)?;
    firing.record(changes);
    Ok(())
}
