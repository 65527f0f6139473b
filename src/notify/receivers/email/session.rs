//! Sends one message over one connection, and classifies failures.

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
    outbox::{RejectedRecipient, ReplyTask},
    stream::Tcp,
};
use crate::{
    causes::{self, bounded, causes},
    deadline::within,
    notify::{DeliveryError, receivers::chat::text::cut_line},
};

/// How to reach the server and log in. No log, error or `Debug` output contains user or password.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    pub(super) credentials: Option<Credentials>,
    pub(super) hello: ClientId,
}

/// How long a server may take to accept a message that it has. RFC 5321 §4.5.3.2.6 asks for ten
/// minutes, but other alerts wait meanwhile.
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a server may take to answer `QUIT`. The message is delivered by then.
const QUIT_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest part of a server's reply in an error, in characters.
const LONGEST_REPLY: usize = 300;

/// lettre's connection begins with a greeting, and a server greets only once: before `STARTTLS`.
const GREETING: &[u8] = b"220 STARTTLS\r\n";

impl Session {
    /// Sends a message, and returns the task that waits for the server to accept it. Sends nothing
    /// if the server rejects every recipient.
    pub(super) async fn submit(
        self,
        from: Address,
        to: Vec<Address>,
        message: Vec<u8>,
    ) -> Result<ReplyTask, DeliveryError> {
        let mut connection = self.open().await?;
        let rejected = match begin(&mut connection, from, &to).await {
            Ok(rejected) => rejected,
            Err(error) => {
                tokio::spawn(goodbye(connection));
                return Err(error);
            }
        };
        Ok(tokio::spawn(async move {
            let accepted = match rejected.len() < to.len() {
                true => content(&mut connection, &message).await,
                false => Ok(()),
            };
            // Not awaited: a late reply to QUIT would fail a delivery that the server accepted.
            tokio::spawn(goodbye(connection));
            accepted.map(|()| rejected)
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
            // lettre's feature `tracing`, which the application may enable, logs each command.
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

    /// Requests TLS in plaintext. lettre's connection is dropped here with all that it has
    /// buffered: an attacker in the middle could inject replies before the handshake.
    async fn start_tls(&self, tcp: Tcp) -> Result<(), DeliveryError> {
        let mut plaintext = self.greet(Step::Connect, tcp).await?;
        if !plaintext.can_starttls() {
            tokio::spawn(goodbye(plaintext));
            let problem = format!("{}: the mail server does not offer it", Step::StartTls);
            return Err(DeliveryError::misconfigured(problem));
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

/// Sends the commands before the content. Returns the recipients that the server rejected.
async fn begin(
    connection: &mut AsyncSmtpConnection,
    from: Address,
    to: &[Address],
) -> Result<Vec<RejectedRecipient>, DeliveryError> {
    let asked = connection.command(Mail::new(Some(from), Vec::new())).await;
    asked.map_err(|error| classify(Step::Sender, &error))?;
    let mut rejected = Vec::new();
    for (index, recipient) in to.iter().enumerate() {
        let asked = connection.command(Rcpt::new(recipient.clone(), Vec::new())).await;
        match asked {
            Ok(_) => {}
            Err(error) if error.status().is_some() => {
                let (is_transient, reason) =
                    (error.is_transient(), describe(Step::Recipient, &error));
                rejected.push(RejectedRecipient { index, is_transient, reason });
            }
            Err(error) => return Err(classify(Step::Recipient, &error)),
        }
    }
    if rejected.len() < to.len() {
        connection.command(Data).await.map_err(|error| classify(Step::Content, &error))?;
    }
    Ok(rejected)
}

async fn content(
    connection: &mut AsyncSmtpConnection,
    message: &[u8],
) -> Result<(), DeliveryError> {
    match within(ACCEPT_TIMEOUT, connection.message(message)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(classify(Step::Content, &error)),
        Err(elapsed) => Err(DeliveryError::temporary(elapsed)),
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

/// Classifies a failure. A 4xx reply and a network error are transient. A 5xx reply to the content
/// rejects this message; any other 5xx reply is a misconfiguration.
fn classify(step: Step, error: &Error) -> DeliveryError {
    let text = describe(step, error);
    if error.is_permanent() && step == Step::Content {
        DeliveryError::rejected(text)
    } else if error.is_permanent() || error.is_client() || is_untrusted(error) {
        // A client error: the server and lettre share no login mechanism.
        DeliveryError::misconfigured(text)
    } else {
        DeliveryError::temporary(text)
    }
}

/// Classifies an error of TCP or of the TLS handshake.
fn classify_io(step: Step, error: &io::Error) -> DeliveryError {
    let text = format!("{step}: {}", cut_line(&causes::one_line(error), LONGEST_REPLY));
    if is_untrusted(error) {
        DeliveryError::misconfigured(text)
    } else {
        DeliveryError::temporary(text)
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

/// Whether the server's certificate is invalid or not trusted. A retry would not change that.
fn is_untrusted(error: &(dyn StdError + 'static)) -> bool {
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
