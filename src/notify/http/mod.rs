//! What the receivers that are reached by HTTP share: the client, the secret address, the answer.

mod answer;
#[cfg(any(feature = "alertmanager", feature = "slack", feature = "webhook"))]
mod headers;
#[cfg(any(feature = "_chat", feature = "pagerduty"))]
mod pace;
#[cfg(feature = "_chat")]
mod paced;

use std::{fmt, sync::Arc, time::Duration};

use http::HeaderMap;
use reqwest::{Client, Url, redirect};

pub(super) use self::answer::Answer;
#[cfg(feature = "discord")]
pub(super) use self::answer::seconds_to_wait;
#[cfg(any(feature = "alertmanager", feature = "slack", feature = "webhook"))]
pub(super) use self::headers::Headers;
#[cfg(any(feature = "_chat", feature = "pagerduty"))]
pub(super) use self::pace::Pace;
#[cfg(feature = "_chat")]
pub(super) use self::paced::{Paced, Posting};
use super::DeliveryError;
use crate::causes::debug_as_display;

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
    /// There is no TLS client, mostly since the host has no root certificates.
    #[error("no TLS for {receiver}: install the host's root certificates (ca-certificates)")]
    #[non_exhaustive]
    Tls {
        /// Who is asked by TLS.
        receiver: &'static str,
        /// What the TLS library says.
        source: Box<dyn std::error::Error + Send + Sync>,
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
pub(super) struct Endpoint {
    url: Arc<Url>,
    client: Client,
    /// How much of an answer is read, in bytes.
    answer_limit: usize,
}

/// How long connecting may take; the whole delivery has the worker's timeout.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// As much of an answer as is read, in bytes, where a word or two are what it says.
const ANSWER_LIMIT: usize = 1_024;

impl Endpoint {
    /// `receiver` and `example` are what an error says.
    pub(super) fn new(
        url: &str,
        receiver: &'static str,
        example: &'static str,
    ) -> Result<Self, AddressError> {
        let refused = |problem| AddressError::Address { receiver, problem, example };
        let url = url.trim();
        if url.is_empty() {
            return Err(refused("is empty"));
        }
        let url: Url = url.parse().map_err(|_| refused("is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refused("is neither http nor https"));
        }
        let no_tls = |source| AddressError::Tls { receiver, source };
        let client = Client::builder()
            .tls_backend_preconfigured(tls(url.scheme() == "https").map_err(no_tls)?)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("tower-lookout/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| no_tls(error.into()))?;
        Ok(Self { url: Arc::new(url), client, answer_limit: ANSWER_LIMIT })
    }

    /// What is at `path` under a base address, which has no more than a path itself.
    #[cfg(any(feature = "alertmanager", feature = "slack"))]
    pub(super) fn under(
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

    /// What is beside this one: `name` instead of the last part of its path.
    #[cfg(feature = "slack")]
    pub(super) fn beside(&self, name: &str) -> Self {
        let mut url = Url::clone(&self.url);
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop().push(name);
        }
        Self { url: Arc::new(url), ..self.clone() }
    }

    /// With a parameter in its query, unless it has one of that name.
    #[cfg(feature = "discord")]
    pub(super) fn with_query(self, name: &str, value: &str) -> Self {
        let mut url = Url::clone(&self.url);
        if !url.query_pairs().any(|(found, _)| found == name) {
            url.query_pairs_mut().append_pair(name, value);
        }
        Self { url: Arc::new(url), ..self }
    }

    /// Reads so many bytes of an answer.
    #[cfg(feature = "slack")]
    pub(super) fn reading(self, answer_limit: usize) -> Self {
        Self { answer_limit, ..self }
    }

    /// Posts a body of JSON, with these headers besides; gives the answer, whatever it says.
    pub(super) async fn post(
        self,
        headers: HeaderMap,
        body: String,
    ) -> Result<Answer, DeliveryError> {
        // An error of the client names the address.
        let retry = |error: reqwest::Error| DeliveryError::retry(error.without_url());
        let mut response = self
            .client
            .post(Url::clone(&self.url))
            .header(http::header::CONTENT_TYPE, "application/json")
            .headers(headers)
            .body(body)
            .send()
            .await
            .map_err(retry)?;
        let mut text = Vec::new();
        while text.len() < self.answer_limit {
            match response.chunk().await {
                Ok(Some(chunk)) => text.extend_from_slice(&chunk),
                Ok(None) => break,
                // Taken, whatever became of the rest of the answer: another try would post twice.
                Err(_) if response.status().is_success() => {
                    text.clear();
                    break;
                }
                Err(error) => return Err(retry(error)),
            }
        }
        text.truncate(self.answer_limit);
        Ok(Answer {
            status: response.status(),
            headers: response.headers().clone(),
            text: String::from_utf8_lossy(&text).into_owned(),
        })
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("url", &"***").finish_non_exhaustive()
    }
}

/// TLS with a provider of our own, so that nothing is installed for the whole process.
fn tls(is_needed: bool) -> Result<rustls::ClientConfig, Box<dyn std::error::Error + Send + Sync>> {
    use rustls_platform_verifier::BuilderVerifierExt;

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?;
    let builder = if is_needed {
        builder.with_platform_verifier()?
    } else {
        builder.with_root_certificates(rustls::RootCertStore::empty())
    };
    Ok(builder.with_no_client_auth())
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
