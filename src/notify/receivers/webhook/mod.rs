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
use crate::notify::{DeliveryError, Notification, error::Remedy};

/// Posts what Alertmanager posts to a webhook (version 4), so that whatever receives from
/// Alertmanager receives from here.
///
/// A message tells what changed and, as Alertmanager's do, each alert of this process that fires
/// besides: so its `status` is `resolved` when nothing fires any more. The labels are `alertname`
/// (the rule), `severity`, `service`, `instance`, what is judged (`method` and `route`, `dependency`,
/// or a report's `call_site`, `error_type` and `group`), and the rule's own; the annotations `summary`,
/// `description`, `runbook_url` and `dashboard_url`. The group is the `service` and the `instance`, so that replicas are
/// told apart; what an earlier process left firing under another `instance` is posted by itself. An alert
/// whose labels change while it fires is resolved under the old ones.
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
    firing: FiringSet,
}

/// As errors name it.
const NAME: &str = "webhook";

impl Webhook {
    /// A notifier for the receiver at `url`, any address of http or https.
    ///
    /// # Errors
    ///
    /// If `url` is no such address.
    pub fn new(url: impl AsRef<str>) -> Result<Self, AddressError> {
        let endpoint = Endpoint::new(url.as_ref(), NAME, "https://alerts.example.com/hook")?;
        Ok(Self { endpoint, headers: Headers::default(), firing: FiringSet::default() })
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

tls_settings!(Webhook, |webhook, change| change(&mut webhook.endpoint));
from_env!(Webhook, "address", "WEBHOOK_URL");

#[cfg(feature = "state")]
impl super::address::Addressed for Webhook {
    fn address(&self) -> Vec<String> {
        vec![self.endpoint.address()]
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
        firing.restore(&notification);
        Box::pin(async move {
            let mut left = notification;
            let mut refused: Option<(DeliveryError, Notification)> = None;
            while let Some(first) = left.alerts.first() {
                let instance = first.origin.instance.clone();
                let is_of_group = |alert: &Alert| alert.origin.instance == instance;
                let mut group = left.clone();
                group.retain(is_of_group);
                let posted = post(&endpoint, &headers, &firing, &instance, &group.alerts).await;
                match posted {
                    Ok(()) => {}
                    // That says nothing of the other groups.
                    Err(error) if error.remedy() == Remedy::Rejected => {
                        // It is over, whether or not the receiver wanted to hear so.
                        let is_over = |alert: &&Alert| alert.status == AlertStatus::Resolved;
                        let over: Vec<_> = group.alerts.iter().filter(is_over).cloned().collect();
                        firing.record(&over);
                        let before = refused.map(|(_, refused)| refused);
                        let mut all = before.unwrap_or_else(Notification::none);
                        all.append(&group);
                        refused = Some((error, all));
                    }
                    Err(error) => {
                        // Nothing is dropped that may still be taken.
                        if let Some((_, refused)) = &refused {
                            left.append(refused);
                        }
                        return Err(error.only(left));
                    }
                }
                left.retain(|alert| !is_of_group(alert));
            }
            refused.map_or(Ok(()), |(error, refused)| Err(error.only_together(refused)))
        })
    }
}

/// Posts the changes of a group, with what of it fires besides.
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
    let answer = endpoint.clone().post(headers.clone().into(), payload).await?;
    let told = answer.summary();
    answer.classify_by_status(SystemTime::now(), told)?;
    firing.record(changes);
    Ok(())
}
