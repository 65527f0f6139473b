//! A local SMTP server without TLS. It replies by a script, and records its input.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::{
    collections::VecDeque,
    future::pending,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use mail_parser::MessageParser;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::sleep,
};

/// The fault of one connection. It replaces the usual reply to the command with this prefix. The
/// prefix `""` stands for the connection itself, and `.` for the end of the message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    None,
    Reply(&'static str, &'static str),
    Hang(&'static str),
    /// Delays the usual reply.
    Slow(&'static str, Duration),
    Drop(&'static str),
}

/// A mail as the server received it.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) recipients: Vec<String>,
    pub(crate) raw: String,
}

impl Mail {
    pub(crate) fn subject(&self) -> String {
        let mail = MessageParser::default().parse(self.raw.as_bytes()).unwrap();
        mail.subject().unwrap().to_owned()
    }
}

#[derive(Clone, Default)]
pub(crate) struct MailServer {
    script: Arc<Mutex<VecDeque<Fault>>>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    connections: usize,
    commands: Vec<String>,
    mails: Vec<Mail>,
}

impl MailServer {
    /// Creates a server whose connections each get the next fault of the script. Later connections
    /// get none.
    pub(crate) fn new(script: impl IntoIterator<Item = Fault>) -> Self {
        let script = Arc::new(Mutex::new(script.into_iter().collect()));
        Self { script, state: Arc::default() }
    }

    pub(crate) async fn serve(&self) -> String {
        self.serve_at(([127, 0, 0, 1], 0).into()).await
    }

    /// Returns the URL of the server, which contains a password.
    pub(crate) async fn serve_at(&self, address: SocketAddr) -> String {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let fault = server.script.lock().unwrap().pop_front().unwrap_or(Fault::None);
                server.state.lock().unwrap().connections += 1;
                tokio::spawn(server.clone().serve_connection(stream, fault));
            }
        });
        url(address)
    }

    async fn serve_connection(self, stream: TcpStream, fault: Fault) -> Option<()> {
        let mut stream = BufReader::new(stream);
        let mut recipients = Vec::new();
        let (mut command, mut message) = (String::new(), String::new());
        loop {
            let usual = match command.get(..4).unwrap_or(&command) {
                "" => "220 ready",
                "EHLO" => "250-test\r\n250 AUTH PLAIN",
                "AUTH" => "235 welcome",
                "DATA" => "354 go on",
                "QUIT" => "221 bye",
                _ => "250 ok",
            };
            let is_at = |at: &str| command.starts_with(at) && at.is_empty() == command.is_empty();
            let reply = match fault {
                Fault::Reply(at, reply) if is_at(at) => reply,
                Fault::Hang(at) if is_at(at) => pending().await,
                Fault::Drop(at) if is_at(at) => return None,
                Fault::Slow(at, wait) if is_at(at) => {
                    sleep(wait).await;
                    usual
                }
                _ => usual,
            };
            if command.starts_with("RCPT") && reply == usual {
                recipients.push(command["RCPT TO:<".len()..].trim_end_matches('>').to_owned());
            }
            if command == "." && reply == usual {
                let mail =
                    Mail { recipients: recipients.clone(), raw: std::mem::take(&mut message) };
                self.state.lock().unwrap().mails.push(mail);
            }
            stream.get_mut().write_all(format!("{reply}\r\n").as_bytes()).await.ok()?;
            let is_message = command == "DATA" && reply == usual;
            command.clear();
            if is_message {
                while !message.ends_with("\r\n.\r\n") {
                    (stream.read_line(&mut message).await.ok()? > 0).then_some(())?;
                }
                command.push('.');
            } else {
                (stream.read_line(&mut command).await.ok()? > 0).then_some(())?;
                command.truncate(command.trim_end().len());
                self.state.lock().unwrap().commands.push(command.clone());
            }
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// Returns every command that the server received.
    pub(crate) fn received(&self) -> Vec<String> {
        self.state.lock().unwrap().commands.clone()
    }

    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.state.lock().unwrap().mails.clone()
    }

    pub(crate) fn subjects(&self) -> Vec<String> {
        self.mails().iter().map(Mail::subject).collect()
    }
}

pub(crate) fn url(address: SocketAddr) -> String {
    format!("smtp://lookout:s3cret@{address}?tls=none")
}
