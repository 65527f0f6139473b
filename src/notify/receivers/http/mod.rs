//! The HTTP client, the endpoint and the response that the HTTP receivers share.

mod address;
mod chat_webhook;
mod client;
mod connector;
mod each_alert;
mod headers;
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

pub(in crate::notify) use self::chat_webhook::{ChatWebhook, PostFuture};
pub(in crate::notify) use self::each_alert::{AlertRequest, deliver_each};
pub(in crate::notify) use self::headers::Headers;
pub(in crate::notify) use self::rate_limit::RateLimit;
pub(in crate::notify) use self::response::ApiResponse;
pub(in crate::notify) use self::response::retry_delay;
pub(in crate::notify) use self::settings::from_env;
pub(in crate::notify) use self::settings::tls_settings;
use self::{address::Address, client::Client};
pub(crate) use self::{client::check_clients, settings::HttpReceiver};
use super::tls::Trust;
use crate::notify::DeliveryError;
use crate::{causes::debug_as_display, deadline};

/// An invalid setting of a notifier. The message contains no part of an address, since addresses
/// contain secrets.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The address is invalid.
    #[error("the {receiver} address {problem}: use one such as {example}")]
    #[non_exhaustive]
    Address {
        /// The receiver's name.
        receiver: &'static str,
        /// The problem with the address.
        problem: &'static str,
        /// A valid address.
        example: &'static str,
    },
    /// A header's name or value is invalid.
    #[error("a header of the {receiver} {problem}")]
    #[non_exhaustive]
    Header {
        /// The receiver's name.
        receiver: &'static str,
        /// The problem with the header.
        problem: &'static str,
    },
    /// A root certificate, or a client certificate or its key, is invalid.
    #[error("the {item} of the {receiver} {problem}")]
    #[non_exhaustive]
    Certificate {
        /// The receiver's name.
        receiver: &'static str,
        /// `root certificate` or `client certificate`.
        item: &'static str,
        /// The problem with the certificate.
        problem: &'static str,
    },
    /// The key or token is invalid.
    #[error("the {receiver} key {problem}")]
    #[non_exhaustive]
    Key {
        /// The receiver's name.
        receiver: &'static str,
        /// The problem with the key.
        problem: &'static str,
    },
    /// The receiver has no such mention.
    #[error("the {receiver} mention {problem}: use one such as {example}")]
    #[non_exhaustive]
    Mention {
        /// The receiver's name.
        receiver: &'static str,
        /// The problem with the mention.
        problem: &'static str,
        /// A valid mention.
        example: &'static str,
    },
    /// The channel's name or ID is invalid.
    #[error("the {receiver} channel {problem}: use its name or ID, such as {example}")]
    #[non_exhaustive]
    Channel {
        /// The receiver's name.
        receiver: &'static str,
        /// The problem with the channel.
        problem: &'static str,
        /// A valid channel.
        example: &'static str,
    },
}

debug_as_display!(AddressError);

/// An HTTP resource that messages are posted to. No log, error or `Debug` output contains its
/// address.
#[derive(Clone)]
pub(crate) struct Endpoint {
    address: Address,
    client: Client,
    /// How long the whole response may take, from the post on.
    timeout: Duration,
    /// How much of a response body is read, in bytes.
    response_limit: usize,
}

/// A little less than the 10 s of a delivery, so that a response whose head has arrived counts.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(9_500);

/// How much of a response body is read by default, in bytes. Most receivers send a word or two.
const RESPONSE_LIMIT: usize = 1_024;

/// How long the body may take after the head has arrived.
const BODY_TIMEOUT: Duration = Duration::from_millis(1_500);

impl Endpoint {
    /// An endpoint at `url`. An error names `receiver` and shows `example`.
    ///
    /// On a host without root certificates the endpoint is created, and its deliveries fail: the
    /// start of the service logs the reason.
    pub(crate) fn new(
        url: &str,
        receiver: &'static str,
        example: &'static str,
    ) -> Result<Self, AddressError> {
        let invalid = |problem| AddressError::Address { receiver, problem, example };
        let address = Address::parse(url).map_err(invalid)?;
        let client = Client::new(receiver, &address, Trust::default());
        Ok(Self { address, client, timeout: RESPONSE_TIMEOUT, response_limit: RESPONSE_LIMIT })
    }

    /// The whole URL, which may be a secret.
    #[cfg(feature = "state")]
    pub(crate) fn address(&self) -> String {
        self.address.uri.to_string()
    }

    /// An endpoint at `path` below a base URL. The base URL must not have a query.
    pub(crate) fn under(
        base: &str,
        path: &str,
        receiver: &'static str,
        example: &'static str,
    ) -> Result<Self, AddressError> {
        let invalid = |problem| AddressError::Address { receiver, problem, example };
        let base = base.trim().trim_end_matches('/');
        if base.is_empty() {
            return Err(invalid("is empty"));
        }
        if base.contains(['?', '#']) {
            return Err(invalid("has a query or a fragment"));
        }
        Self::new(&format!("{base}/{path}"), receiver, example)
    }

    /// The resource whose last path segment is `name` instead.
    pub(crate) fn sibling(&self, name: &str) -> Self {
        Self { address: self.address.sibling(name), ..self.clone() }
    }

    /// Adds a query parameter, unless the query already has one with this name.
    pub(crate) fn with_query(self, name: &str, value: &str) -> Self {
        Self { address: self.address.with_query(name, value), ..self }
    }

    /// Sets the time after which the caller gives up. The endpoint returns 0.5 s before that.
    pub(crate) fn with_timeout(self, time: Duration) -> Self {
        Self { timeout: time.saturating_sub(Duration::from_millis(500)), ..self }
    }

    /// Reads at most this many bytes of a response body.
    pub(crate) fn with_response_limit(self, response_limit: usize) -> Self {
        Self { response_limit, ..self }
    }

    /// Uses the certificates of `other`, another endpoint of the same receiver.
    pub(crate) fn with_trust_of(self, other: &Self) -> Self {
        self.with_trust(other.client.trust().clone())
    }

    fn with_trust(mut self, trust: Trust) -> Self {
        self.client = Client::new(self.client.receiver(), &self.address, trust);
        self
    }

    /// Posts a JSON body with additional headers, and returns the response, whatever its status.
    ///
    /// Once the head has arrived, a body that breaks off or does not end is not an error.
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
        let deadline = Instant::now() + self.timeout;
        let (head, body) = self.client.send(request).await?.into_parts();
        let mut text = Vec::new();
        let deadline = deadline.min(Instant::now() + BODY_TIMEOUT);
        let read = deadline::by(deadline, read(body, &mut text, self.response_limit)).await;
        text.truncate(self.response_limit);
        Ok(ApiResponse {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8_lossy(&text).into_owned(),
            is_truncated: !matches!(read, Ok(Ok(()))),
        })
    }
}

/// Reads the body until its end, or until there are `limit` bytes.
async fn read(mut body: Incoming, text: &mut Vec<u8>, limit: usize) -> hyper::Result<()> {
    while text.len() < limit
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
    fn an_invalid_address_is_rejected_without_showing_it() {
        for (url, expected) in [
            ("", "is empty"),
            ("T000/B000/s3cret", "is not a URL"),
            ("ftp://hooks.slack.com/s3cret", "is neither http nor https"),
            ("https://[s3cret", "is not a URL"),
        ] {
            let error = Endpoint::new(url, "Slack webhook", "https://example.com").unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(!format!("{error} {error:?}").contains("s3cret"));
        }
    }
}
