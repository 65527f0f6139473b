mod bot;
mod classify;
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

/// Posts to a Slack incoming webhook, in Block Kit.
///
/// It keeps to Slack's limit of a message a second (what comes meanwhile is merged), to what a 429
/// asks for, and to the sizes that Slack takes. What users control is escaped, so that it can
/// mention nobody; [`mention`](Self::mention) says whom a critical alert notifies. The address is a secret: it is in no log, error or `Debug`.
///
/// A webhook only adds messages. Take [`SlackBot`] to have the message of an alert turn green when it is
/// resolved, and what becomes of it in a thread; it needs an app with a bot token.
///
/// # Examples
///
/// ```
/// use tower_lookout::Slack;
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
    /// A notifier for the webhook at `url`, which may be any address of http or https.
    ///
    /// # Errors
    ///
    /// If `url` is no such address.
    pub fn new(url: impl AsRef<str>) -> Result<Self, AddressError> {
        let example = "the one that Slack shows, https://hooks.slack.com/services/…";
        let endpoint = Endpoint::new(url.as_ref(), "Slack webhook", example)?;
        Ok(Self { webhook: ChatWebhook::new(endpoint, Duration::from_secs(1)), mention: None })
    }

    /// Mentions people in each message that names a critical alert which has begun to fire, such as
    /// `<!here>`. No other text can mention anybody. Defaults to nobody.
    ///
    /// # Errors
    ///
    /// If the receiver knows no such mention.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_lookout::Slack;
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

    fn call(&mut self, notification: Notification) -> Self::Future {
        let (mut message, named) = payload(&notification, SystemTime::now());
        if let Some(mention) = self.mention.as_ref().filter(|_| is_urgent(&notification, named)) {
            mention.add_to(&mut message);
        }
        self.webhook.post(&message, classify, notification.after(named))
    }
}
