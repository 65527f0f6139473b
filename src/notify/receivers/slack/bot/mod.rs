mod api;
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
    posted::{MessageRef, Posted, Step},
    response::Rejection,
};
use crate::{
    catch_panic::logged,
    notify::{
        DeliveryError, Notification,
        error::{Remedy, chain},
        receivers::http::{AddressError, tls_settings},
    },
};

/// Posts to a channel of Slack with a bot token: an alert's message turns green when it is resolved, and
/// what becomes of it is told in its thread.
///
/// The token is that of an app with the scope `chat:write`, which was invited to the channel. Each alert
/// has a message of its own; where more than three begin at once, they share one. A resolve, and the
/// number of a report that repeats, edits that message and is told in its thread; more than three of
/// these at once are told in the channel, by one message. An alert whose message is not known, since
/// the process or the bot is new, and one whose message Slack lets nobody edit any more, gets a new one.
/// The messages of a thousand alerts are known at most.
///
/// It keeps to Slack's limit of a message a second, to what a 429 asks for, and to the sizes that Slack
/// takes. If something fails, only what was not done is tried again. Slack tells no message that comes
/// twice from two: where its answer is lost, by a timeout, the message may be there twice. An answer whose
/// body does not end within 1.5 s counts as posted, unless it begins with a refusal.
///
/// Clones share what they know of the channel. The token is a secret: it is in no log, error or `Debug`.
/// [`Slack`](crate::Slack) needs no app but a webhook, and only adds messages.
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

/// What is known of the channel.
#[derive(Debug, Default)]
struct Channel {
    posted: Posted,
    next_post: NextPost,
}

impl SlackBot {
    /// A notifier for a channel, by its name or its ID, such as `#alerts` or `C0123456789`.
    ///
    /// # Errors
    ///
    /// If the token is no bot token (`xoxb-…`), or if the channel is empty or holds a blank.
    pub fn new(token: impl AsRef<str>, channel: impl AsRef<str>) -> Result<Self, AddressError> {
        let api = Api::new(token.as_ref(), channel.as_ref())?;
        Ok(Self { api, channel: Arc::default() })
    }

    /// Mentions people in each message that names a critical alert which has begun to fire, such as
    /// `<!here>`. No other text can mention anybody. Defaults to nobody.
    ///
    /// # Errors
    ///
    /// If the receiver knows no such mention.
    pub fn mention(self, mention: impl AsRef<str>) -> Result<Self, AddressError> {
        Ok(Self { api: self.api.mention(mention.as_ref())?, ..self })
    }

    /// Where Slack's Web API is, without the method, such as `https://slack-gov.com/api` for GovSlack.
    /// Defaults to `https://slack.com/api`.
    ///
    /// # Errors
    ///
    /// If `url` is no address of http or https, or if it has more than a path.
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
    type Response = ();
    type Error = DeliveryError;
    type Future = Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send>>;

    /// Always: the pace is kept between posts, of which one notification may need several.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), DeliveryError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, notification: Notification) -> Self::Future {
        let (api, channel) = (self.api.clone(), Arc::clone(&self.channel));
        Box::pin(async move { channel.lock().await.deliver(&api, notification).await })
    }
}

impl Channel {
    /// Step by step; each that is done is noted at once, so that it is not done again, also where this
    /// is dropped in the middle. An error says which alerts are left.
    async fn deliver(&mut self, api: &Api, mut left: Notification) -> Result<(), DeliveryError> {
        let mut failure: Option<DeliveryError> = None;
        let (mut refused, mut are_together) = (Notification::none(), false);
        let mut reminders = left.clone().unchanged();
        reminders.retain(|alert| self.posted.is_posted(alert));
        left.retain(|alert| !self.posted.is_posted(alert));
        while let Some(step) = self.posted.next(&left) {
            let step = step.named(SystemTime::now());
            match (self.take(api, &step).await, step.message()) {
                (Ok(place), _) => {
                    if let Some(told) = self.posted.done(step, place) {
                        left.without(&told);
                    }
                }
                // A new message may be taken where this one is not.
                (Err(why), Some(message)) if why.is_of_the_message() => {
                    let reason = chain(&DeliveryError::from(why));
                    logged(|| {
                        tracing::info!(reason, "Slack refuses a message: its alerts get a new one");
                    });
                    self.posted.forget(message);
                }
                // That says nothing of the other alerts; any other failure does.
                (Err(why), None) if why.is_of_the_message() => {
                    left.without(step.alerts());
                    refused.append(step.alerts());
                    are_together |= step.alerts().alerts.len() > 1;
                    // Nothing is dropped that may still be taken.
                    let hopeful = failure.filter(|error| error.remedy() != Remedy::Rejected);
                    failure = Some(hopeful.unwrap_or_else(|| why.into()));
                }
                (Err(why), _) => {
                    failure = Some(why.into());
                    break;
                }
            }
        }
        self.posted.settle();
        // To the channel, since a thread reminds nobody; its message stays the one to be edited.
        while failure.is_none() && !reminders.alerts.is_empty() {
            let step = Step::Digest(reminders.clone()).named(SystemTime::now());
            match self.take(api, &step).await {
                Ok(_) => reminders.without(step.alerts()),
                Err(why) => failure = Some(why.into()),
            }
        }
        left.append(&reminders);
        left.append(&refused);
        failure.map_or(Ok(()), |error| {
            Err(if are_together { error.only_together(left) } else { error.only(left) })
        })
    }

    async fn take(&mut self, api: &Api, step: &Step) -> Result<Option<MessageRef>, Rejection> {
        let next = &mut self.next_post;
        match step {
            Step::Post(alerts) | Step::Digest(alerts) => api.post(next, None, alerts).await,
            Step::Reply(_, thread, alerts) => api.post(next, Some(thread), alerts).await,
            Step::Edit(_, place, alerts) => api.update(place, alerts).await,
        }
    }
}
