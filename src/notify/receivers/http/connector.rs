use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{
    client::{
        legacy::connect::{
            Connected, Connection, HttpConnector,
            proxy::{SocksV5, Tunnel},
        },
        proxy::matcher::Intercept,
    },
    rt::TokioIo,
};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower::BoxError;
use tower_service::Service;

type Https = HttpsConnector<HttpConnector>;
type Connecting = Pin<Box<dyn Future<Output = Result<ReceiverStream, BoxError>> + Send>>;

/// The connector below a receiver's TLS: direct, or through a proxy.
#[derive(Clone)]
pub(super) enum Connector {
    Direct(HttpConnector),
    /// A proxy that accepts absolute URLs.
    Forward(Https, Uri),
    /// A proxy that supports `CONNECT`.
    Tunnel(Tunnel<Https>),
    Socks(SocksV5<HttpConnector>),
}

/// How long opening a TCP connection may take, for all addresses of the host together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The TCP keep-alive interval. It keeps idle connections open in firewalls.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

impl Connector {
    /// `config` is the TLS configuration for an `https` proxy.
    pub(super) fn new(
        proxy: Option<&Intercept>,
        is_https: bool,
        config: &std::sync::Arc<ClientConfig>,
    ) -> Result<Self, BoxError> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        http.set_keepalive(Some(KEEP_ALIVE));
        http.set_nodelay(true);
        let Some(proxy) = proxy else { return Ok(Self::Direct(http)) };
        let (uri, config) = (proxy.uri().clone(), std::sync::Arc::clone(config));
        match uri.scheme_str() {
            Some("http" | "https") if is_https => {
                let mut tunnel = Tunnel::new(uri, Https::from((http, config)));
                if let Some(credentials) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(credentials.clone());
                }
                Ok(Self::Tunnel(tunnel))
            }
            Some("http" | "https") => Ok(Self::Forward(Https::from((http, config)), uri)),
            Some(scheme @ ("socks5" | "socks5h")) => {
                let mut socks = SocksV5::new(uri.clone(), http).local_dns(scheme == "socks5");
                if let Some((user, password)) = proxy.raw_auth() {
                    socks = socks.with_auth(user.to_owned(), password.to_owned());
                }
                Ok(Self::Socks(socks))
            }
            _ => Err("the environment's proxy is not http, https, socks5 or socks5h".into()),
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct(_) => "Direct",
            Self::Forward(..) => "Forward",
            Self::Tunnel(_) => "Tunnel",
            Self::Socks(_) => "Socks",
        })
    }
}

impl Service<Uri> for Connector {
    type Response = ReceiverStream;
    type Error = BoxError;
    type Future = Connecting;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::Direct(http) => http.poll_ready(cx).map_err(Into::into),
            Self::Forward(proxy, _) => proxy.poll_ready(cx),
            Self::Tunnel(tunnel) => tunnel.poll_ready(cx).map_err(Into::into),
            Self::Socks(socks) => socks.poll_ready(cx).map_err(Into::into),
        }
    }

    fn call(&mut self, to: Uri) -> Connecting {
        match self {
            Self::Direct(http) => {
                let connecting = http.call(to);
                Box::pin(async {
                    Ok(ReceiverStream::new(MaybeHttpsStream::Http(connecting.await?)))
                })
            }
            Self::Forward(proxy, uri) => {
                let connecting = proxy.call(uri.clone());
                Box::pin(async {
                    Ok(ReceiverStream {
                        is_forward: true,
                        ..ReceiverStream::new(connecting.await?)
                    })
                })
            }
            Self::Tunnel(tunnel) => {
                let connecting = tunnel.call(to);
                Box::pin(async { Ok(ReceiverStream::new(connecting.await?)) })
            }
            Self::Socks(socks) => {
                let connecting = socks.call(to);
                Box::pin(async {
                    Ok(ReceiverStream::new(MaybeHttpsStream::Http(connecting.await?)))
                })
            }
        }
    }
}

/// A connection to the receiver, or to the proxy in front of it.
pub(super) struct ReceiverStream {
    stream: MaybeHttpsStream<TokioIo<TcpStream>>,
    is_forward: bool,
}

impl ReceiverStream {
    fn new(stream: MaybeHttpsStream<TokioIo<TcpStream>>) -> Self {
        Self { stream, is_forward: false }
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut MaybeHttpsStream<TokioIo<TcpStream>>> {
        Pin::new(&mut self.get_mut().stream)
    }
}

impl Connection for ReceiverStream {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.is_forward)
    }
}

impl Read for ReceiverStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, buffer)
    }
}

impl Write for ReceiverStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}
