//! The TCP connection below lettre. It reads a bounded number of bytes.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, lookup_host},
};

use crate::deadline;

/// The most bytes read from one connection. A session needs a few thousand, but lettre buffers a
/// line until its end, however long it is.
const MOST_READ: usize = 1024 * 1024;

/// How long connecting to one address may take. The worker's timeout covers the session until the
/// server has the message.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to a mail server. Clones share it: with STARTTLS, first lettre uses it, then TLS.
#[derive(Clone, Debug)]
pub(super) struct Tcp(Arc<Mutex<Limited<TcpStream>>>);

impl Tcp {
    /// Connects to the first address of the host that accepts.
    pub(super) async fn connect(host: &str, port: u16) -> io::Result<Self> {
        let mut failure = io::Error::other("the mail server's name resolves to no address");
        for address in lookup_host((host, port)).await? {
            match deadline::within(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    let limited = Limited { stream, left: MOST_READ };
                    return Ok(Self(Arc::new(Mutex::new(limited))));
                }
                Ok(Err(error)) => failure = error,
                Err(_) => failure = io::Error::from(io::ErrorKind::TimedOut),
            }
        }
        Err(failure)
    }

    fn stream(&self) -> MutexGuard<'_, Limited<TcpStream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for Tcp {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream()).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream().stream).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Tcp {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream().stream.peer_addr()
    }
}

/// A stream with the number of bytes that may still be read from it.
#[derive(Debug)]
struct Limited<S> {
    stream: S,
    left: usize,
}

impl<S: AsyncRead + Unpin> AsyncRead for Limited<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let read = buffer.filled().len() - before;
        match self.left.checked_sub(read) {
            Some(left) => self.left = left,
            None => {
                buffer.set_filled(before);
                let problem = format!("the mail server has sent more than {MOST_READ} bytes");
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, problem)));
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, repeat};

    use super::*;

    #[tokio::test]
    async fn a_connection_reads_no_more_bytes_than_its_limit() {
        for (left, fails) in [(4_096, false), (4_095, true)] {
            let mut stream = Limited { stream: repeat(b'x').take(4_096), left };
            let read = stream.read_to_end(&mut Vec::new()).await;
            assert_eq!(read.is_err(), fails, "{read:?}");
        }
    }
}
