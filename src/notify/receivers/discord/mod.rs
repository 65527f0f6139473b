mod classify;
#[cfg(feature = "toml")]
mod config;
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

/// Posts alerts to a Discord webhook, one embed per alert.
///
/// The notifier posts at most five messages in two seconds, and merges the changes that arrive in
/// between. It honours the delay of a 429, and keeps messages within Discord's size limits. Text
/// from users is escaped, so it can't mention anybody; [`mention`](Self::mention) sets the mention
/// for critical alerts. The address is a secret: no log, error or `Debug` output contains it.
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
    /// Creates a notifier for the webhook at `url`, an HTTP or HTTPS address.
    ///
    /// # Errors
    ///
    /// Returns [`AddressError::Address`] if `url` is invalid.
    pub fn new(url: impl AsRef<str>) -> Result<Self, AddressError> {
        let example = "https://discord.com/api/webhooks/…";
        let endpoint = Endpoint::new(url.as_ref(), "Discord webhook", example)?;
        // Without `wait`, Discord reports success before it has saved the message.
        let endpoint = endpoint.with_query("wait", "true");
        Ok(Self { webhook: ChatWebhook::new(endpoint, Duration::from_millis(400)), mention: None })
    }

    /// Mentions a role, a user or everybody in each message with a critical alert that has started
    /// to fire, such as `<@&123456789012345678>`. Repeats and resolves mention nobody.
    ///
    /// Defaults to no mention.
    ///
    /// # Errors
    ///
    /// Returns [`AddressError::Mention`] if Discord has no such mention.
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

    fn call(&mut self, mut notification: Notification) -> Self::Future {
        let (mut message, named) = payload(&notification, SystemTime::now());
        if let Some(mention) = self.mention.as_ref().filter(|_| is_urgent(&notification, named)) {
            mention.add_to(&mut message);
        }
        self.webhook.post(&message, classify, notification.split_off(named))
    }
}
