mod api;
#[cfg(feature = "toml")]
mod config;
mod response;

use std::{
    fmt,
    task::{Context, Poll},
};

use tower_service::Service;

use self::api::Api;
use crate::notify::{
    Delivered, DeliveryError, Notification,
    receivers::{
        chat::bot::{BotFuture, Chat},
        http::{AddressError, tls_settings},
    },
};

/// Posts alerts to a Slack channel with a bot token, edits the message of an alert when the alert
/// resolves, and posts updates in its thread.
///
/// The token belongs to an app with the scope `chat:write` that was invited to the channel.
///
/// Each alert has its own message; more than three that start together share one. When an alert
/// resolves, or the count of a repeated report grows, the bot edits the message and replies in its
/// thread. For more than three threads at once, it posts one message to the channel instead. An
/// alert gets a new message if its message is unknown, since the process or the bot is new, or if
/// Slack no longer accepts edits of it. The bot remembers the messages of up to 1,000 alerts.
///
/// The bot posts at most one message a second, honours `Retry-After`, and keeps messages within
/// Slack's size limits. After a failure it retries only the remaining posts and edits. If Slack's
/// response is lost in a timeout, a retry may post the message twice. A response whose body does
/// not end within 1.5 s counts as posted, unless it begins with a failure.
///
/// Clones share their state of the channel. The token is a secret: no log, error or `Debug` output
/// contains it. [`Slack`](crate::notify::Slack) needs only a webhook instead of an app, but can't edit.
///
/// # Examples
///
/// ```
/// use tower_lookout::{Lookout, notify::SlackBot};
///
/// let slack = SlackBot::new("xoxb-0123456789-secret", "#alerts")?;
/// assert!(!format!("{slack:?}").contains("secret"));
/// let builder = Lookout::builder().notify(slack);
/// # Ok::<_, tower_lookout::notify::AddressError>(())
/// ```
#[derive(Clone)]
pub struct SlackBot {
    api: Api,
    channel: Chat<Api>,
}

impl SlackBot {
    /// Creates a notifier for a channel, by its name or ID, such as `#alerts` or `C0123456789`.
    ///
    /// # Errors
    ///
    /// Returns an error if the token is not a bot token (`xoxb-…`), or if the channel is empty or
    /// contains whitespace.
    pub fn new(token: impl AsRef<str>, channel: impl AsRef<str>) -> Result<Self, AddressError> {
        let api = Api::new(token.as_ref(), channel.as_ref())?;
        Ok(Self { api, channel: Chat::default() })
    }

    /// Mentions a user, a group or the channel in each message with a critical alert that has
    /// started to fire, such as `<!here>`. Repeats, replies and resolves mention nobody.
    ///
    /// Defaults to no mention.
    ///
    /// # Errors
    ///
    /// Returns [`AddressError::Mention`] if Slack has no such mention.
    pub fn mention(self, mention: impl AsRef<str>) -> Result<Self, AddressError> {
        Ok(Self { api: self.api.mention(mention.as_ref())?, ..self })
    }

    /// Sets the base URL of Slack's Web API, such as `https://slack-gov.com/api` for GovSlack.
    ///
    /// Defaults to `https://slack.com/api`.
    ///
    /// # Errors
    ///
    /// Returns [`AddressError::Address`] if `url` is invalid or has a query.
    pub fn url(self, url: impl AsRef<str>) -> Result<Self, AddressError> {
        Ok(Self { api: self.api.at(url.as_ref())?, ..self })
    }
}

tls_settings!(SlackBot, |bot, change| bot.api.each_endpoint(change));

impl fmt::Debug for SlackBot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlackBot").field("api", &self.api).finish_non_exhaustive()
    }
}

#[cfg(feature = "state")]
impl crate::notify::receivers::address::Addressed for SlackBot {
    fn address(&self) -> Vec<String> {
        self.api.address()
    }
}

impl Service<Notification> for SlackBot {
    type Response = Delivered;
    type Error = DeliveryError;
    type Future = BotFuture;

    /// Always ready: the rate limit applies between posts, and a notification may need several.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), DeliveryError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, notification: Notification) -> BotFuture {
        self.channel.deliver(self.api.clone(), notification)
    }
}
