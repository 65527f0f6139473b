use std::{
    mem,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use bytes::Bytes;
use http::{Request, Response, header::PROXY_AUTHORIZATION};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::{
        legacy,
        proxy::matcher::{Intercept, Matcher},
    },
    rt::{TokioExecutor, TokioTimer},
};
use tower::BoxError;

use super::{address::Address, connector::Connector};
use crate::{
    catch_panic::logged,
    causes::one_line,
    notify::{DeliveryError, receivers::tls::Trust},
};

type Hyper = legacy::Client<HttpsConnector<Connector>, Full<Bytes>>;

/// The HTTP client of one receiver. Clones share its TLS, its proxy and its connections; nothing
/// else in the process does.
#[derive(Clone)]
pub(super) struct Client(Arc<Shared>);

struct Shared {
    /// The receiver's name in log lines.
    receiver: &'static str,
    is_https: bool,
    /// The proxy that the environment set when the receiver was created.
    proxy: Option<Intercept>,
    trust: Trust,
    /// Built when it is first needed, since settings may follow. A failed build is retried.
    built: OnceLock<Hyper>,
}

/// The clients created since the last start checked them.
static UNCHECKED: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

/// Builds the clients created since the last call, and logs each failure. A receiver without a
/// client fails each delivery, but the service starts.
pub(crate) fn check_clients() {
    let unchecked = mem::take(&mut *UNCHECKED.lock().unwrap_or_else(PoisonError::into_inner));
    for shared in unchecked.iter().filter_map(Weak::upgrade) {
        if let Err(error) = shared.build() {
            let reason = one_line(&*error);
            let receiver = shared.receiver;
            logged(|| tracing::error!(receiver, reason, "notifier has no HTTP client"));
        }
    }
}

impl Client {
    pub(super) fn new(receiver: &'static str, address: &Address, trust: Trust) -> Self {
        let proxy = Matcher::from_env().intercept(&address.uri);
        let (is_https, built) = (address.is_https(), OnceLock::new());
        let shared = Arc::new(Shared { receiver, is_https, proxy, trust, built });
        let mut unchecked = UNCHECKED.lock().unwrap_or_else(PoisonError::into_inner);
        unchecked.retain(|shared| shared.strong_count() > 0);
        unchecked.push(Arc::downgrade(&shared));
        Self(shared)
    }

    pub(super) fn receiver(&self) -> &'static str {
        self.0.receiver
    }

    pub(super) fn trust(&self) -> &Trust {
        &self.0.trust
    }

    /// Sends a request, and returns when the head of the response has arrived.
    pub(super) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, DeliveryError> {
        let hyper = self.0.build().map_err(DeliveryError::misconfigured)?;
        // With a tunnel, the CONNECT request carries this header.
        if let (Some(proxy), false) = (&self.0.proxy, self.0.is_https)
            && let Some(credentials) = proxy.basic_auth()
        {
            request.headers_mut().insert(PROXY_AUTHORIZATION, credentials.clone());
        }
        hyper.request(request).await.map_err(DeliveryError::temporary)
    }
}

impl Shared {
    /// Builds the TLS configuration and the connector once. Fails if the host has no root
    /// certificates, or if the environment names an unsupported proxy.
    fn build(&self) -> Result<&Hyper, BoxError> {
        if let Some(built) = self.built.get() {
            return Ok(built);
        }
        let Self { is_https, proxy, trust, .. } = self;
        let proxy_scheme = proxy.as_ref().and_then(|proxy| proxy.uri().scheme_str());
        let tls = trust.config(*is_https || proxy_scheme == Some("https"))?;
        let connector = Connector::new(proxy.as_ref(), *is_https, &tls)?;
        let hyper = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(HttpsConnector::from((connector, tls)));
        Ok(self.built.get_or_init(|| hyper))
    }
}
