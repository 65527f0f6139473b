mod builder;
mod error;
mod facts;
mod html;
mod message;
mod outbox;
mod server;
mod session;
mod text;

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::SystemTime,
};

use lettre::message::Mailbox;
use tower_service::Service;

pub use self::{builder::EmailBuilder, error::EmailError};
use self::{
    message::{changes, is_told, message},
    outbox::Outbox,
    session::Session,
};
use super::{DeliveryError, Notification};

/// Sends mail by SMTP, as text and as HTML.
///
/// The mail that an alert is resolved answers the one that it fires, so that mail programs show them
/// together; a mail of several alerts is in the thread of each. What users control can neither add a
/// header nor bring in HTML.
///
/// The connection is made anew for each mail, and nothing is said before TLS has begun. A server that
/// can't be reached, or answers 4xx, is tried again; one that refuses the password, the sender or every
/// recipient is broken until a person mends it; a mail that is refused for what it is, is dropped. A
/// recipient that is refused beside others that are not is logged, and the others are told: give each
/// a notifier of its own if both must be tried again.
///
/// A server that has a mail and needs more than 10 s to take it, since it looks for viruses, is waited for
/// up to a minute, in which no other mail is sent; the delivery counts as failed until it has. A mail
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

impl Service<Notification> for Email {
    type Response = ();
    type Error = DeliveryError;
    type Future = Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), DeliveryError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, notification: Notification) -> Self::Future {
        let email = self.clone();
        Box::pin(async move { email.deliver(notification).await })
    }
}

impl Email {
    /// Sends what no mail has told that was under way.
    async fn deliver(self, mut left: Notification) -> Result<(), DeliveryError> {
        let mut outbox = self.outbox.open().await;
        let told = outbox.taken().await;
        left.retain(|alert| !is_told(alert, &told));
        if left.alerts.is_empty() {
            return Ok(());
        }
        let message = message(&self.from, &self.to, &left, SystemTime::now());
        let message = message.map_err(DeliveryError::rejected)?.formatted();
        let to = self.to.into_iter().map(|mailbox| mailbox.email).collect();
        let sent = async {
            let answer = self.session.hand_in(self.from.email, to, message).await?;
            outbox.wait(changes(&left), answer).await
        };
        sent.await.map_err(|error| error.only_together(left))
    }
}
