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

/// Posts to Microsoft Teams by the webhook of a workflow, as an adaptive card.
///
/// The workflow is made in Teams, from the template for posts to a channel by webhook. It belongs to
/// a person and takes a message before it posts it: that the message has come to the channel is not
/// told. The card keeps to the size that Teams takes; messages are a second apart at least, and what
/// comes meanwhile is merged. What users control is escaped, and mentions nobody; [`mention`](Self::mention)
/// says whom a critical alert notifies. The address is a secret: it is in no log, error or `Debug`.
///
/// # Examples
///
/// ```
/// use tower_lookout::notify::Teams;
///
/// let teams = Teams::new("https://prod-00.westeurope.logic.azure.com/workflows/0/triggers/manual/paths/invoke?sig=secret")?;
/// assert!(!format!("{teams:?}").contains("secret"));
/// # Ok::<_, tower_lookout::notify::AddressError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Teams {
    workflow: ChatWebhook,
    mention: Option<Mention>,
}

impl Teams {
    /// A notifier for the workflow at `url`, which may be any address of http or https.
    ///
    /// # Errors
    ///
    /// If `url` is no such address.
    pub fn new(url: impl AsRef<str>) -> Result<Self, AddressError> {
        let example = "the one that the workflow shows, https://….logic.azure.com/workflows/…";
        let endpoint = Endpoint::new(url.as_ref(), "Teams workflow", example)?;
        Ok(Self { workflow: ChatWebhook::new(endpoint, Duration::from_secs(1)), mention: None })
    }

    /// Mentions a user, by the user principal name or the ID of Entra, in each message that names a critical alert which has begun to fire, such as
    /// `ada@example.com`. No other text can mention anybody. Defaults to nobody.
    ///
    /// # Errors
    ///
    /// If the receiver knows no such mention.
    pub fn mention(self, mention: impl AsRef<str>) -> Result<Self, AddressError> {
        Ok(Self { mention: Some(Mention::parse(mention.as_ref())?), ..self })
    }
}

tls_settings!(Teams, |teams, change| change(teams.workflow.endpoint()));
from_env!(Teams, "workflow", "TEAMS_WEBHOOK_URL");

#[cfg(feature = "state")]
impl super::address::Addressed for Teams {
    fn address(&self) -> Vec<String> {
        vec![self.workflow.address()]
    }
}

impl Service<Notification> for Teams {
    type Response = Delivered;
    type Error = DeliveryError;
    type Future = PostFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), DeliveryError>> {
        self.workflow.poll_ready(cx)
    }

    fn call(&mut self, notification: Notification) -> Self::Future {
        let (mut message, named) = payload(&notification, SystemTime::now());
        if let Some(mention) = self.mention.as_ref().filter(|_| is_urgent(&notification, named)) {
            mention.add_to(&mut message);
        }
        self.workflow.post(&message, classify, notification.after(named))
    }
}
