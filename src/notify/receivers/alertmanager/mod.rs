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
    member::{Member, most_hopeful},
    payload::PostableAlert,
};
use super::{
    http::{AddressError, Headers, tls_settings},
    prometheus::firing_set::FiringSet,
};
use crate::notify::{Delivered, DeliveryError, Notification, delivered::LONGEST};

/// Posts alerts to Alertmanager's API v2, to each member of a cluster.
///
/// An alert that fires is posted again every 60 s, with an end four times as far ahead: so it
/// resolves by itself when the process dies. A resolve is posted again for 15 minutes, as Prometheus
/// does. Of an alert that it was never told of, Alertmanager tells no resolve: one that fired and was
/// resolved while no post arrived is posted as firing, with its peak, until the next post is due. One whose
/// clock is behind takes a resolve when its clock has come to it, with the post after that. At
/// [`shutdown`](crate::Lookout::shutdown) what fires is left to expire: a process that ends
/// has not recovered.
///
/// The labels are `alertname` (the rule), `severity`, `service`, `instance`, what is judged (`method`
/// and `route`, `dependency`, or a report's `call_site`, `error_type` and `group`), and the rule's own: an alert
/// whose labels change while it fires is resolved under the old ones. The annotations are
/// `summary`, `description`, `runbook_url` and `dashboard_url`. Replicas are told apart by the `instance`, so that none
/// resolves the alert of another. Leave it out of the grouping, and they come as one notification:
///
/// ```yaml
/// route:
///   group_by: [alertname, service]
/// ```
///
/// Name each member, and not a load balancer before them. A delivery succeeds when one member accepts it. A
/// member that fails is logged once, counts in `lookout_notifications_failed_total`, and gets the alerts with
/// the next post. If every member fails, the delivery is retried, as with any notifier. A member has 4 s to
/// answer. Addresses and headers are in no log, error or `Debug`; a member is named by its place
/// in the list.
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

/// As errors name it.
const NAME: &str = "Alertmanager";

/// How many posts may be missed before an alert expires, with the one that is due.
const POSTS_TO_EXPIRE: u32 = 4;

/// How long a resolve is posted again.
const RESOLVED_FOR: Duration = Duration::from_secs(15 * 60);

impl Alertmanager {
    /// A notifier for the members of a cluster, each by its address without `/api/v2/alerts`.
    ///
    /// # Errors
    ///
    /// If there is none, or if one is no address of http or https.
    pub fn new(members: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, AddressError> {
        let members: Vec<_> = members
            .into_iter()
            .enumerate()
            .map(|(place, base)| Member::new(place + 1, base.as_ref()).map(Arc::new))
            .collect::<Result<_, _>>()?;
        if members.is_empty() {
            return Err(Member::refused("is missing"));
        }
        let resend_every = Duration::from_secs(60);
        Ok(Self {
            members,
            headers: Headers::default(),
            resend_every,
            firing: FiringSet::default(),
        })
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

    /// How often an alert is posted again, a second at least and a year at most. Defaults to 60 s.
    /// Without a post it resolves after four times that.
    #[must_use]
    pub fn resend_every(mut self, every: Duration) -> Self {
        self.resend_every = every.clamp(Duration::from_secs(1), LONGEST);
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
                _ => PostableAlert::new(alert, now, expires(POSTS_TO_EXPIRE)),
            });
            let relabelled = firing.relabelled(&notification.alerts);
            let ended = relabelled.iter().map(|alert| PostableAlert::new(alert, now, expires(0)));
            let body = serde_json::to_string(&ended.chain(alerts).collect::<Vec<_>>());
            let body = body.map_err(DeliveryError::rejected)?;
            let mut posts = JoinSet::new();
            for member in members {
                posts.spawn(member.post(headers.clone().into(), body.clone()));
            }
            let answers = posts.join_all().await;
            let failed = answers.iter().filter(|answer| answer.is_err()).count();
            match most_hopeful(answers) {
                None => {
                    firing.record(&notification.alerts);
                    let delivered = Delivered::again_every(resend_every);
                    Ok(delivered.resolved_for(RESOLVED_FOR).after_failures(failed))
                }
                Some(error) => Err(error),
            }
        })
    }
}
