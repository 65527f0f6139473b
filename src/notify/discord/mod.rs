mod answer;
mod markdown;
mod payload;

use std::{
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use tower_service::Service;

use self::{answer::judge, payload::payload};
use super::{
    Delivered, DeliveryError, Notification,
    http::{AddressError, Endpoint, Paced, Posting},
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
    webhook: Paced,
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
        // Else a message that is not saved is answered like one that is.
        let endpoint = endpoint.with_query("wait", "true");
        Ok(Self { webhook: Paced::new(endpoint, Duration::from_millis(400)) })
    }
}

impl Service<Notification> for Discord {
    type Response = Delivered;
    type Error = DeliveryError;
    type Future = Posting;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), DeliveryError>> {
        self.webhook.poll_ready(cx)
    }

    fn call(&mut self, notification: Notification) -> Self::Future {
        let (message, named) = payload(&notification, SystemTime::now());
        self.webhook.post(&message, judge, notification.after(named))
    }
}
