mod api;
#[cfg(feature = "toml")]
mod config;
mod posted;
mod response;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::SystemTime,
};

use tokio::sync::Mutex;
use tower_service::Service;

use self::{
    api::{Api, NextPost},
    posted::{Action, MessageRef, PostedMessages},
    response::Rejection,
};
use crate::{
    alert::AlertStatus,
    catch_panic::logged,
    notify::{
        Delivered, DeliveryError, DeliveryErrorKind, Notification,
        error::chain,
        receivers::http::{AddressError, tls_settings},
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
    channel: Arc<Mutex<Channel>>,
}

/// The state of the channel.
#[derive(Debug, Default)]
struct Channel {
    posted: PostedMessages,
    next_post: NextPost,
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
        Ok(Self { api, channel: Arc::default() })
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
    type Future = Pin<Box<dyn Future<Output = Result<Delivered, DeliveryError>> + Send>>;

    /// Always ready: the rate limit applies between posts, and a notification may need several.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), DeliveryError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, notification: Notification) -> Self::Future {
        let (api, channel) = (self.api.clone(), Arc::clone(&self.channel));
        Box::pin(async move { channel.lock().await.deliver(&api, notification).await })
    }
}

impl Channel {
    /// Delivers a notification, one action at a time. Each completed action is recorded at once, so
    /// a retry skips it, even if this future is dropped half-way.
    async fn deliver(
        &mut self,
        api: &Api,
        mut left: Notification,
    ) -> Result<Delivered, DeliveryError> {
        let total = left.alerts.len();
        let mut failure: Option<DeliveryError> = None;
        let (mut rejected, mut are_together) = (Notification::empty(), false);
        let mut reminders = left.clone();
        reminders.retain_changes(|alert, changes| {
            changes == 0 && alert.status == AlertStatus::Firing && self.posted.is_posted(alert)
        });
        left.retain(|alert| !self.posted.is_posted(alert));
        while let Some(action) = self.posted.next(&left) {
            let action = action.cut_to_fit(SystemTime::now());
            match (self.run(api, &action).await, action.message()) {
                (Ok(message), _) => {
                    if let Some(posted) = self.posted.done(action, message) {
                        left.remove(&posted);
                    }
                }
                (Err(rejection), Some(message)) if rejection.allows_new_message() => {
                    let reason = chain(&DeliveryError::from(rejection));
                    logged(|| {
                        tracing::info!(reason, "Slack rejected an update: posting a new message");
                    });
                    self.posted.forget(message);
                }
                // The rejection concerns these alerts only, so the others are still tried.
                (Err(rejection), None) if rejection.allows_new_message() => {
                    left.remove(action.alerts());
                    rejected.append(action.alerts());
                    are_together |= action.alerts().alerts.len() > 1;
                    // If one of several failures can be retried, nothing is dropped.
                    let retryable = failure.filter(|error| !error.kind().is_permanent());
                    failure = Some(retryable.unwrap_or_else(|| rejection.into()));
                }
                (Err(rejection), _) => {
                    failure = Some(rejection.into());
                    break;
                }
            }
        }
        self.posted.settle();
        // Reminders go to the channel, since a reply in a thread notifies nobody.
        while failure.is_none() && !reminders.alerts.is_empty() {
            let action = Action::Digest(reminders.clone()).cut_to_fit(SystemTime::now());
            match self.run(api, &action).await {
                Ok(_) => reminders.remove(action.alerts()),
                Err(rejection) => failure = Some(rejection.into()),
            }
        }
        left.append(&reminders);
        left.append(&rejected);
        let Some(error) = failure else { return Ok(Delivered::default()) };
        // Alerts that were rejected one by one need no bisection.
        let is_bisected = are_together || error.kind() != DeliveryErrorKind::Rejected;
        let error =
            if is_bisected { error } else { error.with_kind(DeliveryErrorKind::Undeliverable) };
        Delivered::default().except(left, total, error)
    }

    async fn run(&mut self, api: &Api, action: &Action) -> Result<Option<MessageRef>, Rejection> {
        let next = &mut self.next_post;
        match action {
            Action::Post(alerts) | Action::Digest(alerts) => api.post(next, None, alerts).await,
            Action::Reply(_, thread, alerts) => api.post(next, Some(thread), alerts).await,
            Action::Edit(_, message, alerts) => api.update(message, alerts).await,
        }
    }
}
