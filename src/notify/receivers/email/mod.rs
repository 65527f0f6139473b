mod builder;
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
    outbox::{Handed, Opened, Outbox, Refused},
    session::Session,
};
use crate::catch_panic::logged;
use crate::notify::{Delivered, DeliveryError, Notification};

/// Sends mail by SMTP, as text and as HTML.
///
/// The mail that an alert is resolved answers the one that it fires, so that mail programs show them
/// together; a mail of several alerts is in the thread of each. What users control can neither add a
/// header nor bring in HTML.
///
/// Each mail has a connection of its own, and nothing is sent before TLS has begun. If the server can't be
/// reached or answers 4xx, the delivery is retried; if it rejects the password, the sender or every recipient,
/// a person has to fix that; if it rejects the content, the mail is dropped.
///
/// If the server refuses some of the recipients, the others get the mail once. A recipient that was refused
/// with 4xx is retried alone, for as long as it takes. A recipient that was rejected with 5xx is logged as a
/// warning and counted in `lookout_notifications_failed_total`.
///
/// If a server has a mail and needs more than 10 s to accept it, since it scans for viruses, the notifier
/// waits up to a minute and sends no other mail meanwhile; the delivery counts as failed until then. A mail
/// that is sent again after that has the same `Message-ID`, unless the alert has changed.
///
/// User and password are in no log, error or `Debug`.
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
    /// A notifier that hands its mail to `server`; [`builder`](Self::builder) has more to set.
    ///
    /// | address | TLS | port |
    /// |---|---|---|
    /// | `smtp://user:password@host` | required, by `STARTTLS` | 587 unless it says another |
    /// | `smtps://user:password@host` | required, from the first byte | 465 |
    /// | `smtp://host?tls=none` | none; with a password on the loopback alone | 25 |
    ///
    /// User and password may be left out. What is special in a URL is percent-encoded in them, `@` as
    /// `%40`; those given by [`credentials`](EmailBuilder::credentials) are not.
    ///
    /// # Errors
    ///
    /// If an address is none, if there is no recipient, if a password would be sent in the clear, or if
    /// the host has no root certificates.
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

    /// A notifier with more to set. It takes what [`new`](Self::new) takes, and checks it in
    /// [`build`](EmailBuilder::build).
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
    /// Sends each recipient the changes that it lacks: mostly all of them, by one mail.
    async fn deliver(self, notification: Notification) -> Result<Delivered, DeliveryError> {
        let mut outbox = self.outbox.open().await;
        outbox.settle_earlier().await;
        let (mut refused, mut failure) = (Vec::new(), None);
        for (recipients, alerts) in mails(&outbox, &notification) {
            match self.send(&mut outbox, recipients, &alerts).await {
                Ok(refusals) => refused.extend(refusals),
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        let rejected = self.log_rejected(&refused);
        let (mut left, mut nobody_has) = (notification.clone(), notification);
        left.retain(|alert| outbox.lacks(change_id(alert)).contains(&true));
        nobody_has.without(&left);
        nobody_has.retain(|alert| !outbox.finish(change_id(alert)));
        left.append(&nobody_has);
        let error = match (failure, refused.iter().find(|refusal| refusal.is_passing)) {
            (Some(error), _) => error,
            // A person has to correct the addresses.
            (None, _) if !nobody_has.alerts.is_empty() => {
                let reasons: Vec<_> = refused.iter().map(|refusal| self.reason(refusal)).collect();
                DeliveryError::broken(reasons.join(", "))
            }
            (None, Some(refusal)) => {
                let error = DeliveryError::retry(self.reason(refusal));
                if refused.len() < self.to.len() { error.for_some() } else { error }
            }
            (None, None) => return Ok(Delivered::default().after_failures(rejected)),
        };
        Err(error.only_together(left))
    }

    /// Sends one mail; gives the recipients that the server refused.
    async fn send(
        &self,
        outbox: &mut Opened<'_>,
        recipients: Vec<usize>,
        alerts: &Notification,
    ) -> Result<Vec<Refused>, DeliveryError> {
        // The header names all of them, whoever lacks the mail.
        let message = message(&self.from, &self.to, alerts, SystemTime::now());
        let message = message.map_err(DeliveryError::rejected)?.formatted();
        let to = recipients.iter().map(|place| self.to[*place].email.clone()).collect();
        let session = self.session.clone();
        let answer = session.hand_in(self.from.email.clone(), to, message).await?;
        let changes = alerts.alerts.iter().map(change_id).collect();
        outbox.wait(Handed { changes, recipients, answer }).await
    }

    /// Logs the recipients that the server will never accept; gives how many they are.
    fn log_rejected(&self, refused: &[Refused]) -> usize {
        let rejected = refused.iter().filter(|refusal| !refusal.is_passing);
        let log = |refusal: &&Refused| {
            let (recipient, reason) = (&self.to[refusal.place].email, &refusal.reason);
            logged(|| {
                tracing::warn!(%recipient, reason, "the mail server rejects a recipient");
            });
        };
        rejected.inspect(log).count()
    }

    fn reason(&self, refusal: &Refused) -> String {
        format!("{}: {}", self.to[refusal.place].email, refusal.reason)
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
