//! Faults between a notifier and its receiver, simulated with real sockets on loopback.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

use std::{mem, net, sync::Arc, thread};

use rcgen::{CertificateParams, KeyPair};
use rustls::{ServerConfig, ServerConnection, pki_types::PrivatePkcs8KeyDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
};

use crate::receiver::{Receiver, Reply};

/// A fault between a notifier and its receiver.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The connection is refused.
    Refused,
    /// The host name is invalid, so the lookup fails without a name server.
    NoSuchHost,
    /// The server does not speak TLS.
    NoTls,
    /// The server's certificate has an unknown issuer.
    Untrusted,
    /// The server closes the connection before it responds.
    Closed,
    /// The connection ends in the middle of a response with this status.
    BrokenOff(u16),
    /// The body of a response with this status starts with this text and never ends.
    Endless(u16, &'static str),
    Reply(Reply),
}

impl Fault {
    /// Serves the fault. Returns a URL that contains a secret, and the receiver if one records
    /// posts.
    pub(crate) async fn serve(self) -> (String, Option<Receiver>) {
        let url = match self {
            Self::Refused => {
                let bound = TcpSocket::new_v4().unwrap();
                bound.bind(([127, 0, 0, 1], 0).into()).unwrap();
                let address = bound.local_addr().unwrap();
                // Keep the socket, so that no other process gets the port.
                mem::forget(bound);
                format!("http://{address}/s3cret")
            }
            Self::NoSuchHost => format!("http://{}.localhost/s3cret", "x".repeat(64)),
            Self::NoTls => {
                let url = Receiver::new([]).serve().await;
                url.replace("http://", "https://")
            }
            Self::Untrusted => format!("https://localhost:{}/s3cret", serve_untrusted()),
            Self::Closed => serve(|_| async {}).await,
            Self::BrokenOff(status) => {
                serve(move |mut stream| async move {
                    let head = format!("HTTP/1.1 {status} Some\r\ncontent-length: 100\r\n\r\ns3");
                    stream.write_all(head.as_bytes()).await.unwrap();
                })
                .await
            }
            Self::Endless(status, begins) => {
                serve(move |mut stream| async move {
                    let head =
                        format!("HTTP/1.1 {status} Some\r\ncontent-length: 900\r\n\r\n{begins}");
                    stream.write_all(head.as_bytes()).await.unwrap();
                    // Keep the connection open until the client closes it.
                    let _ = stream.read(&mut [0]).await;
                })
                .await
            }
            Self::Reply(reply) => {
                let receiver = Receiver::replying(reply, []);
                return (receiver.serve().await, Some(receiver));
            }
        };
        (url, None)
    }
}

/// Reads each post to its end, then calls `respond`.
async fn serve<F: Future<Output = ()> + Send>(
    respond: impl Fn(TcpStream) -> F + Copy + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/s3cret", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            read(&mut stream).await;
            respond(stream).await;
        }
    });
    url
}

/// Starts a server with a self-signed certificate and returns its port.
fn serve_untrusted() -> u16 {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap().der().clone();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.into())
        .unwrap();
    let (config, listener) = (Arc::new(config), net::TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            // The client sends an alert before it closes the connection.
            let _ = tls.complete_io(&mut stream);
        }
    });
    port
}

async fn read(stream: &mut TcpStream) {
    let mut text = Vec::new();
    loop {
        assert!(stream.read_buf(&mut text).await.unwrap() > 0, "the post is incomplete");
        let read = String::from_utf8_lossy(&text);
        let Some((head, body)) = read.split_once("\r\n\r\n") else { continue };
        let mut lines = head.lines();
        let length = lines.find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() >= length.parse().unwrap() {
            return;
        }
    }
}
