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
    notify::{DeliveryError, error::chain, receivers::tls::Trust},
};

type Hyper = legacy::Client<HttpsConnector<Connector>, Full<Bytes>>;

/// The HTTP client of one receiver, which nothing else of the process shares: its TLS, its proxy and
/// its connections are its own. Clones share them.
#[derive(Clone)]
pub(super) struct Client(Arc<Shared>);

struct Shared {
    /// As log lines name it.
    receiver: &'static str,
    is_https: bool,
    /// From the environment, as it was when the receiver was made.
    proxy: Option<Intercept>,
    trust: Trust,
    /// Not before it is needed, since settings may follow; tried again until it succeeds.
    built: OnceLock<Hyper>,
}

/// The clients that no start has checked yet.
static UNCHECKED: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

/// Builds the clients that were made since the last call, and logs why one can't be built: a receiver
/// without a client fails each delivery, and keeps no service from starting.
pub(crate) fn check_clients() {
    let unchecked = mem::take(&mut *UNCHECKED.lock().unwrap_or_else(PoisonError::into_inner));
    for shared in unchecked.iter().filter_map(Weak::upgrade) {
        if let Err(error) = shared.build() {
            let reason = chain(&*error);
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

    /// Sends a request, and returns with the head of the answer.
    pub(super) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, DeliveryError> {
        let hyper = self.0.build().map_err(DeliveryError::broken)?;
        // A tunnel has this header in its CONNECT.
        if let (Some(proxy), false) = (&self.0.proxy, self.0.is_https)
            && let Some(credentials) = proxy.basic_auth()
        {
            request.headers_mut().insert(PROXY_AUTHORIZATION, credentials.clone());
        }
        hyper.request(request).await.map_err(DeliveryError::retry)
    }
}

impl Shared {
    /// Makes the TLS configuration and the connector, unless that is done. Fails where the host has no
    /// root certificates, or where the environment names a proxy that can't be used.
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
