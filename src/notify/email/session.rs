//! One message over one connection, and what each refusal means.

use std::{error::Error as _, fmt, time::Duration};

use lettre::{
    Address,
    transport::smtp::{
        Error,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::ClientId,
    },
};
use tracing::{Dispatch, instrument::WithSubscriber};

use super::{
    outbox::{Answer, Refused},
    stream,
    text::{cut, one_line},
};
use crate::{
    causes::{bounded, causes},
    deadline::within,
    notify::DeliveryError,
};

/// The server as it is spoken to. User and password are in no log, error or `Debug`.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) credentials: Option<Credentials>,
    pub(super) hello: ClientId,
}

#[derive(Clone)]
pub(super) enum Tls {
    Start(TlsParameters),
    Implicit(TlsParameters),
    None,
}

/// How long connecting may take; all until the server has the message has the worker's timeout.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a server may take to say what becomes of a message that it has: by RFC 5321 §4.5.3.2.6 ten
/// minutes, for which no other alert should wait.
const TAKING: Duration = Duration::from_secs(60);

/// How long a server may take to say goodbye; the message is delivered by then.
const GOODBYE: Duration = Duration::from_secs(1);

/// As much of a server's answer as is told.
const ANSWER: usize = 300;

impl Session {
    /// Hands a message in; gives the task that waits for the server's answer. Nothing is sent if the server
    /// refuses every recipient.
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
            // Nobody waits for it: a late answer would make a delivery fail that the server accepted.
            tokio::spawn(goodbye(connection));
            accepted.map(|()| refused)
        }))
    }

    /// A connection on which the server knows us, and nobody else listens.
    async fn open(&self) -> Result<AsyncSmtpConnection, DeliveryError> {
        let connected = stream::connect(&self.host, self.port).await;
        let mut stream = connected
            .map_err(|error| DeliveryError::retry(format!("{}: {error}", Step::Connect)))?;
        let refused = |error| judge(Step::Connect, &error);
        if let Tls::Implicit(tls) = &self.tls {
            stream = stream::encrypt(stream, tls.clone()).await.map_err(refused)?;
        }
        let connected = AsyncSmtpConnection::connect_with_transport(stream, &self.hello).await;
        let mut connection = connected.map_err(refused)?;
        if let Tls::Start(tls) = &self.tls {
            let started = connection.starttls(tls.clone(), &self.hello).await;
            started.map_err(|error| judge(Step::StartTls, &error))?;
        }
        if let Some(credentials) = &self.credentials {
            // lettre logs what it sends, if anybody asked for its feature `tracing`.
            let asked = connection.auth(DEFAULT_MECHANISMS, credentials);
            let taken = asked.with_subscriber(Dispatch::none()).await;
            taken.map_err(|error| judge(Step::Auth, &error))?;
        }
        Ok(connection)
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
    let _ = within(GOODBYE, connection.quit()).await;
}

/// All before the message's content; gives the recipients that the server refused.
async fn begin(
    connection: &mut AsyncSmtpConnection,
    from: Address,
    to: &[Address],
) -> Result<Vec<Refused>, DeliveryError> {
    let asked = connection.command(Mail::new(Some(from), Vec::new())).await;
    asked.map_err(|error| judge(Step::Sender, &error))?;
    let mut refused = Vec::new();
    for (place, recipient) in to.iter().enumerate() {
        let asked = connection.command(Rcpt::new(recipient.clone(), Vec::new())).await;
        match asked {
            Ok(_) => {}
            Err(error) if error.status().is_some() => {
                let (is_passing, reason) = (error.is_transient(), told(Step::Recipient, &error));
                refused.push(Refused { place, is_passing, reason });
            }
            Err(error) => return Err(judge(Step::Recipient, &error)),
        }
    }
    if refused.len() < to.len() {
        connection.command(Data).await.map_err(|error| judge(Step::Content, &error))?;
    }
    Ok(refused)
}

async fn content(
    connection: &mut AsyncSmtpConnection,
    message: &[u8],
) -> Result<(), DeliveryError> {
    match within(TAKING, connection.message(message)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(judge(Step::Content, &error)),
        Err(elapsed) => Err(DeliveryError::retry(elapsed)),
    }
}

/// How far a delivery came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Connect,
    StartTls,
    Auth,
    Sender,
    Recipient,
    Content,
}

/// 4xx and what the network does pass; 5xx is for a person to mend, but of the message itself it says
/// that this one will never be taken.
fn judge(step: Step, error: &Error) -> DeliveryError {
    let told = told(step, error);
    if error.is_permanent() && step == Step::Content {
        DeliveryError::rejected(told)
    } else if error.is_permanent() || error.is_client() || is_of_a_certificate(error) {
        // The client's own are a server without STARTTLS, and one that takes no password.
        DeliveryError::broken(told)
    } else {
        DeliveryError::retry(told)
    }
}

/// The step and the answer, as it may go into a log.
fn told(step: Step, error: &Error) -> String {
    let text = match (step, error.status()) {
        // It may repeat what was sent.
        (Step::Auth, Some(code)) => code.to_string(),
        (_, Some(code)) => {
            let answer = error.source().map(bounded).unwrap_or_default();
            format!("{code} {answer}")
        }
        (_, None) => error.to_string(),
    };
    format!("{step}: {}", cut(one_line(&text).trim(), ANSWER))
}

/// Whether the server's certificate is not to be trusted, which waiting does not change.
fn is_of_a_certificate(error: &Error) -> bool {
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
