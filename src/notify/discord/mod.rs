mod answer;
mod markdown;
mod payload;

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use http::HeaderMap;
use tower_service::Service;

use self::{answer::judge, payload::payload};
use super::{
    DeliveryError, Notification,
    http::{AddressError, Endpoint, Pace},
};

/// Posts to a Discord webhook, an embed an alert.
///
/// It keeps to Discord's limit of five messages in two seconds (what comes meanwhile is merged), to
/// what a 429 asks for, and to the sizes that Discord takes. What users control is escaped, and no
/// message mentions anybody. The address is a secret: it is in no log, error or `Debug`.
///
/// # Examples
///
/// ```
/// use tower_lookout::notify::Discord;
///
/// let discord = Discord::new("https://discord.com/api/webhooks/1234/secret")?;
/// assert!(!format!("{discord:?}").contains("secret"));
/// # Ok::<_, tower_lookout::notify::AddressError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Discord {
    endpoint: Endpoint,
    pace: Pace,
}

impl Discord {
    /// A notifier for the webhook at `url`, which may be any address of http or https.
    ///
    /// # Errors
    ///
    /// If `url` is no such address, or if it asks for TLS and the host has no root certificates.
    pub fn new(url: impl AsRef<str>) -> Result<Self, AddressError> {
        let example = "the one that Discord shows, https://discord.com/api/webhooks/…";
        let endpoint = Endpoint::new(url.as_ref(), "Discord webhook", example)?;
        Ok(Self { endpoint, pace: Pace::new(Duration::from_millis(400)) })
    }
}

impl Service<Notification> for Discord {
    type Response = ();
    type Error = DeliveryError;
    type Future = Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), DeliveryError>> {
        self.pace.poll_ready(cx).map(Ok)
    }

    fn call(&mut self, notification: Notification) -> Self::Future {
        self.pace.spend();
        let body = payload(&notification, SystemTime::now()).to_string();
        let endpoint = self.endpoint.clone();
        Box::pin(async move {
            let answer = endpoint.post(HeaderMap::new(), body).await?;
            judge(&answer, SystemTime::now())
        })
    }
}
