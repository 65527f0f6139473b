mod api;
#[cfg(feature = "toml")]
mod config;
mod html;
mod payload;
mod response;

use std::{
    fmt,
    task::{Context, Poll},
};

use tower_service::Service;

use self::api::Api;
use super::{
    chat::bot::{BotFuture, Chat},
    http::{AddressError, tls_settings},
};
use crate::notify::{Delivered, DeliveryError, Notification};

/// Posts alerts to a Telegram chat through a bot, edits the message of an alert when the alert
/// resolves, and replies to it.
///
/// Create the bot with [@BotFather](https://t.me/BotFather), and add it to the group or the
/// channel. In a channel it must be an administrator.
///
/// Each alert has its own message, which begins with its status; more than three that start
/// together share one. When an alert resolves, or the count of a repeated report grows, the bot
/// edits the message and replies to it. For more than three messages at once, it posts one message
/// to the chat instead. An alert gets a new message if its message is unknown, since the process or
/// the bot is new, or if Telegram no longer accepts edits of it. The bot remembers the messages of
/// up to 1,000 alerts. Messages without a firing alert make no sound.
///
/// The bot posts at most one message a second, honours `retry_after`, and keeps messages within
/// 4,096 UTF-16 code units. After a failure it retries only the remaining posts and edits. If
/// Telegram's response is lost in a timeout, a retry may post the message twice. If the group
/// becomes a supergroup, the bot posts to that one and logs its ID.
///
/// Clones share their state of the chat. The token is a secret: no log, error or `Debug` output
/// contains it.
///
/// # Examples
///
/// ```
/// use tower_lookout::{Lookout, notify::Telegram};
///
/// let telegram = Telegram::new("123456789:secret", "-1001234567890")?;
/// assert!(!format!("{telegram:?}").contains("secret"));
/// let builder = Lookout::builder().notify(telegram);
/// # Ok::<_, tower_lookout::notify::AddressError>(())
/// ```
#[derive(Clone)]
pub struct Telegram {
    api: Api,
    chat: Chat<Api>,
}

impl Telegram {
    /// Creates a notifier for a chat, by its ID, such as `-1001234567890`, or by the name of a
    /// public channel, such as `@alerts`.
    ///
    /// # Errors
    ///
    /// Returns an error if the token is not a bot token (`123456789:…`), or if the chat is neither
    /// an ID nor a name.
    pub fn new(token: impl AsRef<str>, chat: impl AsRef<str>) -> Result<Self, AddressError> {
        let api = Api::new(token.as_ref(), chat.as_ref())?;
        Ok(Self { api, chat: Chat::default() })
    }

    /// Posts to a topic of a supergroup, by its `message_thread_id`.
    ///
    /// Defaults to the general topic.
    #[must_use]
    pub fn topic(self, id: u32) -> Self {
        Self { api: self.api.topic(id), ..self }
    }

    /// Sets the base URL of the Bot API, for a Bot API server of your own.
    ///
    /// Defaults to `https://api.telegram.org`.
    ///
    /// # Errors
    ///
    /// Returns [`AddressError::Address`] if `url` is invalid or has a query.
    pub fn url(self, url: impl AsRef<str>) -> Result<Self, AddressError> {
        Ok(Self { api: self.api.at(url.as_ref())?, ..self })
    }
}

tls_settings!(Telegram, |telegram, change| telegram.api.each_endpoint(change));

impl fmt::Debug for Telegram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telegram").field("api", &self.api).finish_non_exhaustive()
    }
}

#[cfg(feature = "state")]
impl super::address::Addressed for Telegram {
    fn address(&self) -> Vec<String> {
        self.api.address()
    }
}

impl Service<Notification> for Telegram {
    type Response = Delivered;
    type Error = DeliveryError;
    type Future = BotFuture;

    /// Always ready: the rate limit applies between posts, and a notification may need several.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), DeliveryError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, notification: Notification) -> BotFuture {
        self.chat.deliver(self.api.clone(), notification)
    }
}

#[cfg(test)]
mod tests;
