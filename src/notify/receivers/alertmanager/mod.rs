#[cfg(feature = "toml")]
mod config;
mod member;
mod payload;

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use tokio::task::JoinSet;
use tower_service::Service;

use self::{
    member::{Member, combined_failure},
    payload::PostableAlert,
};
use super::{
    http::{AddressError, Headers, tls_settings},
    prometheus::firing_set::FiringSet,
};
use crate::notify::{Delivered, DeliveryError, Notification};

/// Posts alerts to each member of an Alertmanager cluster, through the API v2.
///
/// A firing alert is posted again every 60 s, and ends after four times that, so it resolves if the
/// process dies. A resolve is posted again for 15 minutes, as Prometheus does. Alertmanager ignores
/// the resolve of an alert that it never received, so an alert that fired and resolved between two
/// posts is first posted as firing, with its peak, until the next post. If a member's clock is
/// behind, it accepts a resolve late, with a later post. [`shutdown`](crate::Lookout::shutdown)
/// leaves firing alerts to expire: the end of a process is not a recovery.
///
/// The labels are `alertname` (the rule), `severity`, `service`, `instance`, the target (`method`
/// and `route`, `dependency`, or a report's `call_site`, `error_type` and `group`), and the rule's
/// own. An alert whose labels change while it fires is resolved under the old labels. The
/// annotations are `summary`, `description`, `runbook_url` and `dashboard_url`. Each replica has
/// its own `instance`, so none resolves another's alert. To get one notification for all replicas,
/// leave `instance` out of the grouping:
///
/// ```yaml
/// route:
///   group_by: [alertname, service]
/// ```
///
/// List each member, not a load balancer in front of them. A delivery succeeds when one member
/// accepts it. A member that fails is logged once, counted in `lookout_notifications_failed_total`,
/// and gets the alerts with the next post. If every member fails, the delivery is retried, as with
/// any notifier. A member has 4 s to respond. No log, error or `Debug` output contains an address
/// or a header; log lines name a member by its position in the list.
///
/// # Examples
///
/// ```
/// use tower_lookout::{Lookout, Rule, notify::Alertmanager};
///
/// let alertmanager = Alertmanager::new(["http://am-1:9093", "http://am-2:9093"])?;
/// let builder = Lookout::builder().rules(Rule::defaults()).notify(alertmanager);
/// # Ok::<_, tower_lookout::notify::AddressError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Alertmanager {
    members: Vec<Arc<Member>>,
    headers: Headers,
    resend_every: Duration,
    firing: FiringSet,
}

/// The receiver's name in errors.
const NAME: &str = "Alertmanager";

/// An alert expires after this many intervals without a post.
const INTERVALS_TO_EXPIRE: u32 = 4;

/// How long a resolve is posted again.
const RESOLVED_FOR: Duration = Duration::from_secs(15 * 60);

impl Alertmanager {
    /// Creates a notifier for the members of a cluster, each by its URL without `/api/v2/alerts`.
    ///
    /// # Errors
    ///
    /// Returns [`AddressError::Address`] if there is no member, or if a URL is invalid.
    pub fn new(members: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, AddressError> {
        let members: Vec<_> = members
            .into_iter()
            .enumerate()
            .map(|(index, base)| Member::new(index + 1, base.as_ref()).map(Arc::new))
            .collect::<Result<_, _>>()?;
        if members.is_empty() {
            return Err(Member::invalid("is missing"));
        }
        let resend_every = Duration::from_secs(60);
        Ok(Self {
            members,
            headers: Headers::default(),
            resend_every,
            firing: FiringSet::default(),
        })
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

    /// Sets the interval after which alerts are posted again, from 1 s to a year. An alert resolves
    /// after four intervals without a post.
    ///
    /// Defaults to 60 s.
    #[must_use]
    pub fn resend_every(mut self, every: Duration) -> Self {
        self.resend_every = every.clamp(Duration::from_secs(1), Delivered::LONGEST_INTERVAL);
        self
    }
}

tls_settings!(Alertmanager, |alertmanager, change| {
    for member in &mut alertmanager.members {
        *member = Arc::new(member.with(change));
    }
});

#[cfg(feature = "state")]
impl super::address::Addressed for Alertmanager {
    fn address(&self) -> Vec<String> {
        self.members.iter().map(|member| member.address()).collect()
    }
}

impl Service<Notification> for Alertmanager {
    type Response = Delivered;
    type Error = DeliveryError;
    type Future = Pin<Box<dyn Future<Output = Result<Delivered, DeliveryError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), DeliveryError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, notification: Notification) -> Self::Future {
        let Self { members, headers, resend_every, firing } = self.clone();
        firing.restore(&notification);
        Box::pin(async move {
            let (now, expires) = (SystemTime::now(), |posts| resend_every.saturating_mul(posts));
            let alerts = notification.iter().map(|(alert, changes)| match alert.as_it_fired() {
                Some(fired) if changes > 1 => PostableAlert::new(&fired, now, expires(1)),
                _ => PostableAlert::new(alert, now, expires(INTERVALS_TO_EXPIRE)),
            });
            let relabelled = firing.relabelled(&notification.alerts);
            let ended = relabelled.iter().map(|alert| PostableAlert::new(alert, now, expires(0)));
            let body = serde_json::to_string(&ended.chain(alerts).collect::<Vec<_>>());
            let body = body.map_err(DeliveryError::rejected)?;
            let mut posts = JoinSet::new();
            for member in members {
                posts.spawn(member.post(headers.clone().into(), body.clone()));
            }
            let results = posts.join_all().await;
            let failed = results.iter().filter(|result| result.is_err()).count();
            match combined_failure(results) {
                None => {
                    firing.record(&notification.alerts);
                    let delivered = Delivered::repeat_every(resend_every);
                    Ok(delivered.repeat_resolved_for(RESOLVED_FOR).with_failed_attempts(failed))
                }
                Some(error) => Err(error),
            }
        })
    }
}
