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

/// Posts alerts to Microsoft Teams through the webhook of a workflow, as an adaptive card.
///
/// Create the workflow in Teams, from the template that posts to a channel when a webhook request
/// is received. It belongs to a user. It accepts a message before posting it, so a delivery may
/// succeed although the message never reaches the channel.
///
/// The notifier posts at most one message a second, and merges the changes that arrive in between.
/// It keeps the card within Teams's size limit. Text from users is escaped, so it can't mention
/// anybody; [`mention`](Self::mention) sets the mention for critical alerts. The address is a
/// secret: no log, error or `Debug` output contains it.
///
/// # Examples
///
/// ```
/// use tower_lookout::notify::Teams;
///
/// let teams = Teams::new("https://prod-00.westeurope.logic.azure.com/workflows/0?sig=secret")?;
/// assert!(!format!("{teams:?}").contains("secret"));
/// # Ok::<_, tower_lookout::notify::AddressError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Teams {
    workflow: ChatWebhook,
    mention: Option<Mention>,
}

impl Teams {
    /// Creates a notifier for the workflow at `url`, an HTTP or HTTPS address.
    ///
    /// # Errors
    ///
    /// Returns [`AddressError::Address`] if `url` is invalid.
    pub fn new(url: impl AsRef<str>) -> Result<Self, AddressError> {
        let example = "https://….logic.azure.com/workflows/…";
        let endpoint = Endpoint::new(url.as_ref(), "Teams workflow", example)?;
        Ok(Self { workflow: ChatWebhook::new(endpoint, Duration::from_secs(1)), mention: None })
    }

    /// Mentions a user in each message with a critical alert that has started to fire, by user
    /// principal name, such as `ada@example.com`, or by Entra ID. Repeats and resolves mention
    /// nobody.
    ///
    /// Defaults to no mention.
    ///
    /// # Errors
    ///
    /// Returns [`AddressError::Mention`] if the text can't be a user.
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

    fn call(&mut self, mut notification: Notification) -> Self::Future {
        let (mut message, named) = payload(&notification, SystemTime::now());
        if let Some(mention) = self.mention.as_ref().filter(|_| is_urgent(&notification, named)) {
            mention.add_to(&mut message);
        }
        self.workflow.post(&message, classify, notification.split_off(named))
    }
}
