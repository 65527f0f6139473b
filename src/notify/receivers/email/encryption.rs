//! TLS below lettre, with the receivers' own provider. lettre's TLS features would also select TLS
//! for the application's own use of lettre.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::stream::Tcp;

/// When TLS begins on a connection.
#[derive(Clone)]
pub(super) enum Encryption {
    /// After `STARTTLS`, before any other command.
    StartTls(TlsClient),
    /// With the connection.
    Implicit(TlsClient),
    None,
}

/// The TLS of one mail server.
#[derive(Clone)]
pub(super) struct TlsClient {
    pub(super) config: Arc<ClientConfig>,
    /// The name or IP address that the server's certificate must have.
    pub(super) server: ServerName<'static>,
}

impl TlsClient {
    /// Performs the handshake. lettre reads `greeting` before the server's first bytes.
    pub(super) async fn handshake(
        &self,
        tcp: Tcp,
        greeting: &'static [u8],
    ) -> io::Result<Encrypted> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let stream = connector.connect(self.server.clone(), tcp).await?;
        Ok(Encrypted { greeting, stream })
    }
}

/// An encrypted connection.
#[derive(Debug)]
pub(super) struct Encrypted {
    /// The part of the greeting that lettre has not read yet.
    greeting: &'static [u8],
    stream: TlsStream<Tcp>,
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.greeting.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let length = self.greeting.len().min(buffer.remaining());
        let (now, later) = self.greeting.split_at(length);
        buffer.put_slice(now);
        self.greeting = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Encrypted {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.get_ref().0.peer_addr()
    }
}
