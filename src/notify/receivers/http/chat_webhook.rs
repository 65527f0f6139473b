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

/// An address that takes one post in a while, such as a chat's webhook.
#[derive(Clone, Debug)]
pub(in crate::notify) struct ChatWebhook {
    endpoint: Endpoint,
    rate_limit: RateLimit,
}

/// A delivery under way.
pub(in crate::notify) type PostFuture =
    Pin<Box<dyn Future<Output = Result<Delivered, DeliveryError>> + Send>>;

/// What a receiver's answer means, now.
type CheckResponse = fn(&ApiResponse, SystemTime) -> Result<(), DeliveryError>;

impl ChatWebhook {
    /// With so much time between two posts.
    pub(in crate::notify) fn new(endpoint: Endpoint, between: Duration) -> Self {
        Self { endpoint, rate_limit: RateLimit::new(between) }
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

    /// Posts a message, which had no room for `left`.
    pub(in crate::notify) fn post(
        &mut self,
        body: &Value,
        classify: CheckResponse,
        left: Notification,
    ) -> PostFuture {
        self.rate_limit.consume_one();
        let (endpoint, body) = (self.endpoint.clone(), body.to_string());
        Box::pin(async move {
            let answer = endpoint.post(HeaderMap::new(), body).await?;
            classify(&answer, SystemTime::now())?;
            Ok(Delivered::partial(left))
        })
    }
}
