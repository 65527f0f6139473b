//! Delivers to a chat through a bot, which edits the message of an alert and replies to it.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};

use super::posted::{Action, PostedMessages};
use crate::{
    alert::AlertStatus,
    catch_panic::logged,
    causes::one_line,
    notify::{Delivered, DeliveryError, DeliveryErrorKind, Notification},
};

/// The API of a bot.
pub(in crate::notify) trait Bot: Send + Sync + 'static {
    /// The receiver's reference to a message.
    type Message: Clone + Send + Sync;

    /// The receiver's name in log lines.
    const NAME: &'static str;

    /// The least time between two posts. Edits do not count.
    const POST_INTERVAL: Duration;

    /// How many alerts, from the first on, one message has room for.
    fn fitting(&self, notification: &Notification) -> usize;

    /// Posts a message to the chat, or as a reply. Returns a reference to it if the response has
    /// one.
    fn post(
        &self,
        reply_to: Option<&Self::Message>,
        notification: &Notification,
    ) -> impl Future<Output = Result<Option<Self::Message>, Rejection>> + Send;

    /// Replaces the content of a message.
    fn edit(
        &self,
        message: &Self::Message,
        notification: &Notification,
    ) -> impl Future<Output = Result<(), Rejection>> + Send;
}

/// The reason why a call of a bot's API failed.
#[derive(Debug)]
pub(in crate::notify) enum Rejection {
    /// A classified failure.
    Failed(DeliveryError),
    /// A reason without a class of its own. After a failed edit or reply, the receiver may still
    /// accept a new message.
    Other(String),
}

impl Rejection {
    /// Whether the receiver may accept a new message after it rejected an edit or a reply.
    pub(in crate::notify) fn allows_new_message(&self) -> bool {
        match self {
            Self::Failed(error) => error.kind().is_permanent(),
            Self::Other(_) => true,
        }
    }
}

impl From<DeliveryError> for Rejection {
    fn from(error: DeliveryError) -> Self {
        Self::Failed(error)
    }
}

impl From<Rejection> for DeliveryError {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Failed(error) => error,
            // An unknown error drops no alert.
            Rejection::Other(reason) => Self::misconfigured(reason),
        }
    }
}

/// A chat that a bot posts to. Clones share its state.
pub(in crate::notify) struct Chat<B: Bot>(Arc<Mutex<State<B::Message>>>);

struct State<M> {
    posted: PostedMessages<M>,
    /// When the next message may be posted.
    next_post: Option<Instant>,
}

impl<B: Bot> Clone for Chat<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B: Bot> Default for Chat<B> {
    fn default() -> Self {
        let state = State { posted: PostedMessages::default(), next_post: None };
        Self(Arc::new(Mutex::new(state)))
    }
}

impl<B: Bot> Chat<B> {
    pub(in crate::notify) fn deliver(&self, bot: B, notification: Notification) -> BotFuture {
        let state = Arc::clone(&self.0);
        Box::pin(async move { state.lock().await.deliver(&bot, notification).await })
    }
}

/// A delivery in flight.
pub(in crate::notify) type BotFuture =
    Pin<Box<dyn Future<Output = Result<Delivered, DeliveryError>> + Send>>;

impl<M: Clone + Send + Sync> State<M> {
    /// Delivers a notification, one action at a time. Each completed action is recorded at once, so
    /// a retry skips it, even if this future is dropped half-way.
    async fn deliver<B: Bot<Message = M>>(
        &mut self,
        bot: &B,
        mut left: Notification,
    ) -> Result<Delivered, DeliveryError> {
        let total = left.alerts.len();
        let mut failure: Option<DeliveryError> = None;
        let (mut rejected, mut are_together) = (Notification::new([]), false);
        let mut reminders = left.clone();
        reminders.retain_changes(|alert, changes| {
            changes == 0 && alert.status == AlertStatus::Firing && self.posted.is_posted(alert)
        });
        left.retain(|alert| !self.posted.is_posted(alert));
        while let Some(action) = self.posted.next(&left) {
            let action = action.cut_to_fit(|alerts| bot.fitting(alerts));
            match (self.run(bot, &action).await, action.message()) {
                (Ok(message), _) => {
                    if let Some(posted) = self.posted.done(action, message) {
                        left.remove(&posted);
                    }
                }
                (Err(rejection), Some(message)) if rejection.allows_new_message() => {
                    log_replacement::<B>(rejection);
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
        // A reminder is a new message, since a reply may notify nobody.
        while failure.is_none() && !reminders.alerts.is_empty() {
            let action = Action::Digest(reminders.clone()).cut_to_fit(|alerts| bot.fitting(alerts));
            match self.run(bot, &action).await {
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

    async fn run<B: Bot<Message = M>>(
        &mut self,
        bot: &B,
        action: &Action<M>,
    ) -> Result<Option<M>, Rejection> {
        let (reply_to, alerts) = match action {
            Action::Edit(_, message, alerts) => {
                return bot.edit(message, alerts).await.map(|()| None);
            }
            Action::Post(alerts) | Action::Digest(alerts) => (None, alerts),
            Action::Reply(_, message, alerts) => (Some(message), alerts),
        };
        if let Some(next) = self.next_post {
            sleep_until(next).await;
        }
        self.next_post = Some(Instant::now() + B::POST_INTERVAL);
        let posted = bot.post(reply_to, alerts).await;
        // A receiver counts from the arrival of a post, which may be delayed.
        self.next_post = Some(Instant::now() + B::POST_INTERVAL);
        posted
    }
}

fn log_replacement<B: Bot>(rejection: Rejection) {
    let reason = one_line(&DeliveryError::from(rejection));
    let receiver = B::NAME;
    logged(|| {
        tracing::info!(receiver, reason, "notifier can't update its message: posting a new one");
    });
}
