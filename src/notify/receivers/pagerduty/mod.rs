mod classify;
mod event;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use http::HeaderMap;
use tokio::task::JoinSet;
use tower_service::Service;

use self::{classify::classify, event::events};
use super::http::{AddressError, Endpoint, RateLimit, from_env, tls_settings};
use crate::notify::{DeliveryError, Notification, error::Remedy};

/// Triggers and resolves alerts of PagerDuty, by the Events API v2.
///
/// Each alert is one of PagerDuty's, kept together by a `dedup_key` of service, instance, rule and
/// what it judges; so an event that comes twice is no second alert, and replicas don't resolve each
/// other's. An instance that is gone resolves nothing any more: what it left firing is closed by a
/// person, by PagerDuty's own timeout, or by a successor that is called the same
/// ([`instance`](crate::LookoutBuilder::instance)). An alert that fired and was resolved before it could
/// be told is triggered, with its peak, and resolved at once.
///
/// Of many alerts two events a second are posted, in the mean of a minute; a notification has a hundred
/// at most, and what comes meanwhile waits. The routing key is a secret: it is in no log, error or `Debug`.
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

/// Where events go to in the US.
const EVENTS: &str = "https://events.pagerduty.com/v2/enqueue";

/// How many alerts are posted at once, since a message may have a hundred.
const AT_ONCE: usize = 10;

/// The time that one event takes of a minute.
const BETWEEN: Duration = Duration::from_millis(500);

impl PagerDuty {
    /// A notifier for the integration that has this routing key.
    ///
    /// # Errors
    ///
    /// If the key is none.
    pub fn new(routing_key: impl AsRef<str>) -> Result<Self, AddressError> {
        let refused = |problem| AddressError::Key { receiver: "PagerDuty", problem };
        let routing_key = routing_key.as_ref().trim();
        if routing_key.is_empty() {
            return Err(refused("is empty"));
        }
        if !routing_key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refused(
                "holds what is in no key: use the 32 characters of the integration",
            ));
        }
        Ok(Self {
            routing_key: routing_key.into(),
            endpoint: endpoint(EVENTS)?,
            rate_limit: RateLimit::new(BETWEEN),
        })
    }

    /// Where events are posted to, such as `https://events.eu.pagerduty.com/v2/enqueue` for accounts
    /// in the EU. Defaults to `https://events.pagerduty.com/v2/enqueue`.
    ///
    /// # Errors
    ///
    /// If `url` is no address of http or https.
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
    type Response = ();
    type Error = DeliveryError;
    type Future = Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), DeliveryError>> {
        self.rate_limit.poll_ready(cx).map(Ok)
    }

    fn call(&mut self, notification: Notification) -> Self::Future {
        let events: Vec<_> = notification
            .iter()
            .map(|(alert, changes)| events(&self.routing_key, alert, changes))
            .collect();
        self.rate_limit.consume(events.iter().map(Vec::len).sum());
        let endpoint = self.endpoint.clone();
        Box::pin(post(endpoint, events, notification))
    }
}

/// Posts the events of each alert; an error says which alerts are left.
async fn post(
    endpoint: Endpoint,
    events: Vec<Vec<String>>,
    mut notification: Notification,
) -> Result<(), DeliveryError> {
    let mut is_left = vec![true; events.len()];
    let mut waiting = events.into_iter().enumerate();
    let mut posts = JoinSet::new();
    let mut failure: Option<DeliveryError> = None;
    loop {
        // What is refused says nothing of the other events; any other failure does.
        let goes_on = failure.as_ref().is_none_or(is_of_one);
        while goes_on
            && posts.len() < AT_ONCE
            && let Some((number, events)) = waiting.next()
        {
            let posting = post_in_turn(endpoint.clone(), events);
            posts.spawn(async move { (number, posting.await) });
        }
        match posts.join_next().await {
            None => break,
            Some(Ok((number, Ok(())))) => is_left[number] = false,
            Some(Ok((_, Err(error)))) if failure.as_ref().is_none_or(is_of_one) => {
                failure = Some(error);
            }
            Some(Ok((_, Err(_)))) => {}
            Some(Err(stopped)) => failure = Some(DeliveryError::retry(stopped)),
        }
    }
    let Some(failure) = failure else { return Ok(()) };
    let mut is_left = is_left.into_iter();
    notification.retain(|_| is_left.next() == Some(true));
    Err(failure.only(notification))
}

/// Of one alert, so that none overtakes another.
async fn post_in_turn(endpoint: Endpoint, events: Vec<String>) -> Result<(), DeliveryError> {
    for event in events {
        let answer = endpoint.clone().post(HeaderMap::new(), event).await?;
        classify(&answer, SystemTime::now())?;
    }
    Ok(())
}

fn is_of_one(error: &DeliveryError) -> bool {
    error.remedy() == Remedy::Rejected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_can_not_be_one_is_refused_without_being_told() {
        for (key, says) in [(" ", "is empty"), ("s3cret key", "holds what is in no key")] {
            let error = PagerDuty::new(key).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert!(!format!("{error} {error:?}").contains("s3cret"));
        }
    }
}
