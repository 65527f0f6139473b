//! One message over one connection, and the class of each rejection.

use std::{error::Error as StdError, fmt, io, time::Duration};

use lettre::{
    Address,
    transport::smtp::{
        Error,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, AsyncTokioStream},
        commands::{Data, Mail, Rcpt, Starttls},
        extension::ClientId,
    },
};
use tracing::{Dispatch, instrument::WithSubscriber};

use super::{
    encryption::Encryption,
    outbox::{Answer, Refused},
    stream::Tcp,
};
use crate::{
    causes::{self, bounded, causes},
    deadline::within,
    notify::{DeliveryError, receivers::chat::text::cut_line},
};

/// How to reach the server and to log in. User and password are in no log, error or `Debug`.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    pub(super) credentials: Option<Credentials>,
    pub(super) hello: ClientId,
}

/// How long connecting to one address may take. The worker's timeout covers the session until the server
/// has the message.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a server may take to accept a message that it has. RFC 5321 §4.5.3.2.6 asks for ten minutes,
/// but other alerts wait meanwhile.
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a server may take to answer `QUIT`. The message is delivered by then.
const QUIT_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest part of a server's reply in an error, in characters.
const LONGEST_REPLY: usize = 300;

/// lettre's connection begins with a greeting, and a server greets only once: before `STARTTLS`.
const GREETING: &[u8] = b"220 STARTTLS\r\n";

impl Session {
    /// Sends a message, and returns the task that waits until the server accepts it. Sends no message if the
    /// server rejects every recipient.
    pub(super) async fn hand_in(
        self,
        from: Address,
        to: Vec<Address>,
        message: Vec<u8>,
    ) -> Result<Answer, DeliveryError> {
        let mut connection = self.open().await?;
        let refused = match begin(&mut connection, from, &to).await {
            Ok(refused) => refused,
            Err(error) => {
                tokio::spawn(goodbye(connection));
                return Err(error);
            }
        };
        Ok(tokio::spawn(async move {
            let accepted = match refused.len() < to.len() {
                true => content(&mut connection, &message).await,
                false => Ok(()),
            };
            // Not awaited: a late reply would fail a delivery that the server accepted.
            tokio::spawn(goodbye(connection));
            accepted.map(|()| refused)
        }))
    }

    /// Connects, and begins TLS before it logs in.
    async fn open(&self) -> Result<AsyncSmtpConnection, DeliveryError> {
        let connected = Tcp::connect(&self.host, self.port).await;
        let tcp = connected.map_err(|error| classify_io(Step::Connect, &error))?;
        let mut connection = match &self.encryption {
            Encryption::None => self.greet(Step::Connect, tcp).await?,
            Encryption::Implicit(tls) => {
                let encrypted = tls.handshake(tcp, b"").await;
                let encrypted = encrypted.map_err(|error| classify_io(Step::Connect, &error))?;
                self.greet(Step::Connect, encrypted).await?
            }
            Encryption::StartTls(tls) => {
                self.start_tls(tcp.clone()).await?;
                let encrypted = tls.handshake(tcp, GREETING).await;
                let encrypted = encrypted.map_err(|error| classify_io(Step::StartTls, &error))?;
                self.greet(Step::StartTls, encrypted).await?
            }
        };
        if let Some(credentials) = &self.credentials {
            // lettre's feature `tracing`, which the application may turn on, logs each command.
            let auth = connection.auth(DEFAULT_MECHANISMS, credentials);
            let accepted = auth.with_subscriber(Dispatch::none()).await;
            accepted.map_err(|error| classify(Step::Auth, &error))?;
        }
        Ok(connection)
    }

