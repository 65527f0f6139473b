use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use http::HeaderMap;
use serde_json::Value;

use super::{ApiResponse, Endpoint, RateLimit};
use crate::notify::{Delivered, DeliveryError, Notification};

/// A chat webhook with a rate limit.
#[derive(Clone, Debug)]
pub(in crate::notify) struct ChatWebhook {
    endpoint: Endpoint,
    rate_limit: RateLimit,
}

/// A delivery in flight.
pub(in crate::notify) type PostFuture =
    Pin<Box<dyn Future<Output = Result<Delivered, DeliveryError>> + Send>>;

/// Classifies a receiver's response. The time is now.
type Classify = fn(&ApiResponse, SystemTime) -> Result<(), DeliveryError>;

impl ChatWebhook {
    /// `interval` is the least time between two posts.
    pub(in crate::notify) fn new(endpoint: Endpoint, interval: Duration) -> Self {
        Self { endpoint, rate_limit: RateLimit::new(interval) }
    }

    pub(in crate::notify) fn endpoint(&mut self) -> &mut Endpoint {
        &mut self.endpoint
    }

    #[cfg(feature = "state")]
    pub(in crate::notify) fn address(&self) -> String {
        self.endpoint.address()
    }

    pub(in crate::notify) fn poll_ready(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), DeliveryError>> {
        self.rate_limit.poll_ready(cx).map(Ok)
    }

    /// Posts a message. `left` are the alerts that had no room in it.
    pub(in crate::notify) fn post(
        &mut self,
        body: &Value,
        classify: Classify,
        left: Notification,
    ) -> PostFuture {
        self.rate_limit.consume_one();
        let (endpoint, body) = (self.endpoint.clone(), body.to_string());
        Box::pin(async move {
            let response = endpoint.post(HeaderMap::new(), body).await?;
            classify(&response, SystemTime::now())?;
            Ok(Delivered::partial(left))
        })
    }
}
