mod answer;
mod api;
mod posted;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::sync::Mutex;
use tower_service::Service;

use self::{
    answer::Refused,
    api::{Api, NextPost},
    posted::{Posted, Step},
};
use crate::notify::{
    DeliveryError, Notification,
    error::{Remedy, chain},
    http::AddressError,
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
/// twice from two: where its answer is lost, by a timeout, the message may be there twice.
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
    /// If the token is no bot token (`xoxb-…`), if the channel is empty or holds a blank, or if the host
    /// has no root certificates.
    pub fn new(token: impl AsRef<str>, channel: impl AsRef<str>) -> Result<Self, AddressError> {
        let api = Api::new(token.as_ref(), channel.as_ref())?;
        Ok(Self { api, channel: Arc::default() })
    }

    /// Where Slack's Web API is, without the method, such as `https://slack-gov.com/api` for GovSlack.
    /// Defaults to `https://slack.com/api`.
    ///
    /// # Errors
    ///
    /// If `url` is no address of http or https, if it has more than a path, or if it asks for TLS and the
    /// host has no root certificates.
    pub fn url(self, url: impl AsRef<str>) -> Result<Self, AddressError> {
        Ok(Self { api: self.api.at(url.as_ref())?, ..self })
    }
}

impl fmt::Debug for SlackBot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlackBot").field("api", &self.api).finish_non_exhaustive()
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
        let mut rejected: Option<(DeliveryError, Notification)> = None;
        left.retain(|alert| !self.posted.is_told(alert));
        let stopped = loop {
            let Some(step) = self.posted.next(&left) else { break None };
            match self.take(api, step).await {
                Ok(Some(told)) => left.without(&told),
                Ok(None) => {}
                // What is refused says nothing of the other alerts; any other failure does.
                Err((error, mut refused)) if error.remedy() == Remedy::GiveUp => {
                    left.without(&refused);
                    if let Some((_, before)) = rejected {
                        refused.append(before);
                    }
                    rejected = Some((error, refused));
                }
                Err((error, _)) => break Some(error),
            }
        };
        self.posted.settle();
        match (stopped, rejected) {
            (None, None) => Ok(()),
            (None, Some((error, rejected))) => Err(error.only(rejected)),
            (Some(error), rejected) => {
                if let Some((_, rejected)) = rejected {
                    left.append(rejected);
                }
                Err(error.only(left))
            }
        }
    }

    /// Gives the alerts of which nothing is left to tell; a failure comes with those that it is about.
    async fn take(
        &mut self,
        api: &Api,
        step: Step,
    ) -> Result<Option<Notification>, (DeliveryError, Notification)> {
        let Self { posted, next_post } = self;
        match step {
            Step::Post(fresh) => match api.post(next_post, None, &fresh).await {
                Ok(place) => {
                    posted.posted(place, &fresh);
                    Ok(Some(fresh))
                }
                Err(refused) => Err((refused.into(), fresh)),
            },
            Step::Edit(message, place, shown) => match api.update(&place, &shown).await {
                Ok(()) => {
                    posted.edited(message, shown);
                    Ok(None)
                }
                Err(refused) if refused.is_of_the_message() => {
                    told_anew(refused);
                    posted.forget(message);
                    Ok(None)
                }
                Err(refused) => Err((refused.into(), shown)),
            },
            Step::Reply(message, place, news) => {
                match api.post(next_post, Some(&place), &news).await {
                    Ok(_) => {
                        posted.told(&news);
                        Ok(Some(news))
                    }
                    Err(refused @ Refused::Other(_)) => {
                        told_anew(refused);
                        posted.forget(message);
                        Ok(None)
                    }
                    Err(refused) => Err((refused.into(), news)),
                }
            }
            Step::Digest(news) => match api.post(next_post, None, &news).await {
                Ok(_) => {
                    posted.told(&news);
                    Ok(Some(news))
                }
                Err(refused) => Err((refused.into(), news)),
            },
        }
    }
}

fn told_anew(refused: Refused) {
    let reason = chain(&DeliveryError::from(refused));
    tracing::info!(reason, "a message takes no edit or answer any more: its alerts get a new one");
}
