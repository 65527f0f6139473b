//! A local mail server with TLS. It records the commands that arrive in plaintext and over TLS.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::ring::default_provider};

use crate::{authority::Signed, tls_server::config};

#[derive(Clone, Copy)]
pub(crate) enum Mode {
    Implicit,
    StartTls {
        /// The reply to `STARTTLS`, with any further bytes in the same packet.
        reply: &'static str,
    },
}

/// The usual reply to `STARTTLS`.
pub(crate) const GO_AHEAD: Mode = Mode::StartTls { reply: "220 go ahead\r\n" };

#[derive(Clone)]
pub(crate) struct MailTlsServer {
    config: Arc<ServerConfig>,
    mode: Mode,
    /// Replaces the usual replies over TLS: each pair is a command's prefix and the reply to it.
    replies: &'static [(&'static str, &'static str)],
    plaintext: Arc<Mutex<Vec<String>>>,
    encrypted: Arc<Mutex<Vec<String>>>,
}

impl MailTlsServer {
    /// Requires a client certificate from the authority `clients`, if given.
    pub(crate) fn new(mode: Mode, own: &Signed, clients: Option<&str>) -> Self {
        let config = Arc::new(config(Arc::new(default_provider()), own, clients));
        Self { config, mode, replies: &[], plaintext: Arc::default(), encrypted: Arc::default() }
    }

    pub(crate) fn replying(self, replies: &'static [(&'static str, &'static str)]) -> Self {
        Self { replies, ..self }
    }

    /// Starts the server, and returns its port.
    pub(crate) fn start(&self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (server, stream) = (server.clone(), stream.unwrap());
                thread::spawn(move || server.serve(stream));
            }
        });
        port
    }

    pub(crate) fn plaintext(&self) -> Vec<String> {
        self.plaintext.lock().unwrap().clone()
    }

    pub(crate) fn encrypted(&self) -> Vec<String> {
        self.encrypted.lock().unwrap().clone()
    }

    fn serve(self, mut stream: TcpStream) -> Option<()> {
        if let Mode::StartTls { reply } = self.mode {
            stream.write_all(b"220 ready\r\n").ok()?;
            loop {
                let command = line(&mut stream)?;
                self.plaintext.lock().unwrap().push(command.clone());
                match &*command {
                    "STARTTLS" => stream.write_all(reply.as_bytes()).ok()?,
                    "QUIT" => return None,
                    _ => stream.write_all(b"250-test\r\n250 STARTTLS\r\n").ok()?,
                }
                if command == "STARTTLS" && reply.starts_with('2') {
                    break;
                }
            }
        }
        let tls = ServerConnection::new(self.config.clone()).unwrap();
        let mut stream = BufReader::new(StreamOwned::new(tls, stream));
        if let Mode::Implicit = self.mode {
            stream.get_mut().write_all(b"220 ready\r\n").ok()?;
        }
        let mut is_content = false;
        loop {
            let mut command = String::new();
            (stream.read_line(&mut command).ok()? > 0).then_some(())?;
            let command = command.trim_end();
            if is_content && command != "." {
                continue;
            }
            self.encrypted.lock().unwrap().push(command.to_owned());
            let special = self.replies.iter().find(|(begin, _)| command.starts_with(begin));
            let usual = match command.get(..4).unwrap_or(command) {
                "EHLO" => "250-test\r\n250 AUTH PLAIN",
                "AUTH" => "235 welcome",
                "DATA" => "354 go ahead",
                "QUIT" => "221 bye",
                _ => "250 ok",
            };
            let reply = special.map_or(usual, |(_, reply)| reply);
            is_content = command == "DATA" && reply == usual;
            stream.get_mut().write_all(format!("{reply}\r\n").as_bytes()).ok()?;
            stream.get_mut().flush().ok()?;
        }
    }
}

/// Reads the next line but no byte beyond it, since the handshake may follow.
fn line(stream: &mut TcpStream) -> Option<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        line.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&line).trim_end().to_owned())
}
