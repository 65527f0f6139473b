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
    deadline::within,
    notify::{
        DeliveryError,
        error::chain,
        receivers::http::{AddressError, Endpoint},
    },
};
use http::HeaderMap;

/// One Alertmanager of a cluster.
#[derive(Debug)]
pub(super) struct Member {
    /// In the list, from 1.
    place: usize,
    endpoint: Endpoint,
    /// Whether it was told that it does not take what is posted.
    is_failing: AtomicBool,
}

/// Less than a delivery may take, also as the first of an `or_else`, so that one that says nothing does not
/// make it fail.
const TIMEOUT: Duration = Duration::from_secs(4);

const EXAMPLE: &str = "http://alertmanager-1:9093";

impl Member {
    pub(super) fn new(place: usize, base: &str) -> Result<Self, AddressError> {
        let endpoint = Endpoint::under(base, "api/v2/alerts", NAME, EXAMPLE)?.with_timeout(TIMEOUT);
        Ok(Self { place, endpoint, is_failing: AtomicBool::new(false) })
    }

    /// The same with another endpoint.
    pub(super) fn with(&self, change: &mut dyn FnMut(&mut Endpoint)) -> Self {
        let mut endpoint = self.endpoint.clone();
        change(&mut endpoint);
        Self { place: self.place, endpoint, is_failing: AtomicBool::new(false) }
    }

    #[cfg(feature = "state")]
    pub(super) fn address(&self) -> String {
        self.endpoint.address()
    }

    pub(super) fn refused(problem: &'static str) -> AddressError {
        AddressError::Address { receiver: NAME, problem, example: EXAMPLE }
    }

    /// Posts, and tells in the log when the member begins to fail and when that is over.
    pub(super) async fn post(
        self: Arc<Self>,
        headers: HeaderMap,
        body: String,
    ) -> Result<(), DeliveryError> {
        let posted = self.try_post(headers, body).await;
        let has_failed = self.is_failing.swap(posted.is_err(), Ordering::Relaxed);
        match (&posted, has_failed) {
            (Err(error), false) => {
                logged(|| {
                    tracing::warn!(
                        member = self.place,
                        reason = chain(error),
                        "Alertmanager failed"
                    );
                });
            }
            (Ok(()), true) => {
                logged(|| {
                    tracing::info!(member = self.place, "Alertmanager takes alerts again");
                });
            }
            _ => {}
        }
        posted
    }

    async fn try_post(&self, headers: HeaderMap, body: String) -> Result<(), DeliveryError> {
        let answer = within(TIMEOUT, self.endpoint.clone().post(headers, body))
            .await
            .map_err(DeliveryError::retry)??;
        let told = answer.summary();
        answer.classify_by_status(SystemTime::now(), told)
    }
}

/// `None` if a member took it, else the failure after which another try helps soonest.
pub(super) fn most_hopeful(
    answers: impl IntoIterator<Item = Result<(), DeliveryError>>,
) -> Option<DeliveryError> {
    let mut errors = Vec::new();
    for answer in answers {
        errors.push(answer.err()?);
    }
    errors.into_iter().min_by_key(DeliveryError::hope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::error::Remedy;

    #[test]
    fn an_address_has_a_path_at_most() {
        for (base, says) in [
            ("", "is empty"),
            (" / ", "is empty"),
            ("am:s3cret", "is no URL"),
            ("http://am:9093?key=s3cret", "has more than a path"),
        ] {
            let error = Member::new(1, base).unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains("s3cret"), "{error}");
        }
        for base in ["http://am:9093", "https://am/alertmanager/", " http://am\n"] {
            Member::new(1, base).unwrap();
        }
    }

    #[test]
    fn one_that_took_it_is_enough_and_else_the_failure_counts_that_passes_first() {
        let retry = || DeliveryError::retry("503");
        let after = |seconds| DeliveryError::retry_after(Duration::from_secs(seconds), "429");
        let (broken, rejected) =
            (|| DeliveryError::broken("404"), || DeliveryError::rejected("400"));
        let remedy = |answers: Vec<_>| most_hopeful(answers).map(|error| error.remedy());
        assert_eq!(remedy(vec![Err(retry()), Ok(()), Err(rejected())]), None);
        assert_eq!(remedy(vec![Err(rejected()), Err(retry()), Err(broken())]), Some(Remedy::Retry));
        assert_eq!(
            remedy(vec![Err(after(9)), Err(after(2)), Err(broken())]),
            Some(Remedy::RetryAfter(Duration::from_secs(2)))
        );
        assert_eq!(remedy(vec![Err(rejected()), Err(broken())]), Some(Remedy::Misconfigured));
        assert_eq!(remedy(vec![Err(rejected())]), Some(Remedy::Rejected));
    }
}
