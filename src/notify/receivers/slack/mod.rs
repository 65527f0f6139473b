mod bot;
mod classify;
#[cfg(feature = "toml")]
mod config;
mod mention;
mod mrkdwn;
mod payload;

use std::{
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use tower_service::Service;

pub use self::bot::SlackBot;
use self::{classify::classify, mention::Mention, payload::payload};
use super::{
    chat::render::is_urgent,
    http::{AddressError, ChatWebhook, Endpoint, PostFuture, from_env, tls_settings},
};
use crate::notify::{Delivered, DeliveryError, Notification};

/// Posts alerts to a Slack incoming webhook, in Block Kit.
///
/// The notifier posts at most one message a second, and merges the changes that arrive in between.
/// It honours `Retry-After`, and keeps messages within Slack's size limits. Text from users is
/// escaped, so it can't mention anybody; [`mention`](Self::mention) sets the mention for critical
/// alerts. The address is a secret: no log, error or `Debug` output contains it.
///
/// A webhook can only add messages. [`SlackBot`] edits the message of an alert when the alert
/// resolves, and posts updates in its thread. It needs an app with a bot token.
///
/// # Examples
///
/// ```
/// use tower_lookout::notify::Slack;
///
/// let slack = Slack::new("https://hooks.slack.com/services/T000/B000/secret")?;
/// assert!(!format!("{slack:?}").contains("secret"));
/// # Ok::<_, tower_lookout::notify::AddressError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Slack {
    webhook: ChatWebhook,
    mention: Option<Mention>,
}

impl Slack {
    /// Creates a notifier for the webhook at `url`, an HTTP or HTTPS address.
    ///
    /// # Errors
    ///
    /// Returns [`AddressError::Address`] if `url` is invalid.
    pub fn new(url: impl AsRef<str>) -> Result<Self, AddressError> {
        let example = "https://hooks.slack.com/services/…";
        let endpoint = Endpoint::new(url.as_ref(), "Slack webhook", example)?;
        Ok(Self { webhook: ChatWebhook::new(endpoint, Duration::from_secs(1)), mention: None })
    }

    /// Mentions a user, a group or the channel in each message with a critical alert that has
    /// started to fire. Repeats and resolves mention nobody.
    ///
    /// Defaults to no mention.
    ///
    /// # Errors
    ///
    /// Returns [`AddressError::Mention`] if Slack has no such mention.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::notify::Slack;
    ///
    /// let slack = Slack::new("https://hooks.slack.com/services/T000/B000/secret")?
    ///     .mention("<!subteam^S0123456789>")?; // or <!here>, <!channel>, <@U0123456789>
    /// # Ok::<_, tower_lookout::notify::AddressError>(())
    /// ```
    pub fn mention(self, mention: impl AsRef<str>) -> Result<Self, AddressError> {
        let mention = Mention::parse(mention.as_ref(), "Slack webhook")?;
        Ok(Self { mention: Some(mention), ..self })
    }
}

tls_settings!(Slack, |slack, change| change(slack.webhook.endpoint()));
from_env!(Slack, "webhook", "SLACK_WEBHOOK_URL");

#[cfg(feature = "state")]
impl super::address::Addressed for Slack {
    fn address(&self) -> Vec<String> {
        vec![self.webhook.address()]
    }
}

impl Service<Notification> for Slack {
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
