mod builder;
#[cfg(feature = "toml")]
mod config;
mod encryption;
mod error;
mod html;
mod message;
mod outbox;
mod plain_text;
mod section;
mod server;
mod session;
mod stream;

use std::{
    collections::BTreeMap,
    pin::Pin,
    task::{Context, Poll},
    time::SystemTime,
};

use lettre::message::Mailbox;
use tower_service::Service;

pub use self::{builder::EmailBuilder, error::EmailError};
use self::{
    message::{change_id, message},
    outbox::{Opened, Outbox, RejectedRecipient, SubmittedMail},
    session::Session,
};
use crate::catch_panic::logged;
use crate::notify::{Delivered, DeliveryError, Notification};

/// Sends alerts by SMTP, as plain text and HTML.
///
/// Follow-ups are threaded under the first mail of an alert. A mail of several alerts joins the
/// thread of each. Text from users is escaped, so it can't add a header or HTML.
///
/// Each mail uses a connection of its own, and sends nothing before TLS is established. If the
/// server is unreachable or replies 4xx, the delivery is retried. If it rejects the login, the
/// sender or every recipient, that is a misconfiguration. If it rejects the content, the mail is
/// dropped.
///
/// If the server rejects some of the recipients, the others get the mail once. A recipient rejected
/// with 4xx is retried separately until it is accepted. A recipient rejected with 5xx is logged as
/// a warning and counted in `lookout_notifications_failed_total`.
///
/// If the server has received a mail but takes more than 10 s to accept it, for example to scan for
/// viruses, the notifier waits up to a minute and sends no other mail; until then the delivery
/// counts as failed. A mail that is sent again has the same `Message-ID`, unless the alert has
/// changed.
///
/// No log, error or `Debug` output contains user or password.
///
/// # Examples
///
/// ```
/// use tower_lookout::notify::Email;
///
/// let email = Email::new(
///     "smtp://alerts:secret@mail.example.com", // STARTTLS on port 587
///     "Orders <alerts@example.com>",
///     ["oncall@example.com"],
/// )?;
/// assert!(!format!("{email:?}").contains("secret"));
/// # Ok::<_, tower_lookout::notify::EmailError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Email {
    session: Session,
    from: Mailbox,
    to: Vec<Mailbox>,
    outbox: Outbox,
}

impl Email {
    /// Creates a notifier that sends mail through `server`. [`builder`](Self::builder) has more
    /// settings.
    ///
    /// | address | TLS | default port |
    /// |---|---|---|
    /// | `smtp://user:password@host` | required, by `STARTTLS` | 587 |
    /// | `smtps://user:password@host` | required, from the first byte | 465 |
    /// | `smtp://host?tls=none` | none; a password only on loopback | 25 |
    ///
    /// User and password are optional. Percent-encode special characters in them, such as `@` as
    /// `%40`; [`credentials`](EmailBuilder::credentials) takes them without encoding.
    ///
    /// # Errors
    ///
    /// Returns an [`EmailError`] if an address is invalid, if there is no recipient, if a password
    /// would be sent without TLS, or if the host has no root certificates.
    pub fn new<R>(
        server: impl Into<String>,
        from: impl Into<String>,
        to: impl IntoIterator<Item = R>,
    ) -> Result<Self, EmailError>
    where
        R: Into<String>,
    {
        Self::builder(server, from, to).build()
    }

    /// Creates a builder with the arguments of [`new`](Self::new). [`build`](EmailBuilder::build)
    /// checks them.
    pub fn builder<R>(
        server: impl Into<String>,
        from: impl Into<String>,
        to: impl IntoIterator<Item = R>,
    ) -> EmailBuilder
    where
        R: Into<String>,
    {
        EmailBuilder::new(server.into(), from.into(), to.into_iter().map(Into::into).collect())
    }
}

#[cfg(feature = "state")]
impl super::address::Addressed for Email {
    fn address(&self) -> Vec<String> {
        let to = self.to.iter().map(ToString::to_string);
        let server = format!("{}:{}", self.session.host, self.session.port);
        [server, self.from.to_string()].into_iter().chain(to).collect()
    }
}

impl Service<Notification> for Email {
    type Response = Delivered;
    type Error = DeliveryError;
    type Future = Pin<Box<dyn Future<Output = Result<Delivered, DeliveryError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), DeliveryError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, notification: Notification) -> Self::Future {
        let email = self.clone();
        Box::pin(async move { email.deliver(notification).await })
    }
}

