//! What the receivers that are reached by HTTP share: the client, the secret address, the answer.

mod address;
#[cfg(feature = "_chat")]
mod chat_webhook;
mod client;
mod connector;
#[cfg(any(feature = "alertmanager", feature = "slack", feature = "webhook"))]
mod headers;
#[cfg(any(feature = "_chat", feature = "pagerduty"))]
mod rate_limit;
mod response;
mod settings;

use std::{fmt, time::Duration};

use http::{
    HeaderMap, HeaderValue, Request,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::time::Instant;

#[cfg(feature = "_chat")]
pub(in crate::notify) use self::chat_webhook::{ChatWebhook, PostFuture};
#[cfg(any(feature = "alertmanager", feature = "slack", feature = "webhook"))]
pub(in crate::notify) use self::headers::Headers;
#[cfg(any(feature = "_chat", feature = "pagerduty"))]
pub(in crate::notify) use self::rate_limit::RateLimit;
pub(in crate::notify) use self::response::ApiResponse;
#[cfg(feature = "discord")]
pub(in crate::notify) use self::response::retry_delay;
#[cfg(any(feature = "_chat", feature = "pagerduty", feature = "webhook"))]
pub(in crate::notify) use self::settings::from_env;
pub(in crate::notify) use self::settings::tls_settings;
use self::{address::Address, client::Client};
pub(crate) use self::{client::check_clients, settings::HttpReceiver};
use super::tls::Trust;
use crate::notify::DeliveryError;
use crate::{causes::debug_as_display, deadline};

/// Why a notifier can't be made. Its text holds no part of the address, which is mostly a secret.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The address is not one that can be posted to.
    #[error("the {receiver} address {problem}: use one such as {example}")]
    #[non_exhaustive]
    Address {
        /// Whose address it is.
        receiver: &'static str,
        /// What is wrong with it.
        problem: &'static str,
        /// What one looks like.
        example: &'static str,
    },
    /// A header is not one that can be sent.
    #[error("a header of the {receiver} {problem}")]
    #[non_exhaustive]
    Header {
        /// Whose header it is.
        receiver: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A root certificate, or a client certificate with its key, can't be used.
    #[error("the {what} of the {receiver} {problem}")]
    #[non_exhaustive]
    Certificate {
        /// The receiver that it is for.
        receiver: &'static str,
        /// `root certificate` or `client certificate`.
        what: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The key is none that the receiver gives out.
    #[error("the {receiver} key {problem}")]
    #[non_exhaustive]
    Key {
        /// Whose key it is.
        receiver: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The mention is not one that the receiver knows.
    #[error("the {receiver} mention {problem}: use one such as {example}")]
    #[non_exhaustive]
    Mention {
        /// Whose mention it is.
        receiver: &'static str,
        /// What is wrong with it.
        problem: &'static str,
        /// What one looks like.
        example: &'static str,
    },
    /// The channel is none that can be posted to.
    #[error("the {receiver} channel {problem}: use its name or ID, such as {example}")]
    #[non_exhaustive]
    Channel {
        /// Whose channel it is.
        receiver: &'static str,
        /// What is wrong with it.
        problem: &'static str,
        /// What one looks like.
        example: &'static str,
    },
}

debug_as_display!(AddressError);

/// Where messages are posted to. The address is in no log, error or `Debug`.
#[derive(Clone)]
pub(crate) struct Endpoint {
    address: Address,
    client: Client,
    /// When the end of an answer is not waited for any longer, from the post on.
    timeout: Duration,
    /// How much of an answer is read, in bytes.
    response_limit: usize,
}

/// A little less than the 10 s of a delivery, so that no answer is lost whose head has come.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(9_500);

/// As much of an answer as is read, in bytes, where a word or two are what it says.
const RESPONSE_LIMIT: usize = 1_024;

/// How long the body of an answer may take.
const BODY_TIMEOUT: Duration = Duration::from_millis(1_500);

impl Endpoint {
    /// `receiver` and `example` are what an error says. Without root certificates there is an endpoint
    /// whose deliveries fail: the reason is logged, and the service starts.
    pub(crate) fn new(
        url: &str,
        receiver: &'static str,
        example: &'static str,
    ) -> Result<Self, AddressError> {
        let refused = |problem| AddressError::Address { receiver, problem, example };
        let address = Address::parse(url).map_err(refused)?;
        let client = Client::new(receiver, &address, Trust::default());
        Ok(Self { address, client, timeout: RESPONSE_TIMEOUT, response_limit: RESPONSE_LIMIT })
    }

    /// The whole address, which is mostly a secret.
    #[cfg(feature = "state")]
    pub(crate) fn address(&self) -> String {
        self.address.uri.to_string()
    }

    /// The resource at `path` under a base URL, which has no query.
    #[cfg(any(feature = "alertmanager", feature = "slack"))]
    pub(crate) fn under(
        base: &str,
        path: &str,
        receiver: &'static str,
        example: &'static str,
    ) -> Result<Self, AddressError> {
        let refused = |problem| AddressError::Address { receiver, problem, example };
        let base = base.trim().trim_end_matches('/');
        if base.is_empty() {
            return Err(refused("is empty"));
        }
        if base.contains(['?', '#']) {
            return Err(refused("has more than a path"));
        }
        Self::new(&format!("{base}/{path}"), receiver, example)
    }

    /// The resource beside this one: `name` instead of the last part of its path.
    #[cfg(feature = "slack")]
    pub(crate) fn sibling(&self, name: &str) -> Self {
        Self { address: self.address.sibling(name), ..self.clone() }
    }

    /// With a parameter in its query, unless it has one of that name.
    #[cfg(feature = "discord")]
    pub(crate) fn with_query(self, name: &str, value: &str) -> Self {
        Self { address: self.address.with_query(name, value), ..self }
    }

    /// For a caller that waits no longer than this for the whole answer.
    #[cfg(feature = "alertmanager")]
    pub(crate) fn with_timeout(self, time: Duration) -> Self {
        Self { timeout: time.saturating_sub(Duration::from_millis(500)), ..self }
    }

    /// Reads at most this many bytes of an answer.
    #[cfg(feature = "slack")]
    pub(crate) fn with_response_limit(self, response_limit: usize) -> Self {
        Self { response_limit, ..self }
    }

    /// With the certificates of `other`, for another address of the same receiver.
    #[cfg(any(feature = "pagerduty", feature = "slack"))]
    pub(crate) fn with_trust_of(self, other: &Self) -> Self {
        self.with_trust(other.client.trust().clone())
    }

    fn with_trust(mut self, trust: Trust) -> Self {
        self.client = Client::new(self.client.receiver(), &self.address, trust);
        self
    }

    /// Posts a body of JSON, with these headers besides, and returns the answer, whatever it says.
    ///
    /// The head of an answer counts: a body that breaks off, or does not end, is left alone.
    pub(crate) async fn post(
        self,
        headers: HeaderMap,
        body: String,
    ) -> Result<ApiResponse, DeliveryError> {
        let mut request = Request::post(self.address.uri.clone())
            .header(USER_AGENT, concat!("tower-lookout/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "*/*")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body))
            .map_err(DeliveryError::rejected)?;
        if let Some(authorization) = &self.address.authorization {
            request.headers_mut().insert(AUTHORIZATION, HeaderValue::clone(authorization));
        }
        request.headers_mut().extend(headers);
        let latest = Instant::now() + self.timeout;
        let (head, body) = self.client.send(request).await?.into_parts();
        let mut text = Vec::new();
        let latest = latest.min(Instant::now() + BODY_TIMEOUT);
        let read = deadline::by(latest, read(body, &mut text, self.response_limit)).await;
        text.truncate(self.response_limit);
        Ok(ApiResponse {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8_lossy(&text).into_owned(),
            is_truncated: !matches!(read, Ok(Ok(()))),
        })
    }
}

/// Reads to the end of the body, or until there is enough of it.
async fn read(mut body: Incoming, text: &mut Vec<u8>, enough: usize) -> hyper::Result<()> {
    while text.len() < enough
        && let Some(frame) = body.frame().await
    {
        if let Some(data) = frame?.data_ref() {
            text.extend_from_slice(data);
        }
    }
    Ok(())
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("url", &"***").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_can_not_be_one_is_refused_without_being_told() {
        for (url, says) in [
            ("", "is empty"),
            ("T000/B000/s3cret", "is no URL"),
            ("ftp://hooks.slack.com/s3cret", "is neither http nor https"),
            ("https://[s3cret", "is no URL"),
        ] {
            let error = Endpoint::new(url, "Slack webhook", "https://example.com").unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert!(!format!("{error} {error:?}").contains("s3cret"));
        }
    }
}
