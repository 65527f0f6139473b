use std::time::SystemTime;

use http::HeaderMap;
use tokio::task::JoinSet;

use super::{ApiResponse, Endpoint};
use crate::notify::{Delivered, DeliveryError, DeliveryErrorKind, Notification};

/// A request to an API that accepts one alert at a time.
pub(in crate::notify) struct AlertRequest {
    pub(in crate::notify) endpoint: Endpoint,
    pub(in crate::notify) headers: HeaderMap,
    pub(in crate::notify) body: String,
}

/// Classifies the response at a point in time.
type Classify = fn(&ApiResponse, SystemTime) -> Result<(), DeliveryError>;

/// The most alerts that are posted concurrently. A notification may have 100.
const MAX_CONCURRENT: usize = 10;

/// Posts the requests of each alert.
pub(in crate::notify) async fn deliver_each(
    requests: Vec<Vec<AlertRequest>>,
    classify: Classify,
    mut notification: Notification,
) -> Result<Delivered, DeliveryError> {
    let total = requests.len();
    let mut is_left = vec![true; requests.len()];
    let mut waiting = requests.into_iter().enumerate();
    let mut posts = JoinSet::new();
    let mut failure: Option<DeliveryError> = None;
    loop {
        // A rejection concerns one alert. Any other failure concerns the alerts that follow, too.
        let continues = failure.as_ref().is_none_or(is_rejection);
        while continues
            && posts.len() < MAX_CONCURRENT
            && let Some((number, requests)) = waiting.next()
        {
            let post = post_in_order(requests, classify);
            posts.spawn(async move { (number, post.await) });
        }
        match posts.join_next().await {
            None => break,
            Some(Ok((number, Ok(())))) => is_left[number] = false,
            Some(Ok((_, Err(error)))) if failure.as_ref().is_none_or(is_rejection) => {
                failure = Some(error);
            }
            Some(Ok((_, Err(_)))) => {}
            Some(Err(stopped)) => failure = Some(DeliveryError::temporary(stopped)),
        }
    }
    let Some(failure) = failure else { return Ok(Delivered::default()) };
    let mut is_left = is_left.into_iter();
    notification.retain(|_| is_left.next() == Some(true));
    // Each alert was rejected by itself, so bisection would not help.
    let failure = match failure.kind() {
        DeliveryErrorKind::Rejected => failure.with_kind(DeliveryErrorKind::Undeliverable),
        _ => failure,
    };
    Delivered::default().except(notification, total, failure)
}

/// Posts the requests of one alert in their order.
async fn post_in_order(
    requests: Vec<AlertRequest>,
    classify: Classify,
) -> Result<(), DeliveryError> {
    for AlertRequest { endpoint, headers, body } in requests {
        let response = endpoint.post(headers, body).await?;
        classify(&response, SystemTime::now())?;
    }
    Ok(())
}

fn is_rejection(error: &DeliveryError) -> bool {
    error.kind() == DeliveryErrorKind::Rejected
}
