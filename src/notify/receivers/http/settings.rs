use super::{AddressError, Endpoint};
use crate::notify::receivers::tls::Trust;

/// A receiver that is reached by HTTP, for the settings that all of them have.
pub(crate) trait HttpReceiver: Sized {
    /// Changes each of its endpoints.
    fn each_endpoint(&mut self, change: &mut dyn FnMut(&mut Endpoint));

    /// Trusts the certificates of a PEM text besides those of the host.
    fn trust_root(mut self, pem: &[u8]) -> Result<Self, AddressError> {
        change(&mut self, "root certificate", &|trust| trust.add_roots(pem))?;
        Ok(self)
    }

    /// Trusts Mozilla's root certificates besides those of the host.
    #[cfg(feature = "bundled-roots")]
    fn trust_bundled_roots(mut self) -> Self {
        self.each_endpoint(&mut |endpoint| {
            let mut trust = endpoint.client.trust().clone();
            trust.add_bundled_roots();
            *endpoint = endpoint.clone().with_trust(trust);
        });
        self
    }

    /// Identifies itself by a client certificate.
    fn identify(mut self, certificate: &[u8], key: &[u8]) -> Result<Self, AddressError> {
        change(&mut self, "client certificate", &|trust| trust.set_identity(certificate, key))?;
        Ok(self)
    }
}

fn change(
    receiver: &mut impl HttpReceiver,
    what: &'static str,
    change: &dyn Fn(&mut Trust) -> Result<(), &'static str>,
) -> Result<(), AddressError> {
    let mut changed = Ok(());
    receiver.each_endpoint(&mut |endpoint| {
        let mut trust = endpoint.client.trust().clone();
        match change(&mut trust) {
            Ok(()) => *endpoint = endpoint.clone().with_trust(trust),
            Err(problem) => {
                let receiver = endpoint.client.receiver();
                changed = Err(AddressError::Certificate { receiver, what, problem });
            }
        }
    });
    changed
}

/// Gives a receiver the public settings of its TLS; `$each` calls its second argument with each endpoint
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
            /// Trusts these certificates besides those of the host, as PEM: for a receiver, or a proxy,
            /// whose certificate an authority of your own has signed. May be called more than once.
            ///
            /// # Errors
            ///
            /// If `pem` holds no certificate, or one that can't be read.
            pub fn root_certificate(self, pem: impl AsRef<[u8]>) -> Result<Self, AddressError> {
                $crate::notify::receivers::http::HttpReceiver::trust_root(self, pem.as_ref())
            }

            /// Trusts the root certificates of Mozilla besides those of the host: they are in the
            /// program, for an image without any. Update the crate `webpki-root-certs` from time to time.
            #[cfg(feature = "bundled-roots")]
            #[must_use]
            pub fn bundled_roots(self) -> Self {
                $crate::notify::receivers::http::HttpReceiver::trust_bundled_roots(self)
            }

            /// Sends a client certificate (mutual TLS), for a receiver that asks for one. Both are PEM;
            /// `certificate` may be followed by those that have signed it. The key is in no log, error or
            /// `Debug`. Defaults to none.
            ///
            /// # Errors
            ///
            /// If `certificate` holds no certificate, if `key` holds none of RSA, ECDSA (P-256, P-384) and
            /// Ed25519, or if the two do not fit.
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

/// Makes a receiver that takes one secret from an environment variable, too.
#[cfg(any(feature = "_chat", feature = "pagerduty", feature = "webhook"))]
macro_rules! from_env {
    ($receiver:ident, $secret:literal, $variable:literal) => {
        impl $receiver {
            #[doc = concat!("A notifier with the ", $secret, " that an environment variable holds; ")]
            /// `None` if the variable is not set, or empty.
            ///
            /// [`LookoutBuilder::notify`](crate::LookoutBuilder::notify) takes an `Option`, so that the same
            /// binary runs without the variable on the machine of a developer:
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
            /// As [`new`](Self::new).
            pub fn from_env(variable: impl AsRef<str>) -> Result<Option<Self>, AddressError> {
                let value = std::env::var_os(variable.as_ref()).unwrap_or_default();
                let value = value.to_string_lossy();
                let value = value.trim();
                if value.is_empty() { Ok(None) } else { Self::new(value).map(Some) }
            }
        }
    };
}
#[cfg(any(feature = "_chat", feature = "pagerduty", feature = "webhook"))]
pub(in crate::notify) use from_env;

#[cfg(test)]
#[cfg(all(feature = "pagerduty", feature = "slack"))]
mod tests {
    use crate::notify::{PagerDuty, Slack};

    /// Cargo sets the variables for each test.
    #[test]
    fn a_variable_that_is_not_set_makes_no_notifier() {
        assert!(Slack::from_env("LOOKOUT_UNSET").unwrap().is_none());
        assert!(PagerDuty::from_env("CARGO_PKG_NAME").unwrap().is_some());
        let error = Slack::from_env("CARGO_PKG_NAME").unwrap_err().to_string();
        assert!(error.contains("is no URL"), "{error}");
    }
}
