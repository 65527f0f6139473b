mod answer;
mod mrkdwn;
mod pace;
mod payload;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use reqwest::{Client, Url, header, redirect};
use tower_service::Service;

use self::{answer::judge, pace::Pace, payload::payload};
use super::{DeliveryError, Notification};

/// Posts to a Slack incoming webhook, in Block Kit.
///
/// It keeps to Slack's limit of a message a second (what comes meanwhile is merged), to what a 429
/// asks for, and to the sizes that Slack takes. What users control is escaped, so that it can
/// mention nobody. The address is a secret: it is in no log, error or `Debug`.
///
/// # Examples
///
/// ```
/// use tower_lookout::Slack;
///
/// let slack = Slack::new("https://hooks.slack.com/services/T000/B000/secret")?;
/// assert!(!format!("{slack:?}").contains("secret"));
/// # Ok::<_, tower_lookout::notify::SlackError>(())
/// ```
#[derive(Clone)]
pub struct Slack {
    url: Arc<Url>,
    client: Client,
    pace: Pace,
}

/// Why a Slack notifier can't be made. Its text holds no part of the address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SlackError {
    /// The address is not one of a webhook.
    #[error(
        "the Slack webhook address {0}: use the one that Slack shows, https://hooks.slack.com/services/…"
    )]
    Address(&'static str),
    /// There is no TLS client, mostly since the host has no root certificates.
    #[error("no TLS for the Slack webhook: install the host's root certificates (ca-certificates)")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// How long connecting may take; the whole delivery has the worker's timeout.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// As much of an answer as is read: Slack's are a word.
const ANSWER_LIMIT: usize = 1_024;

impl Slack {
    /// A notifier for the webhook at `url`, which may be any address of http or https.
    ///
    /// # Errors
    ///
    /// If `url` is no such address, or if it asks for TLS and the host has no root certificates.
    pub fn new(url: impl AsRef<str>) -> Result<Self, SlackError> {
        let url = url.as_ref().trim();
        if url.is_empty() {
            return Err(SlackError::Address("is empty"));
        }
        let url: Url = url.parse().map_err(|_| SlackError::Address("is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(SlackError::Address("is neither http nor https"));
        }
        let client = Client::builder()
            .tls_backend_preconfigured(tls(url.scheme() == "https").map_err(SlackError::Tls)?)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("tower-lookout/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| SlackError::Tls(error.into()))?;
        Ok(Self { url: Arc::new(url), client, pace: Pace::default() })
    }

    async fn post(client: Client, url: Url, body: String) -> Result<(), DeliveryError> {
        // An error of the client names the address, which is the secret.
        let retry = |error: reqwest::Error| DeliveryError::retry(error.without_url());
        let mut response = client
            .post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .send()
            .await
            .map_err(retry)?;
        let mut answer = Vec::new();
        while answer.len() < ANSWER_LIMIT {
            match response.chunk().await {
                Ok(Some(chunk)) => answer.extend_from_slice(&chunk),
                Ok(None) => break,
                // Taken, whatever became of the rest of the answer: another try would post twice.
                Err(_) if response.status().is_success() => return Ok(()),
                Err(error) => return Err(retry(error)),
            }
        }
        answer.truncate(ANSWER_LIMIT);
        judge(
            response.status(),
            response.headers(),
            &String::from_utf8_lossy(&answer),
            SystemTime::now(),
        )
    }
}

impl Service<Notification> for Slack {
    type Response = ();
    type Error = DeliveryError;
    type Future = Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), DeliveryError>> {
        self.pace.poll_ready(cx).map(Ok)
    }

    fn call(&mut self, notification: Notification) -> Self::Future {
        self.pace.spend();
        let body = payload(&notification, SystemTime::now()).to_string();
        Box::pin(Self::post(self.client.clone(), Url::clone(&self.url), body))
    }
}

impl fmt::Debug for Slack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slack").field("url", &"***").finish_non_exhaustive()
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
            let error = Slack::new(url).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert!(!format!("{error} {error:?}").contains("s3cret"));
        }
    }
}
