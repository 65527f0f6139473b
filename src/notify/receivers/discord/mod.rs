mod classify;
mod markdown;
mod mention;
mod payload;

use std::{
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use tower_service::Service;

use self::{classify::classify, mention::Mention, payload::payload};
use super::{
    chat::render::is_urgent,
    http::{AddressError, ChatWebhook, Endpoint, PostFuture, from_env, tls_settings},
};
use crate::notify::{Delivered, DeliveryError, Notification};

/// Posts to a Discord webhook, an embed an alert.
///
/// It keeps to Discord's limit of five messages in two seconds (what comes meanwhile is merged), to
/// what a 429 asks for, and to the sizes that Discord takes. What users control is escaped, and mentions
/// nobody; [`mention`](Self::mention) says whom a critical alert notifies. The address is a secret: it is in no log, error or `Debug`.
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
    webhook: ChatWebhook,
    mention: Option<Mention>,
}

impl Discord {
    /// A notifier for the webhook at `url`, which may be any address of http or https.
    ///
    /// # Errors
    ///
    /// If `url` is no such address.
    pub fn new(url: impl AsRef<str>) -> Result<Self, AddressError> {
        let example = "the one that Discord shows, https://discord.com/api/webhooks/…";
        let endpoint = Endpoint::new(url.as_ref(), "Discord webhook", example)?;
        // Else a message that is not saved is answered like one that is.
        let endpoint = endpoint.with_query("wait", "true");
        Ok(Self { webhook: ChatWebhook::new(endpoint, Duration::from_millis(400)), mention: None })
    }

    /// Mentions a role, a user or everybody in each message that names a critical alert which has begun to fire, such as
    /// `<@&123456789012345678>`. No other text can mention anybody. Defaults to nobody.
    ///
    /// # Errors
    ///
    /// If the receiver knows no such mention.
    pub fn mention(self, mention: impl AsRef<str>) -> Result<Self, AddressError> {
        Ok(Self { mention: Some(Mention::parse(mention.as_ref())?), ..self })
    }
}

tls_settings!(Discord, |discord, change| change(discord.webhook.endpoint()));
from_env!(Discord, "webhook", "DISCORD_WEBHOOK_URL");

#[cfg(feature = "state")]
impl super::address::Addressed for Discord {
    fn address(&self) -> Vec<String> {
        vec![self.webhook.address()]
    }
}

impl Service<Notification> for Discord {
    type Response = Delivered;
    type Error = DeliveryError;
    type Future = PostFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), DeliveryError>> {
        self.webhook.poll_ready(cx)
    }

    fn call(&mut self, notification: Notification) -> Self::Future {
        let (mut message, named) = payload(&notification, SystemTime::now());
        if let Some(mention) = self.mention.as_ref().filter(|_| is_urgent(&notification, named)) {
            mention.add_to(&mut message);
        }
        self.webhook.post(&message, classify, notification.after(named))
    }
}
