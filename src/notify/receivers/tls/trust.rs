use std::sync::{Arc, OnceLock};

use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier,
    client::WantsClientCert,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use rustls_platform_verifier::Verifier;

/// The certificates of one receiver: its additional trusted roots, and its client certificate.
#[derive(Clone, Default)]
pub(in crate::notify) struct Trust {
    roots: Vec<CertificateDer<'static>>,
    identity: Option<Identity>,
}

/// The configuration that trusts the host's root certificates only. Receivers share it, since
/// reading about 150 certificates takes time.
static HOST_ROOTS: OnceLock<Arc<ClientConfig>> = OnceLock::new();

/// A client certificate with its chain, and its key.
#[derive(Clone)]
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
}

/// TLS can't be set up.
#[derive(Debug, thiserror::Error)]
#[error(
    "no TLS: install the host's root certificates (ca-certificates), or set root_certificate or \
     bundled_roots"
)]
pub(in crate::notify) struct NoTls(#[source] pub(in crate::notify) rustls::Error);

impl Trust {
    /// Also trusts the certificates in a PEM text. An error describes the problem.
    pub(in crate::notify) fn add_roots(&mut self, pem: &[u8]) -> Result<(), &'static str> {
        let roots = certificates(pem)?;
        let mut store = RootCertStore::empty();
        for root in &roots {
            store.add(root.clone()).map_err(|_| "is not an X.509 certificate")?;
        }
        self.roots.extend(roots);
        Ok(())
    }

    /// Also trusts Mozilla's root certificates.
    #[cfg(feature = "bundled-roots")]
    pub(in crate::notify) fn add_bundled_roots(&mut self) {
        self.roots.extend_from_slice(webpki_root_certs::TLS_SERVER_ROOT_CERTS);
    }

    /// Sets the client certificate. An error describes the problem with it or its key.
    pub(in crate::notify) fn set_identity(
        &mut self,
        chain: &[u8],
        key: &[u8],
    ) -> Result<(), &'static str> {
        let chain = certificates(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| "has no key: the PEM text contains no valid private key")?;
        CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider())
            .map_err(|_| "does not match its key, or the key is not RSA, ECDSA or Ed25519")?;
        self.identity = Some(Identity { chain, key: Arc::new(key) });
        Ok(())
    }

    /// The client configuration. Without `needs_tls` it needs no root certificates, so a plain HTTP
    /// receiver works on a host without any.
    pub(in crate::notify) fn config(&self, needs_tls: bool) -> Result<Arc<ClientConfig>, NoTls> {
        if !needs_tls || !self.roots.is_empty() || self.identity.is_some() {
            return self.make_config(needs_tls);
        }
        if let Some(config) = HOST_ROOTS.get() {
            return Ok(Arc::clone(config));
        }
        let config = self.make_config(needs_tls)?;
        Ok(Arc::clone(HOST_ROOTS.get_or_init(|| config)))
    }

    fn make_config(&self, needs_tls: bool) -> Result<Arc<ClientConfig>, NoTls> {
        let provider = provider();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(NoTls)?;
        let builder = if needs_tls {
            self.verify(builder, provider).map_err(NoTls)?
        } else {
            builder.with_root_certificates(RootCertStore::empty())
        };
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(Identity { chain, key }) => {
                builder.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(NoTls)?
            }
        };
        Ok(Arc::new(config))
    }

    fn verify(
        &self,
        builder: ConfigBuilder<ClientConfig, WantsVerifier>,
        provider: Arc<CryptoProvider>,
    ) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, rustls::Error> {
        let roots = self.roots.iter().cloned();
        let verifier = Verifier::new_with_extra_roots(roots, provider)?;
        // rustls calls any custom verifier dangerous. This one checks all that rustls's own does.
        Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(super::provider::provider())
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err("is missing: the PEM text contains no certificate"),
        Ok(found) => Ok(found),
        Err(_) => Err("is not valid PEM: it begins with -----BEGIN CERTIFICATE-----"),
    }
}
