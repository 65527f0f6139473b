use std::fmt;

use lettre::{
    message::Mailbox,
    transport::smtp::{authentication::Credentials, extension::ClientId},
};
use rustls::pki_types::ServerName;

use super::{
    Email, EmailError,
    encryption::{Encryption, TlsClient},
    outbox::Outbox,
    server::{Security, Server},
    session::Session,
};
use crate::notify::receivers::tls::Trust;

/// The settings of an [`Email`]; [`build`](Self::build) checks them.
///
/// # Examples
///
/// ```no_run
/// use tower_lookout::notify::Email;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let email = Email::builder("smtp://mail.internal", "orders@internal", ["oncall@internal"])
///     .credentials("orders", std::env::var("SMTP_PASSWORD")?)
///     .root_certificate(std::fs::read("internal-ca.pem")?)
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "call `build` to create the notifier"]
pub struct EmailBuilder {
    server: String,
    from: String,
    to: Vec<String>,
    credentials: Option<Credentials>,
    roots: Vec<Vec<u8>>,
    #[cfg(feature = "bundled-roots")]
    has_bundled_roots: bool,
    /// A client certificate and its key, as PEM.
    identity: Option<[Vec<u8>; 2]>,
    hello_name: Option<String>,
}

impl EmailBuilder {
    pub(super) fn new(server: String, from: String, to: Vec<String>) -> Self {
        Self {
            server,
            from,
            to,
            credentials: None,
            roots: Vec::new(),
            #[cfg(feature = "bundled-roots")]
            has_bundled_roots: false,
            identity: None,
            hello_name: None,
        }
    }

    /// Sets user and password, without percent-encoding.
    ///
    /// Defaults to those in the server's address.
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some(Credentials::new(user.into(), password.into()));
        self
    }

    /// Also trusts these root certificates, in PEM, for a server whose certificate a private
    /// authority signed. May be called more than once.
    ///
    /// Defaults to the host's root certificates only.
    pub fn root_certificate(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.roots.push(pem.as_ref().to_vec());
        self
    }

    /// Also trusts Mozilla's root certificates, which are compiled into the program, for a
    /// container image without any. Update the crate `webpki-root-certs` from time to time.
    ///
    /// Defaults to the host's root certificates only.
    #[cfg(feature = "bundled-roots")]
    pub fn bundled_roots(mut self) -> Self {
        self.has_bundled_roots = true;
        self
    }

    /// Sends a client certificate (mutual TLS) to a server that asks for one. Both arguments are
    /// PEM; `certificate` may be followed by its chain. No log, error or `Debug` output contains
    /// the key.
    ///
    /// Defaults to no client certificate.
    pub fn client_identity(mut self, certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.identity = Some([certificate.as_ref().to_vec(), key.as_ref().to_vec()]);
        self
    }

    /// Sets the name in `EHLO`, for a server that asks for the host's real name.
    ///
    /// Defaults to `[127.0.0.1]`.
    pub fn hello_name(mut self, name: impl Into<String>) -> Self {
        self.hello_name = Some(name.into());
        self
    }

    /// Checks the settings. Does not connect to the server.
    ///
    /// # Errors
    ///
    /// Returns an [`EmailError`] that names the setting and the fix.
    pub fn build(self) -> Result<Email, EmailError> {
        let trust = self.trust()?;
        let mut server = Server::parse(&self.server)?;
        server.credentials = self.credentials.or(server.credentials);
        server.check()?;
        let from = mailbox("sender", &self.from)?;
        let to: Vec<_> =
            self.to.iter().map(|to| mailbox("recipient", to)).collect::<Result<_, _>>()?;
        if to.is_empty() {
            return Err(EmailError::NoRecipient);
        }
        let hello = self.hello_name.map_or(Ok(ClientId::default()), hello)?;
        let encryption = match server.security {
            Security::StartTls => Encryption::StartTls(tls(&server.host, &trust)?),
            Security::Implicit => Encryption::Implicit(tls(&server.host, &trust)?),
            Security::Plain => Encryption::None,
        };
        let Server { host, port, credentials, .. } = server;
        let session = Session { host, port, encryption, credentials, hello };
        let outbox = Outbox::new(to.len());
        Ok(Email { session, from, to, outbox })
    }

    fn trust(&self) -> Result<Trust, EmailError> {
        let rejected = |item| move |problem| EmailError::Certificate { item, problem };
        let mut trust = Trust::default();
        for pem in &self.roots {
            trust.add_roots(pem).map_err(rejected("root certificate"))?;
        }
        #[cfg(feature = "bundled-roots")]
        if self.has_bundled_roots {
            trust.add_bundled_roots();
        }
        if let Some([certificate, key]) = &self.identity {
            trust.set_identity(certificate, key).map_err(rejected("client certificate"))?;
        }
        Ok(trust)
    }
}