    /// Reads the greeting and sends `EHLO`.
    async fn greet(
        &self,
        step: Step,
        stream: impl AsyncTokioStream + 'static,
    ) -> Result<AsyncSmtpConnection, DeliveryError> {
        let greeted = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &self.hello);
        greeted.await.map_err(|error| classify(step, &error))
    }

    /// Asks for TLS in plaintext. lettre's connection ends here, and with it all that it has buffered or
    /// learnt: whoever can change the plaintext could send replies ahead of the handshake.
    async fn start_tls(&self, tcp: Tcp) -> Result<(), DeliveryError> {
        let mut plaintext = self.greet(Step::Connect, tcp).await?;
        if !plaintext.can_starttls() {
            tokio::spawn(goodbye(plaintext));
            let problem = format!("{}: the mail server does not offer it", Step::StartTls);
            return Err(DeliveryError::broken(problem));
        }
        if let Err(error) = plaintext.command(Starttls).await {
            tokio::spawn(goodbye(plaintext));
            return Err(classify(Step::StartTls, &error));
        }
        Ok(())
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

async fn goodbye(mut connection: AsyncSmtpConnection) {
    let _ = within(QUIT_TIMEOUT, connection.quit()).await;
}

/// Sends all commands before the content. Returns the recipients that the server rejected.
async fn begin(
    connection: &mut AsyncSmtpConnection,
    from: Address,
    to: &[Address],
) -> Result<Vec<Refused>, DeliveryError> {
    let asked = connection.command(Mail::new(Some(from), Vec::new())).await;
    asked.map_err(|error| classify(Step::Sender, &error))?;
    let mut refused = Vec::new();
    for (place, recipient) in to.iter().enumerate() {
        let asked = connection.command(Rcpt::new(recipient.clone(), Vec::new())).await;
        match asked {
            Ok(_) => {}
            Err(error) if error.status().is_some() => {
                let (is_passing, reason) =
                    (error.is_transient(), describe(Step::Recipient, &error));
                refused.push(Refused { place, is_passing, reason });
            }
            Err(error) => return Err(classify(Step::Recipient, &error)),
        }
    }
    if refused.len() < to.len() {
        connection.command(Data).await.map_err(|error| classify(Step::Content, &error))?;
    }
    Ok(refused)
}

async fn content(
    connection: &mut AsyncSmtpConnection,
    message: &[u8],
) -> Result<(), DeliveryError> {
    match within(ACCEPT_TIMEOUT, connection.message(message)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(classify(Step::Content, &error)),
        Err(elapsed) => Err(DeliveryError::retry(elapsed)),
    }
}

/// The steps of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Connect,
    StartTls,
    Auth,
    Sender,
    Recipient,
    Content,
}

/// A 4xx reply and a network error may pass. A 5xx reply to the content rejects this message for ever; any
/// other 5xx reply needs a person.
fn classify(step: Step, error: &Error) -> DeliveryError {
    let text = describe(step, error);
    if error.is_permanent() && step == Step::Content {
        DeliveryError::rejected(text)
    } else if error.is_permanent() || error.is_client() || is_of_a_certificate(error) {
        // lettre's own error: the server supports no login that lettre does.
        DeliveryError::broken(text)
    } else {
        DeliveryError::retry(text)
    }
}

/// The same for an error of TCP, or of the TLS handshake.
fn classify_io(step: Step, error: &io::Error) -> DeliveryError {
    let text = format!("{step}: {}", cut_line(&causes::one_line(error), LONGEST_REPLY));
    if is_of_a_certificate(error) {
        DeliveryError::broken(text)
    } else {
        DeliveryError::retry(text)
    }
}

/// The step and the server's reply, safe for a log.
fn describe(step: Step, error: &Error) -> String {
    let text = match (step, error.status()) {
        // The reply may repeat the password.
        (Step::Auth, Some(code)) => code.to_string(),
        (_, Some(code)) => {
            let reply = error.source().map(bounded).unwrap_or_default();
            format!("{code} {reply}")
        }
        (_, None) => error.to_string(),
    };
    format!("{step}: {}", cut_line(text.trim(), LONGEST_REPLY))
}

/// Whether the server's certificate is not trusted. A retry would not change that.
fn is_of_a_certificate(error: &(dyn StdError + 'static)) -> bool {
    causes(error).any(|cause| {
        let tls = cause.downcast_ref::<rustls::Error>();
        matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
    })
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting to the mail server",
            Self::StartTls => "STARTTLS",
            Self::Auth => "user and password",
            Self::Sender => "the sender",
            Self::Recipient => "the recipient",
            Self::Content => "the message",
        })
    }
}
