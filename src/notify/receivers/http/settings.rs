use super::{AddressError, Endpoint};
use crate::notify::receivers::tls::Trust;

/// A receiver with HTTP endpoints. It provides the TLS settings that all of them share.
pub(crate) trait HttpReceiver: Sized {
    /// Applies `change` to each endpoint.
    fn each_endpoint(&mut self, change: &mut dyn FnMut(&mut Endpoint));

    /// Also trusts the certificates in a PEM text.
    fn trust_root(mut self, pem: &[u8]) -> Result<Self, AddressError> {
        change(&mut self, "root certificate", &|trust| trust.add_roots(pem))?;
        Ok(self)
    }

    /// Also trusts Mozilla's root certificates.
    #[cfg(feature = "bundled-roots")]
    fn trust_bundled_roots(mut self) -> Self {
        self.each_endpoint(&mut |endpoint| {
            let mut trust = endpoint.client.trust().clone();
            trust.add_bundled_roots();
            *endpoint = endpoint.clone().with_trust(trust);
        });
        self
    }

    /// Authenticates with a client certificate.
    fn identify(mut self, certificate: &[u8], key: &[u8]) -> Result<Self, AddressError> {
        change(&mut self, "client certificate", &|trust| trust.set_identity(certificate, key))?;
        Ok(self)
    }
}

fn change(
    receiver: &mut impl HttpReceiver,
    item: &'static str,
    change: &dyn Fn(&mut Trust) -> Result<(), &'static str>,
) -> Result<(), AddressError> {
    let mut changed = Ok(());
    receiver.each_endpoint(&mut |endpoint| {
        let mut trust = endpoint.client.trust().clone();
        match change(&mut trust) {
            Ok(()) => *endpoint = endpoint.clone().with_trust(trust),
            Err(problem) => {
                let receiver = endpoint.client.receiver();
                changed = Err(AddressError::Certificate { receiver, item, problem });
            }
        }
    });
    changed
}

/// Adds the public TLS settings to a receiver. `$each` calls its second argument with each endpoint
/// of the first.
macro_rules! tls_settings {
    ($receiver:ident, $each:expr) => {
        impl $crate::notify::receivers::http::HttpReceiver for $receiver {
            fn each_endpoint(
                &mut self,
                change: &mut dyn FnMut(&mut $crate::notify::receivers::http::Endpoint),
            ) {
                let each: fn(
                    &mut Self,
                    &mut dyn FnMut(&mut $crate::notify::receivers::http::Endpoint),
                ) = $each;
                each(self, change);
            }
        }

        impl $receiver {
            /// Also trusts these root certificates, in PEM, for a receiver or a proxy whose
            /// certificate a private authority signed. May be called more than once.
            ///
            /// Defaults to the host's root certificates only.
            ///
            /// # Errors
            ///
            /// Returns an error if `pem` contains no certificate or an invalid one.
            pub fn root_certificate(self, pem: impl AsRef<[u8]>) -> Result<Self, AddressError> {
                $crate::notify::receivers::http::HttpReceiver::trust_root(self, pem.as_ref())
            }

            /// Also trusts Mozilla's root certificates, which are compiled into the program, for a
            /// container image without any. Update the crate `webpki-root-certs` from time to time.
            ///
            /// Defaults to the host's root certificates only.
            #[cfg(feature = "bundled-roots")]
            #[must_use]
            pub fn bundled_roots(self) -> Self {
                $crate::notify::receivers::http::HttpReceiver::trust_bundled_roots(self)
            }

            /// Sends a client certificate (mutual TLS) to a receiver that asks for one. Both
            /// arguments are PEM; `certificate` may be followed by its chain. No log, error or
            /// `Debug` output contains the key.
            ///
            /// Defaults to no client certificate.
            ///
            /// # Errors
            ///
            /// Returns an error if `certificate` contains no certificate, if `key` contains no RSA,
            /// ECDSA (P-256, P-384) or Ed25519 key, or if the two do not match.
            pub fn client_identity(
                self,
                certificate: impl AsRef<[u8]>,
                key: impl AsRef<[u8]>,
            ) -> Result<Self, AddressError> {
                let (certificate, key) = (certificate.as_ref(), key.as_ref());
                $crate::notify::receivers::http::HttpReceiver::identify(self, certificate, key)
            }
        }
    };
}
pub(in crate::notify) use tls_settings;

/// Adds `from_env` to a receiver with one secret.
macro_rules! from_env {
    ($receiver:ident, $secret:literal, $variable:literal) => {
        impl $receiver {
            #[doc = concat!("Creates a notifier with the ", $secret, " in an environment variable. ")]
            /// Returns `None` if the variable is unset or empty.
            ///
            /// [`LookoutBuilder::notify`](crate::LookoutBuilder::notify) accepts an `Option`, so
            /// the same binary runs without the variable on a developer's machine:
            ///
            /// ```
            #[doc = concat!("use tower_lookout::{Lookout, notify::", stringify!($receiver), "};")]
            ///
            /// let builder = Lookout::builder()
            #[doc = concat!("    .notify(", stringify!($receiver), "::from_env(\"", $variable, "\")?);")]
            /// # Ok::<_, tower_lookout::notify::AddressError>(())
            /// ```
            ///
            /// # Errors
            ///
            /// The same as [`new`](Self::new).
            pub fn from_env(variable: impl AsRef<str>) -> Result<Option<Self>, AddressError> {
                let value = std::env::var_os(variable.as_ref()).unwrap_or_default();
                let value = value.to_string_lossy();
                let value = value.trim();
                if value.is_empty() { Ok(None) } else { Self::new(value).map(Some) }
            }
        }
    };
}
pub(in crate::notify) use from_env;

#[cfg(test)]
#[cfg(all(feature = "pagerduty", feature = "slack"))]
mod tests {
    use crate::notify::{PagerDuty, Slack};

    /// Cargo sets `CARGO_PKG_NAME` for each test.
    #[test]
    fn an_unset_variable_creates_no_notifier() {
        assert!(Slack::from_env("LOOKOUT_UNSET").unwrap().is_none());
        assert!(PagerDuty::from_env("CARGO_PKG_NAME").unwrap().is_some());
        let error = Slack::from_env("CARGO_PKG_NAME").unwrap_err().to_string();
        assert!(error.contains("is not a URL"), "{error}");
    }
}