impl fmt::Debug for EmailBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmailBuilder")
            .field("server", &"***")
            .field("from", &self.from)
            .field("to", &self.to)
            .field("hello_name", &self.hello_name)
            .finish_non_exhaustive()
    }
}

fn mailbox(field: &'static str, value: &str) -> Result<Mailbox, EmailError> {
    let rejected = |problem| EmailError::Mailbox { field, value: value.to_owned(), problem };
    let mailbox: Mailbox = value.trim().parse().map_err(|_| rejected("is not a mail address"))?;
    // Few servers accept a non-ASCII address. The display name may have any letters.
    if !AsRef::<str>::as_ref(&mailbox.email).is_ascii() {
        return Err(rejected("has a non-ASCII address"));
    }
    Ok(mailbox)
}

fn hello(value: String) -> Result<ClientId, EmailError> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    if value.is_empty() || !value.bytes().all(is_name) {
        return Err(EmailError::HelloName { value });
    }
    Ok(ClientId::Domain(value))
}

fn tls(host: &str, trust: &Trust) -> Result<TlsClient, EmailError> {
    let problem = "has a host that is neither a DNS name nor an IP address";
    let server =
        ServerName::try_from(host.to_owned()).map_err(|_| EmailError::Server { problem })?;
    let config = trust.config(true).map_err(|error| EmailError::Tls { source: error.0.into() })?;
    Ok(TlsClient { config, server })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(from: &str, to: &[&str]) -> Result<Email, EmailError> {
        Email::new("smtp://u:s3cret@localhost?tls=none", from, to.iter().copied())
    }

    const CERTIFICATE: &str = include_str!("../../../../tests/support/rsa_certificate.pem");
    const KEY: &str = include_str!("../../../../tests/support/rsa_key.pem");

    #[test]
    fn an_invalid_setting_is_rejected_with_its_name_and_the_fix() {
        let to = ["oncall@example.com"];
        for (error, expected) in [
            (build("", &to), "the sender \"\" is not a mail address: use one such as"),
            (build("alerts", &to), "the sender \"alerts\" is not"),
            (build("a@b.c\r\nBcc: d@e.f", &to), "the sender"),
            (build("größe@example.com", &to), "non-ASCII address"),
            (build("a@example.com", &["b@"]), "the recipient \"b@\" is not"),
            (build("a@example.com", &[]), "there is no recipient"),
        ] {
            let error = error.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("s3cret"));
        }
        build("Größe <a@example.com>", &["\"On, call\" <b@example.com>"]).unwrap();

        let builder = || Email::builder("smtp://localhost", "a@b.example", ["c@d.example"]);
        for (error, expected) in [
            (builder().hello_name("a\r\nb").build(), "the hello name \"a\\r\\nb\" is not"),
            (
                builder().root_certificate("none").build(),
                "the root certificate for the mail server is missing: the PEM text contains no certificate",
            ),
            (
                builder().root_certificate("-----BEGIN CERTIFICATE-----\n*").build(),
                "the root certificate for the mail server is not valid PEM",
            ),
            (
                builder().client_identity("none", "s3cret").build(),
                "the client certificate for the mail server is missing",
            ),
            (builder().client_identity(CERTIFICATE, "s3cret").build(), "has no key"),
        ] {
            let error = format!("{:?}", error.unwrap_err());
            assert!(error.contains(expected) && !error.contains("s3cret"), "{error}");
        }
        let plain = Email::builder("smtp://mail?tls=none", "a@b.example", ["c@d.example"]);
        let error = plain.credentials("u", "s3cret").build().unwrap_err().to_string();
        assert!(error.contains("without TLS") && !error.contains("s3cret"), "{error}");
    }

    #[test]
    fn debug_output_contains_no_password() {
        let builder = Email::builder("smtp://u:s3cret@localhost", "a@b.example", ["c@d.example"])
            .credentials("u", "s3cret")
            .client_identity(CERTIFICATE, KEY);
        let debug = format!("{builder:?}");
        let debug = format!("{debug} {:?}", builder.build().unwrap());
        assert!(!debug.contains("s3cret") && debug.contains("localhost"), "{debug}");
        assert!(!debug.contains("PRIVATE KEY"), "{debug}");
    }

    #[test]
    fn the_host_is_a_dns_name_or_an_ip_address() {
        let build = |server: &str| Email::new(server, "a@b.example", ["c@d.example"]);
        for host in ["mail.example.com", "mail.example.com.", "mail_1", "10.0.0.1", "[::1]"] {
            build(&format!("smtps://{host}")).unwrap();
        }
        let error = build("smtps://größe.example").unwrap_err().to_string();
        assert!(error.contains("neither a DNS name nor an IP address"), "{error}");
    }
}
