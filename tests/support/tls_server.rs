//! An HTTPS receiver that accepts each post.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};

use crate::authority::Signed;

pub(crate) struct TlsServer {
    /// The URL to post to, which contains a secret.
    pub(crate) url: String,
    requests: Arc<AtomicUsize>,
}

impl TlsServer {
    /// Requires a client certificate from the authority `clients`, if given.
    pub(crate) fn start(own: &Signed, clients: Option<&str>) -> Self {
        Self::start_with(rustls::crypto::ring::default_provider(), own, clients)
    }

    /// Supports only the provider's protocols and cipher suites.
    pub(crate) fn start_with(
        provider: CryptoProvider,
        own: &Signed,
        clients: Option<&str>,
    ) -> Self {
        let config = Arc::new(config(Arc::new(provider), own, clients));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (config, counter) = (Arc::clone(&config), Arc::clone(&counter));
                thread::spawn(move || serve(stream.unwrap(), config, &counter));
            }
        });
        Self { url: format!("https://localhost:{port}/secret"), requests }
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

pub(crate) fn config(
    provider: Arc<CryptoProvider>,
    own: &Signed,
    clients: Option<&str>,
) -> ServerConfig {
    let versions: &[_] = match provider.cipher_suites[..] {
        [one] => &[one.version()],
        _ => rustls::DEFAULT_VERSIONS,
    };
    let certificate = CertificateDer::from_pem_slice(own.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(root) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(root.as_bytes()).unwrap()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    builder.with_single_cert(vec![certificate], key).unwrap()
}

/// Responds to each request of a connection until the client closes it.
fn serve(stream: TcpStream, config: Arc<ServerConfig>, requests: &AtomicUsize) {
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
    let (mut text, mut chunk) = (Vec::new(), [0; 4_096]);
    loop {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(read) => text.extend_from_slice(&chunk[..read]),
        }
        let Some(length) = request_length(&text) else { continue };
        text.drain(..length);
        requests.fetch_add(1, Ordering::Relaxed);
        let response = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        if stream.write_all(response).is_err() || stream.flush().is_err() {
            return;
        }
    }
}

/// Returns the length of the first request in these bytes, once it is complete.
fn request_length(bytes: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(bytes);
    let (head, _) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let length: usize =
        lines.find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
    let whole = head.len() + 4 + length;
    (bytes.len() >= whole).then_some(whole)
}
