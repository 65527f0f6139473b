use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use super::NAME;
use crate::{
    catch_panic::logged,
    causes::one_line,
    deadline::within,
    notify::{
        DeliveryError,
        receivers::http::{AddressError, Endpoint},
    },
};
use http::HeaderMap;

/// One Alertmanager of a cluster.
#[derive(Debug)]
pub(super) struct Member {
    /// Its position in the list of members, from 1.
    position: usize,
    endpoint: Endpoint,
    /// Whether its failure was logged.
    is_failing: AtomicBool,
}

/// Shorter than a delivery may take, even as the first of an `or_else`, so that a member that does
/// not respond does not fail the delivery.
const TIMEOUT: Duration = Duration::from_secs(4);

const EXAMPLE: &str = "http://alertmanager-1:9093";

impl Member {
    pub(super) fn new(position: usize, base: &str) -> Result<Self, AddressError> {
        let endpoint = Endpoint::under(base, "api/v2/alerts", NAME, EXAMPLE)?.with_timeout(TIMEOUT);
        Ok(Self { position, endpoint, is_failing: AtomicBool::new(false) })
    }

    /// The same member with a changed endpoint.
    pub(super) fn with(&self, change: &mut dyn FnMut(&mut Endpoint)) -> Self {
        let mut endpoint = self.endpoint.clone();
        change(&mut endpoint);
        Self { position: self.position, endpoint, is_failing: AtomicBool::new(false) }
    }

    #[cfg(feature = "state")]
    pub(super) fn address(&self) -> String {
        self.endpoint.address()
    }

    pub(super) fn invalid(problem: &'static str) -> AddressError {
        AddressError::Address { receiver: NAME, problem, example: EXAMPLE }
    }

    /// Posts, and logs when the member starts to fail and when it recovers.
    pub(super) async fn post(
        self: Arc<Self>,
        headers: HeaderMap,
        body: String,
    ) -> Result<(), DeliveryError> {
        let posted = self.try_post(headers, body).await;
        let was_failing = self.is_failing.swap(posted.is_err(), Ordering::Relaxed);
        match (&posted, was_failing) {
            (Err(error), false) => {
                logged(|| {
                    tracing::warn!(
                        member = self.position,
                        reason = one_line(error),
                        "Alertmanager failed"
                    );
                });
            }
            (Ok(()), true) => {
                logged(|| {
                    tracing::info!(member = self.position, "Alertmanager recovered");
                });
            }
            _ => {}
        }
        posted
    }

    async fn try_post(&self, headers: HeaderMap, body: String) -> Result<(), DeliveryError> {
        let response = within(TIMEOUT, self.endpoint.clone().post(headers, body))
            .await
            .map_err(DeliveryError::temporary)??;
        let reason = response.summary();
        response.classify_by_status(SystemTime::now(), reason)
    }
}

/// Returns `None` if a member accepted the alerts, else the failure that can be retried soonest.
pub(super) fn combined_failure(
    results: impl IntoIterator<Item = Result<(), DeliveryError>>,
) -> Option<DeliveryError> {
    let mut errors = Vec::new();
    for result in results {
        errors.push(result.err()?);
    }
    errors.into_iter().min_by_key(DeliveryError::kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::DeliveryErrorKind;

    #[test]
    fn a_members_address_has_no_query() {
        for (base, expected) in [
            ("", "is empty"),
            (" / ", "is empty"),
            ("am:s3cret", "is not a URL"),
            ("http://am:9093?key=s3cret", "has a query"),
        ] {
            let error = Member::new(1, base).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("s3cret"), "{error}");
        }
        for base in ["http://am:9093", "https://am/alertmanager/", " http://am\n"] {
            Member::new(1, base).unwrap();
        }
    }

    #[test]
    fn a_delivery_fails_only_if_all_members_do_with_the_failure_to_retry_soonest() {
        let retry = || DeliveryError::temporary("503");
        let after = |seconds| DeliveryError::retry_after(Duration::from_secs(seconds), "429");
        let (broken, rejected) =
            (|| DeliveryError::misconfigured("404"), || DeliveryError::rejected("400"));
        let remedy = |results: Vec<_>| combined_failure(results).map(|error| error.kind());
        assert_eq!(remedy(vec![Err(retry()), Ok(()), Err(rejected())]), None);
        assert_eq!(
            remedy(vec![Err(rejected()), Err(retry()), Err(broken())]),
            Some(DeliveryErrorKind::Temporary)
        );
        assert_eq!(
            remedy(vec![Err(after(9)), Err(after(2)), Err(broken())]),
            Some(DeliveryErrorKind::RetryAfter(Duration::from_secs(2)))
        );
        assert_eq!(
            remedy(vec![Err(rejected()), Err(broken())]),
            Some(DeliveryErrorKind::Misconfigured)
        );
        assert_eq!(remedy(vec![Err(rejected())]), Some(DeliveryErrorKind::Rejected));
    }
}