impl Email {
    /// Sends each recipient the changes that it lacks. In most cases that is one mail to all of
    /// them.
    async fn deliver(self, notification: Notification) -> Result<Delivered, DeliveryError> {
        let (mut outbox, total) = (self.outbox.open().await, notification.alerts.len());
        outbox.settle_earlier().await;
        let (mut rejected, mut failure) = (Vec::new(), None);
        for (recipients, alerts) in mails(&outbox, &notification) {
            match self.send(&mut outbox, recipients, &alerts).await {
                Ok(recipients) => rejected.extend(recipients),
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        let permanent = self.log_permanent(&rejected);
        let (mut left, mut nobody_has) = (notification.clone(), notification);
        left.retain(|alert| outbox.lacks(change_id(alert)).contains(&true));
        nobody_has.remove(&left);
        nobody_has.retain(|alert| !outbox.finish(change_id(alert)));
        left.append(&nobody_has);
        let mut is_for_some = false;
        let error = match (failure, rejected.iter().find(|recipient| recipient.is_transient)) {
            (Some(error), _) => error,
            // Every recipient is rejected, so the addresses are misconfigured.
            (None, _) if !nobody_has.alerts.is_empty() => {
                let reasons: Vec<_> =
                    rejected.iter().map(|recipient| self.reason(recipient)).collect();
                DeliveryError::misconfigured(reasons.join(", "))
            }
            (None, Some(recipient)) => {
                is_for_some = rejected.len() < self.to.len();
                DeliveryError::temporary(self.reason(recipient))
            }
            (None, None) => return Ok(Delivered::default().with_failed_attempts(permanent)),
        };
        if is_for_some {
            return Ok(Delivered::partial(left).with_error(error));
        }
        Delivered::default().except(left, total, error)
    }

    /// Sends one mail. Returns the recipients that the server rejected.
    async fn send(
        &self,
        outbox: &mut Opened<'_>,
        recipients: Vec<usize>,
        alerts: &Notification,
    ) -> Result<Vec<RejectedRecipient>, DeliveryError> {
        // The header lists all recipients, even if only some lack the mail.
        let message = message(&self.from, &self.to, alerts, SystemTime::now());
        let message = message.map_err(DeliveryError::rejected)?.formatted();
        let to = recipients.iter().map(|index| self.to[*index].email.clone()).collect();
        let session = self.session.clone();
        let reply = session.submit(self.from.email.clone(), to, message).await?;
        let changes = alerts.alerts.iter().map(change_id).collect();
        outbox.wait(SubmittedMail { changes, recipients, reply }).await
    }

    /// Logs the permanently rejected recipients, and returns their number.
    fn log_permanent(&self, rejected: &[RejectedRecipient]) -> usize {
        let permanent = rejected.iter().filter(|recipient| !recipient.is_transient);
        let log = |recipient: &&RejectedRecipient| {
            let (recipient, reason) = (&self.to[recipient.index].email, &recipient.reason);
            logged(|| {
                tracing::warn!(%recipient, reason, "the mail server rejects a recipient");
            });
        };
        permanent.inspect(log).count()
    }

    fn reason(&self, recipient: &RejectedRecipient) -> String {
        format!("{}: {}", self.to[recipient.index].email, recipient.reason)
    }
}

/// The mails that a notification needs: recipients that lack the same changes share one.
fn mails(outbox: &Opened<'_>, notification: &Notification) -> Vec<(Vec<usize>, Notification)> {
    let lacks: Vec<_> =
        notification.alerts.iter().map(|alert| outbox.lacks(change_id(alert))).collect();
    let recipients = lacks.first().map_or(0, Vec::len);
    let mut mails: BTreeMap<Vec<bool>, Vec<usize>> = BTreeMap::new();
    for recipient in 0..recipients {
        let of_recipient: Vec<_> = lacks.iter().map(|lacks| lacks[recipient]).collect();
        if of_recipient.contains(&true) {
            mails.entry(of_recipient).or_default().push(recipient);
        }
    }
    let mail = |(lacks, recipients): (Vec<bool>, _)| {
        let (mut lacks, mut alerts) = (lacks.into_iter(), notification.clone());
        alerts.retain(|_| lacks.next() == Some(true));
        (recipients, alerts)
    };
    mails.into_iter().map(mail).collect()
}
